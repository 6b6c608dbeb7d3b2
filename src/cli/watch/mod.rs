//! The view of `verigrad watch`: runs in a terminal, from nothing but the files that they leave.
//!
//! | file | what |
//! |---|---|
//! | `find` | which runs there are |
//! | `run`, `pace` | what is read of one, and how long it takes |
//! | `view` | what is shown of which runs, and what keys do |
//! | `curves` | points of curves |
//! | `draw`, `list`, `facts`, `charts`, `classes`, `cells` | the picture |
//! | `terminal`, `plain` | where the picture goes |

mod cells;
mod charts;
mod classes;
mod curves;
mod draw;
mod facts;
mod find;
mod list;
mod pace;
mod plain;
mod run;
mod terminal;
#[cfg(test)]
mod tests;
mod view;

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::Duration;

use super::failure::Failure;
use view::View;

/// What is watched, and how.
#[derive(Debug)]
pub(in crate::cli) struct Watching {
    /// Runs, searches and folders of them; without any, what is in `below`.
    pub named: Vec<PathBuf>,
    /// The folder of runs.
    pub below: PathBuf,
    /// Time between two looks at the files.
    pub every: Duration,
    /// Whether one picture as plain text is enough.
    pub once: bool,
}

/// Shows the runs until a key or a signal ends it; once, as text, where standard output is no terminal.
pub(in crate::cli) fn run(watching: Watching) -> Result<(), Failure> {
    let (every, once) = (watching.every, watching.once);
    let view = View::open(watching.named, watching.below)?;
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    if once || is_dumb || !std::io::stdout().is_terminal() {
        plain::show(&view);
        Ok(())
    } else {
        terminal::show(view, every)
    }
}
