//! Numbers that look random and are the same each time.

/// `SplitMix64`, as Steele, Lea and Flood published it in 2014.
pub(crate) fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// The UUID of a number.
pub(crate) fn uuid(number: u64) -> String {
    let (high, low) = (mix(number), mix(!number));
    format!(
        "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        low >> 52,
        low & 0xffff_ffff_ffff
    )
}

/// A number below `count`, which is not 0.
pub(crate) fn below(random: u64, count: usize) -> usize {
    usize::try_from(random % count as u64).unwrap_or_default()
}
