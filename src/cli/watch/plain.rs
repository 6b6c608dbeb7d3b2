//! The picture as plain text, for pipes, files and terminals that cannot more.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;

use super::cells::Look;
use super::draw::draw;
use super::view::View;
use crate::cli::output;

/// Columns and rows where nobody says.
const SIZE: (u16, u16) = (100, 40);

/// Prints the picture.
pub(super) fn show(view: &View) {
    let asked = |name: &str| std::env::var(name).ok()?.parse::<u16>().ok().filter(|&n| n > 0);
    let (columns, rows) = (asked("COLUMNS").unwrap_or(SIZE.0), asked("LINES").unwrap_or(SIZE.1));
    output::text(format_args!("{}", text(view, columns, rows)));
}

/// The picture in lines without spaces at their ends.
pub(super) fn text(view: &View, columns: u16, rows: u16) -> String {
    let area = Rect::new(0, 0, columns, rows);
    let mut buffer = Buffer::empty(area);
    draw(view, Look { colors: false, keys: false }, area, &mut buffer);
    text_of(&buffer)
}

/// The characters of a picture; lines at its end that have none are left out.
pub(super) fn text_of(buffer: &Buffer) -> String {
    let area = buffer.area;
    let mut text = String::new();
    for y in area.top()..area.bottom() {
        let mut line = String::new();
        let mut x = area.left();
        while x < area.right() {
            let symbol = buffer[(x, y)].symbol();
            line.push_str(symbol);
            // A wide character hides the cell behind it.
            x += u16::try_from(Span::raw(symbol).width()).unwrap_or(1).max(1);
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    let end = text.trim_end_matches('\n').len();
    text.truncate(end);
    text.push('\n');
    text
}
