//! One line for each file named: a digest of all that splitting and validating it yields, and the
//! best time of a few. Two versions of the crate that print the same digests do the same.

#![expect(clippy::print_stdout, reason = "that is what it is for")]

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use stix_bundle::json::Object;
use stix_bundle::{Bundle, Limits, Profile, Split, Text};

const RANDOM: u64 = 4_000;
const ROUNDS: usize = 7;
const TYPES: [&str; 6] = [
    "tool",
    "report",
    "relationship",
    "sighting",
    "x-foo",
    "mutex",
];

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    for path in std::env::args().skip(1) {
        let bytes = std::fs::read(&path)?;
        let digest = digest(&bytes);
        let best = (0..ROUNDS)
            .map(|_| time(&bytes))
            .min()
            .unwrap_or(Duration::ZERO);
        println!("{digest:016x} {path} {best:.1?}");
    }
    let mut all = DefaultHasher::new();
    for seed in 1..=RANDOM {
        digest(random_bundle(seed).as_bytes()).hash(&mut all);
    }
    println!("{:016x} {RANDOM} random bundles", all.finish());
    Ok(())
}

fn time(bytes: &[u8]) -> Duration {
    let start = Instant::now();
    let parts = split(bytes).map(|split| split.part_count());
    std::hint::black_box(parts.unwrap_or(0));
    start.elapsed()
}

/// The bundle of an envelope, or the text itself.
fn bundle(bytes: &[u8]) -> Result<Bundle<'_>, Failure> {
    let limits = Limits::default();
    let text = Text::check(bytes, &limits)?;
    let text = Object::pick(&text, &["bundle"])?
        .text("bundle")
        .unwrap_or(text);
    Ok(Bundle::parse(&text, &limits)?)
}

fn split(bytes: &[u8]) -> Result<Split<'_>, Failure> {
    Ok(bundle(bytes)?.split(&Profile::opencti()))
}

fn digest(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    match bundle(bytes) {
        Ok(bundle) => {
            format!("{:?}", bundle.validate(&Profile::opencti())).hash(&mut hasher);
            digest_split(&bundle.split(&Profile::opencti()), &mut hasher);
        }
        Err(error) => format!("{error} {:?}", error.source()).hash(&mut hasher),
    }
    hasher.finish()
}

fn digest_split(split: &Split<'_>, hasher: &mut DefaultHasher) {
    let mut out = Vec::new();
    for part in 0..split.part_count() {
        format!("{:?}", split.part(part)).hash(hasher);
        out.clear();
        split.write_part(part, "bundle--1", &mut out);
        out.hash(hasher);
    }
    let not_sent: Vec<_> = split.not_sent().collect();
    format!("{not_sent:?}").hash(hasher);
    (split.cycles_broken(), split.references_removed()).hash(hasher);
}

/// Few ids and many references, so that cycles, repetitions, strangers and defects are common.
fn random_bundle(seed: u64) -> String {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut below = move |n: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) % n
    };
    let mut objects = Vec::new();
    for _ in 0..below(24) {
        let object_type = TYPES[usize::try_from(below(6)).unwrap_or(0)];
        let mut text = format!(
            r#"{{"type":"{object_type}","id":"{object_type}--{}""#,
            below(5)
        );
        for _ in 0..below(7) {
            let target = format!(
                "{}--{}",
                TYPES[usize::try_from(below(6)).unwrap_or(0)],
                below(5)
            );
            let member = match below(12) {
                0 => format!(r#","a_ref": "{target}""#),
                1 | 2 => format!(r#","source_ref":"{target}""#),
                3 | 4 => format!(r#","target_ref" :"{target}""#),
                5 => format!(r#","sighting_of_ref":"{target}""#),
                6 => format!(
                    r#","where_sighted_refs":["{target}", "{target}","mutex--{}"]"#,
                    below(5)
                ),
                7 => format!(r#","object_refs":["{target}","i{}"]"#, below(3)),
                8 => format!(r#","x_opencti_id":"i{}""#, below(3)),
                9 => format!(
                    r#","external_references":[{{"url":"{}"}},{{"url":"\u0031"}}]"#,
                    below(3)
                ),
                10 => r#","nb_deps" : 7,"b\u005fref":null"#.to_owned(),
                _ => format!(r#","c_refs":[{}]"#, below(2)),
            };
            text.push_str(&member);
        }
        objects.push(text + "}");
    }
    format!(r#"{{"objects":[{}, 1]}}"#, objects.join(",\n"))
}
