//! Text in cells of a terminal: what fits, and where it is written.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

/// How the picture may look.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    /// Whether colors tell curves apart; else letters and kinds of points do.
    pub colors: bool,
    /// Whether keys do something.
    pub keys: bool,
}

/// Parts of text in lines of at most `room` columns, with space between those of a line. A part that is longer than a
/// line loses its middle.
pub(super) fn wrapped(parts: &[String], room: usize) -> Vec<String> {
    const SPACE: &str = "   ";
    let mut lines: Vec<String> = Vec::new();
    for part in parts.iter().filter(|part| !part.is_empty()) {
        let part = fitting(part, room);
        let width = |text: &str| Span::raw(text).width();
        match lines.last_mut() {
            Some(line) if width(line) + SPACE.len() + width(&part) <= room => {
                line.push_str(SPACE);
                line.push_str(&part);
            }
            _ => lines.push(part),
        }
    }
    lines
}

/// A text in at most `room` columns; of a longer one the beginning and the end.
pub(super) fn fitting(text: &str, room: usize) -> String {
    if Span::raw(text).width() <= room {
        return text.to_owned();
    }
    let Some(room) = room.checked_sub(1) else { return String::new() };
    let taken = |chars: &mut dyn Iterator<Item = char>, room: usize| {
        let mut taken = String::new();
        for c in chars {
            taken.push(c);
            if Span::raw(taken.as_str()).width() > room {
                taken.pop();
                break;
            }
        }
        taken
    };
    let begin = taken(&mut text.chars(), room - room / 2);
    let end: String = taken(&mut text.chars().rev(), room / 2).chars().rev().collect();
    format!("{begin}\u{2026}{end}")
}

/// Writes lines from the top of `area`, cut where it ends.
pub(super) fn write(lines: &[Line<'_>], area: Rect, buffer: &mut Buffer) {
    for (y, line) in (area.top()..area.bottom()).zip(lines) {
        buffer.set_line(area.x, y, line, area.width);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_fit() {
        assert_eq!(fitting("digits-1", 8), "digits-1");
        assert_eq!(fitting("digits-1", 7), "dig\u{2026}s-1");
        assert_eq!(
            (fitting("digits-1", 1), fitting("digits-1", 0)),
            ("\u{2026}".to_owned(), String::new())
        );
        // Two columns each.
        assert_eq!(fitting("\u{732b}\u{732b}\u{732b}\u{732b}", 5), "\u{732b}\u{2026}\u{732b}");
        let parts = ["one", "", "two", "three", "a long one"].map(str::to_owned);
        assert_eq!(wrapped(&parts, 9), ["one   two", "three", "a lo\u{2026} one"]);
        assert_eq!(wrapped(&parts, 100), ["one   two   three   a long one"]);
    }
}
