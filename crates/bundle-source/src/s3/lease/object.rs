//! The requests about a lease's object.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::Method;

use super::turn::{Found, Note};
use crate::s3::client::{Answer, Call, Client, Said};
use crate::s3::error::{S3Error, S3Permission};
use crate::s3::objects::{NOBODYS_ETAG, Version, unasked};
use crate::s3::retry::retried;

/// The object that stands for a lease.
#[derive(Debug)]
pub(super) struct LeaseObject {
    client: Arc<Client>,
    pub(super) key: String,
    /// How the store wants etags, once that is known.
    form: OnceLock<Form>,
}

/// How an etag is written in a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// As HTTP has it (RFC 9110, section 8.8.3).
    Quoted,
    /// Without quotes: Ceph 16 compares what is put to them, and finds that no etag has any.
    Bare,
}

/// On what condition an object is put.
#[derive(Clone, Copy, Debug)]
pub(super) enum Only<'a> {
    /// There is none.
    IfNone,
    /// The one that is there has this etag.
    If(&'a str),
}

/// What became of an object that was to be put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Put {
    /// It is there, with this etag.
    Done(String),
    /// The condition did not hold.
    Refused,
}

/// What a store makes of conditions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Probed {
    /// It keeps to them. The object has this etag now.
    Keeps(String),
    /// It does not, or to none that we know how to write.
    Overlooks,
    /// Not known: another has put the object meanwhile.
    Taken,
}

impl LeaseObject {
    /// The object of that key.
    pub(super) fn new(client: Arc<Client>, key: String) -> Self {
        Self {
            client,
            key,
            form: OnceLock::new(),
        }
    }

    /// What is there.
    pub(super) async fn look(&self) -> Result<Option<Found>, S3Error> {
        retried(self.client.patience, || async {
            let call = Call::new(Method::GET, &self.key, S3Permission::Read);
            match self.client.send(&call).await? {
                Said::Yes(answer) => {
                    let etag = etag(&answer)?;
                    let note = Note::read(&answer.collect().await?);
                    Ok(Some(Found { etag, note }))
                }
                Said::Missing => Ok(None),
                Said::Condition | Said::CannotDo => Err(unasked()),
            }
        })
        .await
    }

    /// Puts a note there, again and again where that may help.
    pub(super) async fn put(&self, only: Only<'_>, note: &str) -> Result<Put, S3Error> {
        retried(self.client.patience, || self.put_at_once(only, note)).await
    }

    /// Puts a note there.
    pub(super) async fn put_at_once(&self, only: Only<'_>, note: &str) -> Result<Put, S3Error> {
        let etag = match only {
            Only::IfNone => {
                return self
                    .send(self.putting(note)?.header("if-none-match", "*")?)
                    .await;
            }
            Only::If(etag) => etag,
        };
        match self.form.get() {
            Some(form) => self.put_in_place_of(etag, *form, note).await,
            None => self.put_in_unknown_form(etag, note).await,
        }
    }

    /// A store that refuses the etag of what is there does not want it like that. The other form is
    /// tried only then: a store that does not understand it might put the object anyhow.
    async fn put_in_unknown_form(&self, etag: &str, note: &str) -> Result<Put, S3Error> {
        let mut form = Form::Quoted;
        let mut put = self.put_in_place_of(etag, form, note).await?;
        if put == Put::Refused && self.look().await?.is_some_and(|found| found.etag == etag) {
            form = Form::Bare;
            put = self.put_in_place_of(etag, form, note).await?;
        }
        if put != Put::Refused {
            self.form.get_or_init(|| form);
        }
        Ok(put)
    }

    async fn put_in_place_of(&self, etag: &str, form: Form, note: &str) -> Result<Put, S3Error> {
        let call = self.putting(note)?;
        self.send(match form {
            Form::Quoted => call.only_if("if-match", Some(etag))?,
            Form::Bare => call.header("if-match", etag)?,
        })
        .await
    }

    fn putting(&self, note: &str) -> Result<Call<'_>, S3Error> {
        Call::new(Method::PUT, &self.key, S3Permission::Write)
            .body(Bytes::copy_from_slice(note.as_bytes()))
            .header("content-type", "text/plain; charset=utf-8")
    }

    async fn send(&self, call: Call<'_>) -> Result<Put, S3Error> {
        match self.client.send(&call).await? {
            Said::Yes(answer) => Ok(Put::Done(etag(&answer)?)),
            Said::Condition | Said::Missing => Ok(Put::Refused),
            Said::CannotDo => Err(S3Error::Refused("501 NotImplemented".into())),
        }
    }

    /// Puts a note in the place of one of the same process that had this etag; gives the new one's.
    ///
    /// Nothing, where another has taken the place.
    pub(super) async fn renew(
        &self,
        etag: &str,
        process: &str,
        note: &str,
    ) -> Result<Option<String>, S3Error> {
        if let Put::Done(etag) = self.put_at_once(Only::If(etag), note).await? {
            return Ok(Some(etag));
        }
        // It may have been we: a renewal whose answer was lost.
        let found = self.look().await?;
        let Some(found) = found.filter(|found| found.note.process == process) else {
            return Ok(None);
        };
        Ok(match self.put_at_once(Only::If(&found.etag), note).await? {
            Put::Done(etag) => Some(etag),
            Put::Refused => None,
        })
    }

    /// Tries what the store makes of conditions. There is an object of ours now, with this etag.
    pub(super) async fn probe(
        &self,
        etag: &str,
        process: &str,
        note: impl Fn() -> String,
    ) -> Result<Probed, S3Error> {
        if self.put(Only::IfNone, &note()).await? != Put::Refused {
            return Ok(Probed::Overlooks);
        }
        let renew = async || self.renew(etag, process, &note()).await;
        let Some(etag) = retried(self.client.patience, renew).await? else {
            let found = self.look().await?;
            let is_ours = found.is_some_and(|found| found.note.process == process);
            return Ok(if is_ours {
                Probed::Overlooks
            } else {
                Probed::Taken
            });
        };
        match self.put(Only::If(NOBODYS_ETAG), &note()).await? {
            Put::Refused => Ok(Probed::Keeps(etag)),
            Put::Done(_) => Ok(Probed::Overlooks),
        }
    }

    /// Deletes it, where the store keeps to that condition only if it has this etag.
    pub(super) async fn delete(&self, etag: &str) -> Result<(), S3Error> {
        retried(self.client.patience, || async {
            let call = Call::new(Method::DELETE, &self.key, S3Permission::Delete);
            let careful = call.clone().only_if("if-match", Some(etag))?;
            match self.client.send(&careful).await? {
                Said::Yes(_) | Said::Missing | Said::Condition => Ok(()),
                Said::CannotDo => self.client.send(&call).await.map(drop),
            }
        })
        .await
    }
}

fn etag(answer: &Answer) -> Result<String, S3Error> {
    let etag = Version::of(&answer.headers).etag;
    etag.ok_or_else(|| S3Error::Answer("an object without an etag".into()))
}
