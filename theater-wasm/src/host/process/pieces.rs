//! Cutting a program's output into the pieces that a guest gets: pure.

use theater_core::Bytes;

/// How a stream is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    Raw,
    Lines,
    /// Lines without the white space around them, and without empty ones.
    Trimmed,
    Chunks,
}

/// Cuts one stream. What it keeps between two reads is at most one piece.
#[derive(Debug)]
pub(super) struct Cutter {
    cut: Cut,
    /// Bytes of a piece; of chunks exactly so many.
    most: usize,
    pending: Vec<u8>,
    /// Whether the line has had a piece of its own already.
    begun: bool,
}

impl Cutter {
    fn new(cut: Cut, most: usize) -> Self {
        Self { cut, most: most.max(1), pending: Vec::new(), begun: false }
    }

    /// Pieces as they come.
    pub(super) fn raw(most: usize) -> Self {
        Self::new(Cut::Raw, most)
    }

    /// Lines without their line feed. A longer one is cut into pieces of `most` bytes.
    pub(super) fn lines(most: usize) -> Self {
        Self::new(Cut::Lines, most)
    }

    /// Lines without the white space around them, and without empty ones.
    pub(super) fn json(most: usize) -> Self {
        Self::new(Cut::Trimmed, most)
    }

    /// Pieces of this many bytes.
    pub(super) fn chunks(size: usize) -> Self {
        Self::new(Cut::Chunks, size)
    }

    /// Takes the next bytes, and gives the pieces that are whole now.
    pub(super) fn push(&mut self, mut data: &[u8]) -> Vec<Bytes> {
        let mut pieces = Vec::new();
        match self.cut {
            Cut::Raw => pieces.extend(data.chunks(self.most).map(Bytes::copy_from_slice)),
            Cut::Chunks => {
                while self.pending.len() + data.len() >= self.most {
                    let (piece, rest) = data.split_at(self.most - self.pending.len());
                    self.pending.extend_from_slice(piece);
                    pieces.push(self.take());
                    data = rest;
                }
                self.pending.extend_from_slice(data);
            }
            Cut::Lines | Cut::Trimmed => {
                while let Some(end) = data.iter().position(|byte| *byte == b'\n') {
                    self.extend_line(&data[..end], &mut pieces);
                    pieces.extend(self.end_line());
                    data = &data[end + 1..];
                }
                self.extend_line(data, &mut pieces);
            }
        }
        pieces
    }

    /// The stream has ended: gives what is left.
    pub(super) fn finish(mut self) -> Option<Bytes> {
        if self.pending.is_empty() {
            return None;
        }
        match self.cut {
            Cut::Lines | Cut::Trimmed => self.end_line(),
            Cut::Raw | Cut::Chunks => Some(self.take()),
        }
    }

    /// A line that is exactly as long as a piece is not cut: so the end of a line that was cut is never empty.
    fn extend_line(&mut self, mut data: &[u8], pieces: &mut Vec<Bytes>) {
        while self.pending.len() + data.len() > self.most {
            let (piece, rest) = data.split_at(self.most - self.pending.len());
            self.pending.extend_from_slice(piece);
            pieces.push(self.take());
            self.begun = true;
            data = rest;
        }
        self.pending.extend_from_slice(data);
    }

    fn end_line(&mut self) -> Option<Bytes> {
        let begun = std::mem::take(&mut self.begun);
        // What is a part of a line has no white space around it but its own.
        if self.cut == Cut::Lines || begun {
            return Some(self.take());
        }
        let line = self.pending.trim_ascii();
        let piece = (!line.is_empty()).then(|| Bytes::copy_from_slice(line));
        self.pending.clear();
        piece
    }

    fn take(&mut self) -> Bytes {
        let piece = Bytes::copy_from_slice(&self.pending);
        self.pending.clear();
        piece
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pieces of a stream that is read in parts of this size.
    fn cut(mut cutter: Cutter, stream: &str, part: usize) -> Vec<String> {
        let mut pieces = Vec::new();
        for part in stream.as_bytes().chunks(part) {
            pieces.extend(cutter.push(part));
            assert!(cutter.pending.len() <= cutter.most, "it keeps one piece at most");
        }
        pieces.extend(cutter.finish());
        pieces.iter().map(|piece| String::from_utf8_lossy(piece).into_owned()).collect()
    }

    /// The same, however it is read.
    fn always(cutter: impl Fn() -> Cutter, stream: &str) -> Vec<String> {
        let whole = cut(cutter(), stream, 1_000);
        for part in 1..12 {
            assert_eq!(cut(cutter(), stream, part), whole, "read by {part}");
        }
        whole
    }

    #[test]
    fn lines_come_without_their_ends_empty_ones_too_and_the_last_without_one() {
        let lines = || Cutter::lines(100);
        assert_eq!(always(lines, "one\n\ntwo\r\nthree"), ["one", "", "two\r", "three"]);
        assert_eq!(always(lines, "one\n"), ["one"]);
        assert_eq!(always(lines, ""), [""; 0]);
        assert_eq!(always(lines, "\n\n"), ["", ""]);
    }

    #[test]
    fn a_line_that_is_too_long_comes_in_pieces_and_is_never_followed_by_an_empty_one() {
        let lines = || Cutter::lines(4);
        assert_eq!(always(lines, "1234\n12345\n12345678\n12\n"), ["1234", "1234", "5", "1234", "5678", "12"]);
        assert_eq!(always(lines, "123456789"), ["1234", "5678", "9"]);
    }

    #[test]
    fn json_values_come_without_the_white_space_around_them_and_what_is_none_comes_as_well() {
        let json = || Cutter::json(100);
        assert_eq!(
            always(json, " {\"a\": 1} \n\n \t\r\n[1,\t2]\r\nno json\n"),
            ["{\"a\": 1}", "[1,\t2]", "no json"]
        );
        assert_eq!(always(json, "  \"last\"  "), ["\"last\""]);
        assert_eq!(always(json, "   "), [""; 0]);
        assert_eq!(always(|| Cutter::json(3), "[1, 2]\n"), ["[1,", " 2]"], "the parts make the whole");
    }

    #[test]
    fn chunks_have_their_size_but_for_the_last() {
        assert_eq!(always(|| Cutter::chunks(3), "1234567"), ["123", "456", "7"]);
        assert_eq!(always(|| Cutter::chunks(3), "123456"), ["123", "456"]);
        assert_eq!(always(|| Cutter::chunks(1), "12"), ["1", "2"]);
    }

    #[test]
    fn raw_pieces_are_what_was_read_and_no_longer_than_they_may_be() {
        assert_eq!(cut(Cutter::raw(4), "1234567", 3), ["123", "456", "7"]);
        assert_eq!(cut(Cutter::raw(4), "1234567", 7), ["1234", "567"]);
        assert_eq!(always(|| Cutter::raw(1), "12"), ["1", "2"]);
    }
}
