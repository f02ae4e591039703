//! What each step of taking a bundle apart takes.

#![expect(clippy::expect_used, reason = "generated input is sound")]

use std::sync::LazyLock;

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use sample_data::Feed;
use stix_bundle::json::Object;
use stix_bundle::{Bundle, Limits, Profile, Text};

/// An envelope of 20,000 objects.
static FEED: LazyLock<Vec<u8>> = LazyLock::new(|| Feed::of_objects(20_000).text());

fn main() {
    divan::main();
}

fn text() -> Text<'static> {
    Text::check(&FEED, &Limits::default()).expect("generated text is sound")
}

fn bundle_text() -> Text<'static> {
    let envelope = Object::parse(&text()).expect("generated text is an object");
    envelope.text("bundle").expect("an envelope has a bundle")
}

fn bundle() -> Bundle<'static> {
    Bundle::parse(&bundle_text(), &Limits::default()).expect("a generated bundle is sound")
}

#[divan::bench]
fn check_text(bencher: Bencher<'_, '_>) {
    let bytes = BytesCount::new(FEED.len());
    bencher.counter(bytes).bench(text);
}

#[divan::bench]
fn parse_bundle(bencher: Bencher<'_, '_>) {
    let (text, limits) = (bundle_text(), Limits::default());
    let bytes = BytesCount::new(FEED.len());
    bencher
        .counter(bytes)
        .bench(|| Bundle::parse(black_box(&text), &limits));
}

#[divan::bench]
fn validate(bencher: Bencher<'_, '_>) {
    let (bundle, profile) = (bundle(), Profile::opencti());
    let bytes = BytesCount::new(FEED.len());
    bencher
        .counter(bytes)
        .bench(|| black_box(&bundle).validate(&profile));
}

#[divan::bench]
fn split(bencher: Bencher<'_, '_>) {
    let profile = Profile::opencti();
    let bytes = BytesCount::new(FEED.len());
    bencher
        .counter(bytes)
        .with_inputs(bundle)
        .bench_values(|bundle| bundle.split(&profile));
}

#[divan::bench]
fn write_all_parts(bencher: Bencher<'_, '_>) {
    let split = bundle().split(&Profile::opencti());
    let bytes = BytesCount::new(FEED.len());
    let mut out = Vec::new();
    bencher.counter(bytes).bench_local(|| {
        for part in 0..split.part_count() {
            out.clear();
            split.write_part(part, "bundle--1", &mut out);
            black_box(&out);
        }
    });
}
