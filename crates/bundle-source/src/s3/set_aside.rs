//! Moving an object to where rejected ones are kept, with the reason beside it.

use bytes::Bytes;
use http::Method;

use super::client::{Call, Client, Said};
use super::error::{S3Error, S3Permission};
use super::keys::{Area, encode_query};
use super::objects::{MARK_HEADER, unasked};
use super::removal::{delete, remove};
use super::retry::retried;
use super::xml::{ErrorBody, is_copied};
use crate::Entry;
use crate::names::reason_name;

/// How much of a location, encoded, its mark has.
const LONGEST_IN_MARK: usize = 512;

/// An object on its way to the rejected folder.
#[derive(Clone, Debug)]
pub(super) struct Rejection<'a> {
    pub(super) client: &'a Client,
    pub(super) area: &'a Area,
    /// The object's key.
    pub(super) key: &'a str,
    /// Which object it is.
    pub(super) entry: &'a Entry,
    /// Why it is rejected.
    pub(super) reason: Bytes,
}

/// What moving an object to a key came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Move {
    /// The object that was listed is there now.
    Done,
    /// The key is taken.
    Taken,
    /// The object that was listed was not there any more.
    Changed,
}

impl Rejection<'_> {
    /// Moves the object; gives its new key, or nothing where it was not there any more.
    ///
    /// The reason is put first, and takes the place for us: it tells in its metadata of which object
    /// it speaks. So a move that was cut short, or that cannot delete the original, goes on at the
    /// same place when it is tried again, instead of leaving a copy each time.
    pub(super) async fn set_aside(&self) -> Result<Option<String>, S3Error> {
        match self.client.version(self.key).await? {
            Some(version) if version.is(self.entry) => {}
            _ => return Ok(None),
        }
        for number in 0..u32::MAX {
            let place = self.area.place(self.entry.location.as_str(), number);
            match self.try_place(&place).await? {
                Move::Done => return Ok(Some(place)),
                Move::Taken => {}
                Move::Changed => return Ok(None),
            }
        }
        Err(S3Error::Answer("every name is taken".into()))
    }

    async fn try_place(&self, place: &str) -> Result<Move, S3Error> {
        let reason_key = reason_name(place);
        if !self.reserve(place, &reason_key).await? {
            return Ok(Move::Taken);
        }
        let moved = self.copy_to(place).await;
        if !matches!(&moved, Ok(Move::Done)) {
            self.give_up(&reason_key, &moved).await;
            return moved;
        }
        // What has taken the original's key since is another object, and stays.
        remove(self.client, self.key, self.entry).await?;
        Ok(Move::Done)
    }

    /// Takes a place by putting the reason's object; `false` where somebody else has it.
    async fn reserve(&self, place: &str, reason_key: &str) -> Result<bool, S3Error> {
        if let Some(reason) = self.client.version(reason_key).await? {
            return Ok(reason.mark == Some(self.mark()));
        }
        if self.client.version(place).await?.is_some() {
            return Ok(false);
        }
        match retried(self.client.patience, || self.put_reason(reason_key)).await? {
            Said::Yes(_) => Ok(true),
            // It may have been we: an attempt whose answer was lost.
            Said::Condition => {
                let reason = self.client.version(reason_key).await?;
                Ok(reason.and_then(|reason| reason.mark) == Some(self.mark()))
            }
            Said::Missing | Said::CannotDo => Err(unasked()),
        }
    }

    /// Puts the reason's object where there is none, as far as the store knows such a condition.
    async fn put_reason(&self, reason_key: &str) -> Result<Said, S3Error> {
        let call = Call::new(Method::PUT, reason_key, S3Permission::Write)
            .body(self.reason.clone())
            .header("content-type", "application/json")?
            .header(MARK_HEADER, &self.mark())?;
        let careful = call.clone().header("if-none-match", "*")?;
        match self.client.send(&careful).await? {
            Said::CannotDo => self.client.send(&call).await,
            said => Ok(said),
        }
    }

    /// Copies the object within the store, if it still is the one that was listed.
    async fn copy_to(&self, place: &str) -> Result<Move, S3Error> {
        // An earlier attempt got this far: the place was free when its reason was put.
        if self.is_at(place).await? {
            return Ok(Move::Done);
        }
        let copied = retried(self.client.patience, || self.copy_at_once(place)).await?;
        if copied && !self.is_at(place).await? {
            return Err(S3Error::Answer(
                "a copy is not as large as its original".into(),
            ));
        }
        Ok(if copied { Move::Done } else { Move::Changed })
    }

    async fn copy_at_once(&self, place: &str) -> Result<bool, S3Error> {
        let call = Call::new(Method::PUT, place, S3Permission::Write)
            .header("x-amz-copy-source", &self.client.copy_source(self.key))?
            .only_if("x-amz-copy-source-if-match", self.entry.etag.as_deref())?;
        let answer = match self.client.send(&call).await? {
            Said::Yes(answer) => answer,
            Said::Missing | Said::Condition => return Ok(false),
            Said::CannotDo => return Err(unasked()),
        };
        let status = answer.status;
        let body = answer.collect().await?;
        if is_copied(&body) {
            return Ok(true);
        }
        // A copy may fail after the store has begun to answer.
        let refusal = ErrorBody::parse(&body);
        let needs = S3Permission::Write;
        Err(S3Error::of_answer(status, None, &refusal, needs))
    }

    /// Whether there is an object of the right size at `place`.
    ///
    /// Its etag may differ: it is another one for a copy of what was put in parts, or encrypted.
    async fn is_at(&self, place: &str) -> Result<bool, S3Error> {
        let version = self.client.version(place).await?;
        Ok(version.and_then(|version| version.size) == Some(self.entry.size))
    }

    /// Takes the reason back, unless the same move may succeed later.
    async fn give_up(&self, reason_key: &str, moved: &Result<Move, S3Error>) {
        if matches!(moved, Err(error) if error.is_transient()) {
            return;
        }
        if let Err(error) = delete(self.client, reason_key).await {
            tracing::warn!(key = reason_key, %error, "cannot remove an object left over");
        }
    }

    /// What the reason says of which object it speaks: the whole identity of it, but for the start
    /// of a long location, for which metadata has no room.
    fn mark(&self) -> String {
        let Entry {
            location,
            size,
            modified,
            etag,
        } = self.entry;
        let etag = encode_query(etag.as_deref().unwrap_or_default());
        let location = encode_query(location.as_str());
        let location = &location[location.len().saturating_sub(LONGEST_IN_MARK)..];
        format!("{etag} {size} {} {location}", modified.timestamp_micros())
    }
}
