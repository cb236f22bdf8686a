//! Text that guests and files gave, made fit for a terminal.

use theater_core::Bytes;

/// Escapes what would move the cursor, change colours or hide text: guests and files must not write to the terminal's
/// controls.
pub(crate) fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => out.push(' '),
            c if c.is_control() || is_bidi_control(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

/// Characters that change the order in which text is shown.
fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{61c}')
}

/// Bytes as a user can read them: text where they are text, hexadecimal otherwise.
pub(crate) fn bytes(data: &Bytes) -> String {
    match std::str::from_utf8(data) {
        Ok(text) => text.lines().map(printable).collect::<Vec<_>>().join("\n"),
        Err(_) => format!("{} bytes: {}", data.len(), hex(data)),
    }
}

/// Lowercase hexadecimal.
pub(crate) fn hex(data: &[u8]) -> String {
    use std::fmt::Write as _;

    data.iter().fold(String::with_capacity(data.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// `1 actor`, `2 actors`.
pub(crate) fn count(n: u64, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_are_shown_and_not_obeyed() {
        assert_eq!(printable("a\x1b[31mb\rc\td\u{202e}e"), "a\\u{1b}[31mb\\u{d}c d\\u{202e}e");
        assert_eq!(printable("größe ✓"), "größe ✓");
    }

    #[test]
    fn bytes_are_text_or_hexadecimal() {
        assert_eq!(bytes(&Bytes::from_static(b"{\"a\":1}\n")), "{\"a\":1}");
        assert_eq!(bytes(&Bytes::from_static(b"\xff\x00")), "2 bytes: ff00");
    }
}
