//! What it takes to tell from a file's bytes what is to be done with it.

use diode_core::Fingerprint;
use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use sample_data::Feed;
use stix_bundle::{Limits, Profile};

fn main() {
    divan::main();
}

#[divan::bench(args = [1_000, 20_000])]
fn fingerprint(bencher: Bencher<'_, '_>, objects: usize) {
    let feed = Feed::of_objects(objects).text();
    let bytes = BytesCount::new(feed.len());
    bencher
        .counter(bytes)
        .bench(|| Fingerprint::of(black_box(&feed)));
}

#[divan::bench(args = [1_000, 20_000])]
fn examine(bencher: Bencher<'_, '_>, objects: usize) {
    let feed = Feed::of_objects(objects).text();
    let (limits, profile) = (Limits::default(), Profile::opencti());
    let bytes = BytesCount::new(feed.len());
    bencher.counter(bytes).bench(|| {
        diode_core::examine(black_box(&feed), &limits, &profile);
    });
}
