//! What is shown of which runs, and what keys do.

use std::path::PathBuf;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::find::{Found, find};
use super::run::{Run, State};
use crate::cli::failure::Failure;

/// Curves that one picture has at most: more are not told apart.
pub(super) const MOST_SHOWN: usize = 6;

/// Whether the view stays open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    /// It does.
    Stay,
    /// The user leaves.
    Leave,
}

/// Runs, and how they are looked at.
#[derive(Debug)]
pub(super) struct View {
    named: Vec<PathBuf>,
    below: PathBuf,
    entries: Vec<Entry>,
    selected: usize,
    /// Whether losses are drawn by their logarithm.
    pub log_loss: bool,
}

/// A run in the list.
#[derive(Debug)]
pub(super) struct Entry {
    pub run: Run,
    /// Whether its curves are drawn where another run is selected, too.
    pub pinned: bool,
}

impl View {
    /// Opens the runs; those that were named are drawn together, as far as one picture takes.
    ///
    /// # Errors
    /// When there are none, or a name is no run.
    pub fn open(named: Vec<PathBuf>, below: PathBuf) -> Result<Self, Failure> {
        let found = find(&named, &below)?;
        let is_named = !named.is_empty();
        let entry = |(i, found): (usize, &Found)| Entry {
            run: Run::new(found),
            pinned: is_named && i < MOST_SHOWN,
        };
        let entries = found.iter().enumerate().map(entry).collect();
        let mut view = Self { named, below, entries, selected: 0, log_loss: false };
        view.refresh_shown();
        Ok(view)
    }

    /// Looks at the files again: what has changed, and which runs have come.
    pub fn refresh(&mut self) {
        if let Ok(found) = find(&self.named, &self.below) {
            self.take_over(&found);
        }
        for entry in &mut self.entries {
            // One that has ended may be gone on with, which the next look at it tells.
            if entry.run.state != State::Ended {
                entry.run.refresh_state();
            }
        }
        self.refresh_shown();
    }

    /// Keeps what was read of runs that are still there, and the selected one selected.
    fn take_over(&mut self, found: &[Found]) {
        let selected = self.selected().map(|run| run.dir.clone());
        let mut known = std::mem::take(&mut self.entries);
        for found in found {
            let at = known.iter().position(|entry| entry.run.dir == found.dir);
            let entry = match at {
                Some(at) => known.swap_remove(at),
                None => Entry { run: Run::new(found), pinned: false },
            };
            self.entries.push(entry);
        }
        let place = |dir| self.entries.iter().position(|entry| Some(&entry.run.dir) == dir);
        self.selected = place(selected.as_ref()).unwrap_or(0);
    }

    fn refresh_shown(&mut self) {
        let shown = self.shown();
        for at in shown {
            if let Some(entry) = self.entries.get_mut(at) {
                entry.run.refresh();
            }
        }
    }

    /// The list.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Place of the selected run in the list.
    pub fn selected_place(&self) -> usize {
        self.selected
    }

    /// The run whose figures are shown.
    pub fn selected(&self) -> Option<&Run> {
        self.entries.get(self.selected).map(|entry| &entry.run)
    }

    /// Places of the runs whose curves are drawn: the selected one and the pinned ones.
    pub fn shown(&self) -> Vec<usize> {
        let is_shown =
            |(at, entry): (usize, &Entry)| (entry.pinned || at == self.selected).then_some(at);
        self.entries.iter().enumerate().filter_map(is_shown).collect()
    }

    /// Does what a key asks for.
    pub fn press(&mut self, key: KeyEvent) -> Flow {
        if key.kind == KeyEventKind::Release {
            return Flow::Stay;
        }
        let last = self.entries.len().saturating_sub(1);
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc => return Flow::Leave,
            // In raw mode it is a key like others.
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => {
                return Flow::Leave;
            }
            KeyCode::Up | KeyCode::Char('k') => self.selected = self.selected.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => self.selected = (self.selected + 1).min(last),
            KeyCode::Home => self.selected = 0,
            KeyCode::End => self.selected = last,
            KeyCode::Char(' ') => self.toggle_pin(),
            KeyCode::Char('l') => self.log_loss = !self.log_loss,
            _ => {}
        }
        self.refresh_shown();
        Flow::Stay
    }

    /// Pins the selected run, or no longer; not more than one picture takes.
    fn toggle_pin(&mut self) {
        let pinned = self.entries.iter().filter(|entry| entry.pinned).count();
        if let Some(entry) = self.entries.get_mut(self.selected) {
            entry.pinned = !entry.pinned && pinned < MOST_SHOWN;
        }
    }
}
