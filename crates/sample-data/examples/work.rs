//! Takes a generated file apart: from bytes to all parts written. `cargo xtask counts` counts its
//! instructions; `cargo xtask bench --scaling` takes its time.
//!
//! Arguments: `feed` or the name of a shape, and a number of objects.

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use sample_data::{Feed, Shape};
use stix_bundle::json::Object;
use stix_bundle::{Bundle, Limits, Profile, Text};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [what, objects] = arguments.as_slice() else {
        return Err("what, and of how many objects?".into());
    };
    let objects = objects.parse()?;
    let shape = Shape::ALL.into_iter().find(|shape| shape.name() == what);
    let text = match shape {
        Some(shape) => format!(r#"{{"bundle":{}}}"#, shape.bundle(objects)).into_bytes(),
        None if what == "feed" => Feed::of_objects(objects).text(),
        None => return Err(format!("no such shape: {what}").into()),
    };
    let limits = Limits {
        max_bytes: u64::MAX,
        max_objects: objects,
        ..Limits::default()
    };
    let profile = Profile::opencti();
    let began = Instant::now();
    let parts = take_apart(&text, &limits, &profile)?;
    let nanos = began.elapsed().as_nanos();
    #[expect(clippy::print_stdout, reason = "this is what it is for")]
    {
        println!("{parts} parts, {nanos} ns");
    }
    Ok(())
}

/// What is counted. The name is what callgrind knows it by.
#[inline(never)]
fn take_apart(text: &[u8], limits: &Limits, profile: &Profile) -> Result<usize, Box<dyn Error>> {
    let envelope = Object::parse(&Text::check(text, limits)?)?;
    let bundle = envelope.text("bundle").ok_or("no bundle")?;
    let split = Bundle::parse(&bundle, limits)?.split(profile);
    let mut out = Vec::new();
    for part in 0..split.part_count() {
        out.clear();
        split.write_part(part, "bundle--1", &mut out);
        black_box(&out);
    }
    Ok(split.part_count())
}
