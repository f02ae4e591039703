//! What it takes to make a message of a part.

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use opencti_client::{MessageHeader, WorkId, encode_message};

fn main() {
    divan::main();
}

#[divan::bench(args = [1_500, 100_000, 10_000_000])]
fn encode(bencher: Bencher<'_, '_>, length: usize) {
    let header = MessageHeader {
        applicant_id: Some("88ec0c6a-13ce-5e39-b486-354fe4a7084f".to_owned()),
        update: false,
        draft_id: None,
        work_id: WorkId("work_0d8a1c36_2026-01-01T00:00:00.000Z".to_owned()),
    };
    let content = vec![b'x'; length];
    let mut out = Vec::new();
    bencher.counter(BytesCount::new(length)).bench_local(|| {
        out.clear();
        encode_message(&header, 1, black_box(&content), &mut out);
        black_box(&out);
    });
}
