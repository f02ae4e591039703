//! Texts from the other side, made fit for an error message.

/// How many characters of a text from the other side are shown.
const SHOWN: usize = 300;

/// `text` on one line, without control characters, cut to a length that fits a log.
pub(crate) fn shown(text: &str) -> String {
    let mut out = String::new();
    let mut words = text.split(|c: char| c.is_whitespace() || c.is_control());
    for word in words.by_ref().filter(|word| !word.is_empty()) {
        if !out.is_empty() {
            out.push(' ');
        }
        let room = SHOWN.saturating_sub(out.chars().count());
        if word.chars().count() > room {
            out.extend(word.chars().take(room));
            out.push('…');
            break;
        }
        out.push_str(word);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_and_cleaned() {
        check("No connector found", "No connector found");
        check(" two\r\n  lines\u{1b}[31m ", "two lines [31m");
        check("", "");
        check(&"x".repeat(300), &"x".repeat(300));
        check(&"x".repeat(301), &format!("{}…", "x".repeat(300)));
        check(&"é".repeat(10_000), &format!("{}…", "é".repeat(300)));
    }

    fn check(text: &str, expect: &str) {
        assert_eq!(shown(text), expect);
    }
}
