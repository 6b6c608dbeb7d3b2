//! The whole picture: the list of runs, the facts of one, the curves of some, figures by class.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::Line;

use super::cells::{Look, write};
use super::charts::{self, Drawn};
use super::classes;
use super::curves::Quantity;
use super::facts::facts;
use super::list::{LIST, colors, letter, list, rank};
use super::view::View;

/// Columns of a picture that has room for the list of runs.
const WIDTH_WITH_LIST: u16 = 76;
/// Rows of the smallest chart.
const CHART: u16 = 6;
/// Columns of the smallest chart.
const CHART_WIDTH: u16 = 24;
/// Rows below the facts before figures by class take some of them.
const ROWS_WITH_CLASSES: u16 = 18;
/// Rows of figures by class at most, with their heading.
const MOST_OF_CLASSES: u16 = 13;

/// Draws the view into `area`, however small.
pub(super) fn draw(view: &View, look: Look, area: Rect, buffer: &mut Buffer) {
    let mut rest = area;
    if look.keys && area.height >= 8 {
        let keys = "q leaves   \u{2191}\u{2193} choose a run   space keeps its curves   l logarithm of the loss";
        let keys = Line::styled(keys, Style::new().add_modifier(Modifier::DIM));
        write(&[keys], bottom(&mut rest, 1), buffer);
    }
    let n = view.entries().len();
    if n > 1 && area.width >= WIDTH_WITH_LIST {
        let area = left(&mut rest, LIST);
        write(&list(view, look, usize::from(area.height)), area, buffer);
    }
    let Some(run) = view.selected() else { return };
    let place = (n > 1).then(|| (view.selected_place() + 1, n));
    let lines = facts(run, place, usize::from(rest.width), std::time::SystemTime::now());
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).min(rest.height);
    write(&lines, top(&mut rest, height), buffer);
    if rest.height >= ROWS_WITH_CLASSES {
        let most = (rest.height / 3).min(MOST_OF_CLASSES);
        let section = classes::section(run, usize::from(most), rest.width);
        let height = u16::try_from(section.len()).unwrap_or(most).min(most);
        if height > 0 {
            write(&section, bottom(&mut rest, height), buffer);
            bottom(&mut rest, 1);
        }
    }
    top(&mut rest, 1);
    grid(view, look, rest, buffer);
}

/// As many charts as there is room for, in at most two columns.
fn grid(view: &View, look: Look, area: Rect, buffer: &mut Buffer) {
    if area.height < CHART || area.width < CHART_WIDTH {
        return;
    }
    let columns = if area.width >= 2 * CHART_WIDTH { 2 } else { 1 };
    let rows = (area.height / CHART).min(if columns == 2 { 2 } else { 4 });
    let mut quantities = Quantity::ALL.into_iter();
    let mut rest = area;
    for row in 0..rows {
        let mut line = top_part(&mut rest, rows - row);
        for column in 0..columns {
            let Some(quantity) = quantities.next() else { return };
            let width = line.width / (columns - column);
            let mut place = left(&mut line, width);
            if column + 1 < columns {
                place.width = place.width.saturating_sub(2);
            }
            let drawn = drawn(view, look);
            charts::draw(quantity, &drawn, (look, view.log_loss), place, buffer);
        }
    }
}

/// The runs whose curves are drawn, the selected one last, so that it lies on top.
fn drawn(view: &View, look: Look) -> Vec<Drawn<'_>> {
    let mut shown = view.shown();
    shown.sort_by_key(|&at| at == view.selected_place());
    let is_alone = shown.len() == 1;
    let run = |at: usize| {
        let entry = view.entries().get(at)?;
        let (bright, dark) = colors(rank(view, at), look);
        let letter = (!look.colors && !is_alone).then(|| letter(rank(view, at)));
        Some(Drawn { run: &entry.run, bright, dark, letter, is_alone })
    };
    shown.into_iter().filter_map(run).collect()
}

/// Takes rows off the top.
fn top(rest: &mut Rect, rows: u16) -> Rect {
    let rows = rows.min(rest.height);
    let taken = Rect { height: rows, ..*rest };
    (rest.y, rest.height) = (rest.y + rows, rest.height - rows);
    taken
}

/// Takes one of `parts` equal parts off the top.
fn top_part(rest: &mut Rect, parts: u16) -> Rect {
    let rows = rest.height / parts.max(1);
    top(rest, rows)
}

/// Takes rows off the bottom.
fn bottom(rest: &mut Rect, rows: u16) -> Rect {
    let rows = rows.min(rest.height);
    rest.height -= rows;
    Rect { y: rest.y + rest.height, height: rows, ..*rest }
}

/// Takes columns off the left.
fn left(rest: &mut Rect, columns: u16) -> Rect {
    let columns = columns.min(rest.width);
    let taken = Rect { width: columns, ..*rest };
    (rest.x, rest.width) = (rest.x + columns, rest.width - columns);
    taken
}
