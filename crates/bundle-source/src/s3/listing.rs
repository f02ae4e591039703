//! The objects that may be bundles, and those that only look so.

use http::Method;

use super::client::{Call, Client, Said};
use super::error::{S3Error, S3Permission};
use super::keys::{Area, Odd, Verdict, encode_query};
use super::objects::unasked;
use super::retry::retried;
use super::xml::{Listed as Object, Page, parse_page};
use crate::names::is_rejected;
use crate::oddities::Oddities;
use crate::{Listed, Listing, Selection, Wanted};

/// What a folder of a bucket holds.
#[derive(Debug)]
pub(super) struct Found {
    /// The objects that may be bundles.
    pub(super) listing: Listing,
    /// The keys that look like a bundle's, whose objects are left alone.
    pub(super) oddities: Oddities<String, Odd>,
}

/// The same, while pages come.
struct Finding<'w> {
    selection: Selection<'w>,
    oddities: Oddities<String, Odd>,
}

/// Lists what is wanted of an area, from all pages of it.
pub(super) async fn list(client: &Client, area: &Area, wanted: &Wanted) -> Result<Found, S3Error> {
    let mut finding = Finding {
        selection: Selection::new(wanted),
        oddities: Oddities::default(),
    };
    for prefix in area.prefixes() {
        each(client, prefix, |object| finding.add(area, object)).await?;
    }
    Ok(Found {
        listing: finding.selection.finish(),
        oddities: finding.oddities,
    })
}

/// Lists the objects that were set aside, without their reasons, each with its whole key.
pub(super) async fn list_rejected(client: &Client, area: &Area) -> Result<Listing, S3Error> {
    let wanted = Wanted::all();
    let mut selection = Selection::new(&wanted);
    each(client, area.rejected(), |object| {
        let key = str::from_utf8(&object.key).ok();
        if let Some(key) = key.filter(|key| area.is_place(key) && is_rejected(key)) {
            selection.push(Listed {
                location: key,
                size: object.size,
                modified: object.modified,
                etag: object.etag.as_deref(),
            });
        }
    })
    .await?;
    Ok(selection.finish())
}

/// Goes over all objects whose keys begin so, page by page.
async fn each(client: &Client, prefix: &str, mut add: impl FnMut(&Object)) -> Result<(), S3Error> {
    let mut token = None;
    loop {
        let page = retried(client.patience, || page(client, prefix, token.as_deref())).await?;
        for object in page.objects {
            // MinIO takes away a slash at the beginning: what it lists then was listed without it.
            if object.key.starts_with(prefix.as_bytes()) {
                add(&object);
            }
        }
        if page.next.is_some() && page.next == token {
            return Err(S3Error::Answer("listing: a page follows itself".into()));
        }
        token = page.next;
        if token.is_none() {
            return Ok(());
        }
    }
}

impl Finding<'_> {
    fn add(&mut self, area: &Area, object: &Object) {
        match area.judge(&object.key) {
            Verdict::Bundle(location) => self.selection.push(Listed {
                location: &location,
                size: object.size,
                modified: object.modified,
                etag: object.etag.as_deref(),
            }),
            Verdict::Odd(reason) => {
                let key = || String::from_utf8_lossy(&object.key).into_owned();
                self.oddities.push(key, reason);
            }
            Verdict::Other => {}
        }
    }
}

async fn page(client: &Client, prefix: &str, token: Option<&str>) -> Result<Page, S3Error> {
    let mut query = format!(
        "list-type=2&encoding-type=url&prefix={}",
        encode_query(prefix)
    );
    if let Some(token) = token {
        query += "&continuation-token=";
        query += &encode_query(token);
    }
    let call = Call::new(Method::GET, "", S3Permission::List).query(query);
    match client.send(&call).await? {
        Said::Yes(answer) => parse_page(&answer.collect().await?),
        Said::Missing | Said::Condition | Said::CannotDo => Err(unasked()),
    }
}
