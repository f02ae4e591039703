//! Shipments made for tests.

use opencti_client::{MessageHeader, Parts, WorkId};
use tokio_util::sync::CancellationToken;

/// Parts of a given number; each names its index.
pub(crate) struct Numbered {
    pub(crate) count: usize,
    /// The one that is padded to so many bytes.
    pub(crate) large: Option<(usize, usize)>,
    /// Cancels this when the part with that index is asked for.
    pub(crate) stop_at: Option<(usize, CancellationToken)>,
}

impl Numbered {
    pub(crate) fn new(count: usize) -> Self {
        Self {
            count,
            large: None,
            stop_at: None,
        }
    }
}

/// What part `index` carries.
pub(crate) fn content(index: usize) -> String {
    format!(r#"{{"type":"bundle","objects":[{{"name":"part {index}"}}]}}"#)
}

impl Parts for Numbered {
    fn count(&self) -> usize {
        self.count
    }

    fn write(&self, index: usize, out: &mut Vec<u8>) {
        if let Some((at, stop)) = &self.stop_at
            && *at == index
        {
            stop.cancel();
        }
        out.extend_from_slice(content(index).as_bytes());
        if let Some((at, length)) = self.large
            && at == index
        {
            out.resize(length, b' ');
        }
    }

    fn write_together(&self, _: &[usize], _: &mut Vec<u8>) {
        unreachable!("the broker gets every part in a message of its own")
    }

    fn level(&self, _: usize) -> u64 {
        unreachable!("the broker gets every part in a message of its own")
    }
}

pub(crate) fn header() -> MessageHeader {
    MessageHeader {
        applicant_id: Some("88ec0c6a-13ce-5e39-b486-354fe4a7084f".to_owned()),
        update: false,
        draft_id: None,
        work_id: WorkId("work_test".to_owned()),
    }
}
