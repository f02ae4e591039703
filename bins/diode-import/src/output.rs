//! What is printed, line by line: there is no way to print a character that is not safe for a terminal.

use std::io::{self, BufWriter, ErrorKind, Write};

use diode_core::terminal::{self, Layout};
use serde::Serialize;

/// The longest cell, in characters, that a column is made wide enough for: one long value must not push
/// all that follows it out of sight.
const WIDEST: usize = 60;

/// Standard output. Nothing more is written once nobody reads it any more, as with `| head`; that is no
/// error, and what was to be found out still is, for the exit code.
#[expect(
    clippy::disallowed_methods,
    reason = "all that is printed goes through here"
)]
pub(crate) fn stdout() -> SafeOutput<impl Write> {
    SafeOutput::to(Output::to(BufWriter::new(io::stdout().lock())))
}

/// Standard error, for what is said while there is no log.
#[expect(
    clippy::disallowed_methods,
    reason = "all that is printed goes through here"
)]
pub(crate) fn stderr() -> SafeOutput<impl Write> {
    SafeOutput::to(io::stderr().lock())
}

/// What writes lines whose characters are [safe](terminal::is_safe) whatever is in them.
pub(crate) struct SafeOutput<W>(W);

impl<W: Write> SafeOutput<W> {
    pub(crate) fn to(to: W) -> Self {
        Self(to)
    }

    /// Writes a line; a line break within it is escaped.
    pub(crate) fn line(&mut self, line: &str) -> io::Result<()> {
        self.0.write_all(terminal::guard(line).as_bytes())?;
        self.0.write_all(b"\n")
    }

    /// Writes a page of our own, whose line breaks are meant.
    pub(crate) fn page(&mut self, page: &str) -> io::Result<()> {
        self.0.write_all(terminal::guard_page(page).as_bytes())
    }

    /// Writes a value as JSON, and ends the line.
    pub(crate) fn json(&mut self, value: &impl Serialize, layout: Layout) -> io::Result<()> {
        terminal::write_json(&mut self.0, value, layout)?;
        self.0.write_all(b"\n")
    }

    /// Ends it: what is held back is written.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.0.flush()
    }
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
