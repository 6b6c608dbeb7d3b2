//! The list of runs, and what tells the curves of one from those of others.

use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

use super::cells::{Look, fitting};
use super::run::State;
use super::view::{Entry, View};

/// Columns of the list.
pub(super) const LIST: u16 = 30;

/// Number of a run among those that are drawn.
pub(super) fn rank(view: &View, at: usize) -> usize {
    view.shown().iter().position(|&shown| shown == at).unwrap_or(0)
}

/// Stands for a run where there are no colors.
pub(super) fn letter(rank: usize) -> char {
    char::from(b'a' + u8::try_from(rank % 26).unwrap_or(0))
}

/// Colors of what a run has on the data that it does not train on, and on those that it does.
pub(super) fn colors(rank: usize, look: Look) -> (Color, Color) {
    const COLORS: [(Color, Color); 6] = [
        (Color::LightCyan, Color::Blue),
        (Color::LightYellow, Color::Yellow),
        (Color::LightMagenta, Color::Magenta),
        (Color::LightGreen, Color::Green),
        (Color::LightRed, Color::Red),
        (Color::White, Color::DarkGray),
    ];
    if !look.colors {
        return (Color::Reset, Color::Reset);
    }
    COLORS[rank % COLORS.len()]
}

/// The list of runs in `height` lines: of a long one the part around the selected one.
pub(super) fn list(view: &View, look: Look, height: usize) -> Vec<Line<'static>> {
    let selected = view.selected_place();
    let first = selected.saturating_sub(height / 2);
    let first = first.min(view.entries().len().saturating_sub(height));
    let shown = view.shown();
    let line = |(at, entry): (usize, &Entry)| {
        let is_shown = shown.contains(&at);
        let sign = match entry.run.state {
            State::Running => '\u{25b6}',
            State::Ended => '\u{2713}',
            State::Stopped => '\u{25a0}',
        };
        let pointer = if at == selected { '>' } else { ' ' };
        let mark = match (is_shown, look.colors) {
            (true, true) => '\u{2501}',
            (true, false) if shown.len() > 1 => letter(rank(view, at)),
            _ => ' ',
        };
        let style = match is_shown {
            true => Style::new().fg(colors(rank(view, at), look).0),
            false => Style::new(),
        };
        let room = usize::from(LIST) - 8;
        let run = &entry.run;
        let is_short = Span::raw(run.label.as_str()).width() <= room;
        let label = fitting(if is_short { &run.label } else { &run.short }, room);
        let style = if at == selected { style.add_modifier(Modifier::BOLD) } else { style };
        Line::styled(format!("{pointer} {mark} {sign} {label}"), style)
    };
    view.entries().iter().enumerate().skip(first).take(height).map(line).collect()
}
