//! Memory for what files hold.

use std::fmt;
use std::io::{self, ErrorKind, Read};

use bytes::Bytes;
use memmap2::{Advice, MmapMut};

/// From how many bytes on memory comes from the system in large pages.
///
/// The system hands out memory page by page, when it is first written to. For a file of 35 MB that
/// is 8,500 interruptions with pages of 4 KiB, which take as long as reading the file.
const LARGE: usize = 1 << 20;

/// The content of a file while it is read, of at most as many bytes as there is room for.
///
/// ```
/// use bundle_source::Content;
///
/// let mut content = Content::with_room(5)?;
/// assert!(content.read_from(&b"{}"[..])?, "the file is at its end");
/// assert!(content.append(b" \n"));
/// assert!(!content.append(b"[]"), "there is no room for that");
/// assert_eq!(content.into_bytes(), "{} \n");
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Content(Memory);

enum Memory {
    /// With its whole capacity as room.
    Small(Vec<u8>, usize),
    Large(Pages),
}

/// Pages, and how many bytes of them are in use.
struct Pages {
    pages: MmapMut,
    used: usize,
}

impl Content {
    /// Nothing yet, with room for that many bytes.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfMemory`] where the system has no such amount.
    pub fn with_room(size: u64) -> io::Result<Self> {
        let size = usize::try_from(size).map_err(|_| ErrorKind::OutOfMemory)?;
        if size < LARGE {
            return Ok(Self(Memory::Small(Vec::with_capacity(size), size)));
        }
        let pages = MmapMut::map_anon(size).map_err(|_| ErrorKind::OutOfMemory)?;
        // Where the system has no large pages, small ones are as good, and only slower.
        let _ = pages.advise(Advice::HugePage);
        Ok(Self(Memory::Large(Pages { pages, used: 0 })))
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        match &self.0 {
            Memory::Small(bytes, _) => bytes.len(),
            Memory::Large(pages) => pages.used,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets what is there.
    pub fn clear(&mut self) {
        match &mut self.0 {
            Memory::Small(bytes, _) => bytes.clear(),
            Memory::Large(pages) => pages.used = 0,
        }
    }

    /// Adds bytes; `false`, without adding any, where there is no room for all of them.
    pub fn append(&mut self, more: &[u8]) -> bool {
        match &mut self.0 {
            Memory::Small(bytes, room) => {
                let fits = more.len() <= *room - bytes.len();
                if fits {
                    bytes.extend_from_slice(more);
                }
                fits
            }
            Memory::Large(pages) => {
                let room = pages.rest().get_mut(..more.len());
                let fits = room.map(|room| room.copy_from_slice(more)).is_some();
                if fits {
                    pages.used += more.len();
                }
                fits
            }
        }
    }

    /// Adds what a reader has, until there is no more of it, or no more room; says whether it has
    /// come to its end. Where the room is just enough that is not known, and the answer `false`.
    ///
    /// # Errors
    /// Those of the reader, but for [`ErrorKind::Interrupted`].
    pub fn read_from(&mut self, mut reader: impl Read) -> io::Result<bool> {
        match &mut self.0 {
            Memory::Small(bytes, room) => {
                let rest = *room - bytes.len();
                reader.take(rest as u64).read_to_end(bytes)?;
                Ok(bytes.len() < *room)
            }
            Memory::Large(pages) => loop {
                let rest = pages.rest();
                if rest.is_empty() {
                    return Ok(false);
                }
                match reader.read(rest) {
                    Ok(0) => return Ok(true),
                    Ok(count) => pages.used += count,
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            },
        }
    }

    /// What there is; the memory is this.
    pub fn into_bytes(self) -> Bytes {
        match self.0 {
            Memory::Small(bytes, _) => bytes.into(),
            Memory::Large(pages) => Bytes::from_owner(pages),
        }
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Content({} bytes)", self.len())
    }
}

impl Pages {
    /// The room that is left.
    fn rest(&mut self) -> &mut [u8] {
        &mut self.pages[self.used..]
    }
}

impl AsRef<[u8]> for Pages {
    fn as_ref(&self) -> &[u8] {
        &self.pages[..self.used]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives its bytes in small pieces, and is interrupted before each.
    struct Slow<'a> {
        bytes: &'a [u8],
        interrupted: bool,
    }

    impl Read for Slow<'_> {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            self.interrupted = !self.interrupted;
            if self.interrupted {
                return Err(ErrorKind::Interrupted.into());
            }
            let (piece, rest) = self.bytes.split_at(self.bytes.len().min(1000));
            let (piece, more) = piece.split_at(piece.len().min(room.len()));
            room[..piece.len()].copy_from_slice(piece);
            self.bytes = if more.is_empty() { rest } else { more };
            Ok(piece.len())
        }
    }

    fn text(size: usize) -> Vec<u8> {
        (b'a'..=b'z').cycle().take(size).collect()
    }

    #[test]
    fn a_reader_is_read_to_its_end_or_as_far_as_there_is_room() {
        for size in [0, 7, LARGE - 1, LARGE, LARGE + 5000] {
            for (room, is_end) in [(size + 1, true), (size, false), (size / 2, false)] {
                let all = text(size);
                let mut content = Content::with_room(room as u64).unwrap();
                let reader = Slow {
                    bytes: &all,
                    interrupted: false,
                };
                assert_eq!(content.read_from(reader).unwrap(), is_end, "{size} {room}");
                assert_eq!(content.len(), size.min(room));
                assert!(content.into_bytes() == all[..size.min(room)]);
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_not_added() {
        for size in [10, LARGE + 10] {
            let all = text(size);
            let mut content = Content::with_room(size as u64).unwrap();
            assert!(content.is_empty());
            assert!(content.append(&all[..4]));
            assert!(!content.append(&all[..size - 3]));
            assert!(content.append(&all[4..]));
            assert!(!content.append(b"x"));
            assert!(content.append(b""));
            assert_eq!(content.len(), size);
            content.clear();
            assert!(content.append(b"again"));
            assert_eq!(content.into_bytes(), "again");
        }
    }

    #[test]
    fn a_reader_that_fails() {
        struct Fails;
        impl Read for Fails {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(ErrorKind::TimedOut.into())
            }
        }
        for size in [1, LARGE as u64] {
            let mut content = Content::with_room(size).unwrap();
            let error = content.read_from(Fails).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut);
        }
    }

    #[test]
    fn a_size_that_no_memory_has_is_an_error() {
        let error = Content::with_room(u64::MAX / 2).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutOfMemory);
    }
}
