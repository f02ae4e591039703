//! The references of a bundle's objects, one behind the other.

use std::ops::Range;

use crate::object::End;
use crate::room::push;

/// A reference of an object: the number of a name, with three bits beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link(u32);

const KEPT: u32 = 1;
const FIRST: u32 = 2;
const SECOND: u32 = 4;
const NAME_SHIFT: u32 = 3;

impl Link {
    pub(crate) fn new(name: u32, kept: bool, end: End) -> Self {
        let kept = if kept { KEPT } else { 0 };
        let end = match end {
            End::Neither => 0,
            End::First => FIRST,
            End::Second => SECOND,
        };
        Self(name << NAME_SHIFT | end | kept)
    }

    /// The number of what it refers to.
    pub(crate) fn name(self) -> u32 {
        self.0 >> NAME_SHIFT
    }

    /// Whether it stays. From the start not where it names the object that has it, even if another
    /// one claims that name too: a worker sees each object alone.
    pub(crate) fn is_kept(self) -> bool {
        self.0 & KEPT != 0
    }

    /// Whether it is this end of its object.
    pub(crate) fn is(self, end: End) -> bool {
        self.0 & (FIRST | SECOND) == Self::new(0, false, end).0
    }
}

/// The most that there may be: each takes at most 5 bytes, and places have 32 bits.
pub(crate) const MAX_LINKS: usize = 1 << 28;

/// All references; each takes as many bytes as its number needs, seven bits in each, the lowest
/// first. Most are short: what many objects refer to was met early and has a small number.
#[derive(Debug, Default)]
pub(crate) struct Links {
    bytes: Vec<u8>,
    count: usize,
}

/// Set in every byte of a link but its last one.
const MORE: u8 = 0x80;
const BITS: u32 = 7;

impl Links {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Where the next one will stand.
    pub(crate) fn end(&self) -> u32 {
        u32::try_from(self.bytes.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn push(&mut self, link: Link) {
        let mut rest = link.0;
        loop {
            let low = rest.to_le_bytes()[0] & !MORE;
            rest >>= BITS;
            let more = if rest == 0 { 0 } else { MORE };
            push(&mut self.bytes, low | more);
            if rest == 0 {
                break;
            }
        }
        self.count += 1;
    }

    /// The link that stands there, and where the next one does.
    pub(crate) fn read(&self, mut at: u32) -> (Link, u32) {
        let (mut link, mut shift) = (0, 0);
        loop {
            let byte = self.bytes[at as usize];
            at += 1;
            link |= u32::from(byte & !MORE) << shift;
            if byte & MORE == 0 {
                return (Link(link), at);
            }
            shift += BITS;
        }
    }

    /// Takes out the link that stands there: it is not kept.
    pub(crate) fn remove(&mut self, at: u32) {
        // The bit is in the first byte, and the number stays as long as it is.
        self.bytes[at as usize] &= !KEPT.to_le_bytes()[0];
    }

    /// Those that stand there.
    pub(crate) fn within(&self, places: Range<u32>) -> impl Iterator<Item = Link> {
        let mut at = places.start;
        std::iter::from_fn(move || {
            let (link, next) = (at < places.end).then(|| self.read(at))?;
            at = next;
            Some(link)
        })
    }

    /// Takes away the last ones, from this place on.
    pub(crate) fn cut(&mut self, end: u32) {
        self.count -= self.within(end..self.end()).count();
        self.bytes.truncate(end as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GREATEST: u32 = u32::MAX >> NAME_SHIFT;

    #[test]
    fn links_are_read_as_they_were_written() {
        let names = [
            0, 1, 15, 16, 2047, 2048, 262_143, 262_144, 33_554_431, 33_554_432,
        ];
        let mut links = Links::default();
        let mut places = Vec::new();
        for name in names.into_iter().chain([GREATEST]) {
            for end in [End::Neither, End::First, End::Second] {
                for kept in [false, true] {
                    let link = Link::new(name, kept, end);
                    assert_eq!((link.name(), link.is_kept()), (name, kept));
                    assert!(link.is(end));
                    places.push((links.end(), link));
                    links.push(link);
                }
            }
        }
        assert_eq!(links.len(), places.len());
        let seen: Vec<_> = links.within(0..links.end()).collect();
        assert!(seen.iter().eq(places.iter().map(|(_, link)| link)));

        for (at, link) in &places {
            links.remove(*at);
            let removed = links.read(*at).0;
            assert_eq!((removed.name(), removed.is_kept()), (link.name(), false));
        }
        let (last_ten, _) = places[places.len() - 10];
        links.cut(last_ten);
        assert_eq!((links.len(), links.end()), (places.len() - 10, last_ten));
    }
}
