//! What is printed to standard output.

use std::io::{self, BufWriter, ErrorKind, Write};

/// The longest cell, in characters, that a column is made wide enough for: one long value must not push
/// all that follows it out of sight.
const WIDEST: usize = 60;

/// Standard output. Nothing more is written once nobody reads it any more, as with `| head`; that is no
/// error, and what was to be found out still is, for the exit code.
pub(crate) fn stdout() -> impl Write {
    Output::to(BufWriter::new(io::stdout().lock()))
}

/// How wide a column with these cells is.
pub(crate) fn width<'a>(cells: impl Iterator<Item = &'a str>) -> usize {
    let lengths = cells.map(|cell| cell.chars().count());
    lengths
        .filter(|length| *length <= WIDEST)
        .max()
        .unwrap_or(0)
}

struct Output<W> {
    to: W,
    reader: Reader,
}

/// Whether anybody reads what is written.
#[derive(PartialEq, Eq)]
enum Reader {
    There,
    Gone,
}

impl<W: Write> Output<W> {
    fn to(to: W) -> Self {
        Self {
            to,
            reader: Reader::There,
        }
    }

    /// The result of writing, or `instead` where nobody reads it.
    fn heard<T>(
        &mut self,
        instead: T,
        write: impl FnOnce(&mut W) -> io::Result<T>,
    ) -> io::Result<T> {
        if self.reader == Reader::Gone {
            return Ok(instead);
        }
        match write(&mut self.to) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.reader = Reader::Gone;
                Ok(instead)
            }
            result => result,
        }
    }
}

impl<W: Write> Write for Output<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.heard(bytes.len(), |to| to.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.heard((), W::flush)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes one write, and then fails.
    struct Failing(ErrorKind, usize);

    impl Write for Failing {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1 += 1;
            if self.1 == 1 {
                Ok(bytes.len())
            } else {
                Err(self.0.into())
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_has_gone_is_no_error_and_anything_else_is() {
        let mut to = Output::to(Failing(ErrorKind::BrokenPipe, 0));
        for _ in 0..4 {
            to.write_all(b"a line\n").unwrap();
        }
        to.flush().unwrap();
        assert_eq!(to.to.1, 2, "nothing is written in vain");
        let mut full = Output::to(Failing(ErrorKind::StorageFull, 0));
        full.write_all(b"a").unwrap();
        let error = full.write_all(b"b").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
    }

    #[test]
    fn a_column_is_as_wide_as_its_longest_cell_but_for_very_long_ones() {
        let long = "x".repeat(61);
        assert_eq!(width(["a", "äöü", &long].into_iter()), 3);
        assert_eq!(width([long.as_str()].into_iter()), 0);
    }
}
