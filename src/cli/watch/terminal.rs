//! The picture in a terminal, until a key or a signal ends it.

use std::time::{Duration, Instant};

use ratatui::crossterm::event::{self, Event};
use ratatui::{DefaultTerminal, try_init, try_restore};

use super::cells::Look;
use super::draw::draw;
use super::view::{Flow, View};
use crate::cli::failure::{Failure, Interrupted};
use crate::cli::interrupt;

/// Longest wait for a key: signals are seen between two waits.
const LONGEST_WAIT: Duration = Duration::from_millis(200);

/// Shows the view, and looks at the files again after `every`.
pub(super) fn show(mut view: View, every: Duration) -> Result<(), Failure> {
    interrupt::flag()?;
    let mut terminal = try_init()
        .map_err(|error| format!("the terminal cannot be drawn on: {error}; try --once"))?;
    let shown = stay(&mut terminal, &mut view, every);
    try_restore()?;
    shown
}

fn stay(terminal: &mut DefaultTerminal, view: &mut View, every: Duration) -> Result<(), Failure> {
    let colors = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let look = Look { colors, keys: true };
    let mut looked = Instant::now();
    loop {
        terminal.draw(|frame| draw(view, look, frame.area(), frame.buffer_mut()))?;
        loop {
            if interrupt::has_come() {
                return Err(Interrupted("ended by a signal".to_owned()).into());
            }
            let wait = every.saturating_sub(looked.elapsed()).min(LONGEST_WAIT);
            if event::poll(wait)? {
                match event::read()? {
                    Event::Key(key) if view.press(key) == Flow::Leave => return Ok(()),
                    // Of another size, or with another run: it is drawn at once.
                    _ => break,
                }
            }
            if looked.elapsed() >= every {
                view.refresh();
                looked = Instant::now();
                break;
            }
        }
    }
}
