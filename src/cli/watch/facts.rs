//! Where a run stands, in a few lines.

use std::time::SystemTime;

use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

use super::cells::{fitting, wrapped};
use super::charts::shown;
use super::curves::Quantity;
use super::run::{Run, State};
use crate::report::format::{bytes, duration, grouped, visible_name};
use crate::train::EpochRecord;

/// Columns of the bar of epochs.
const BAR: usize = 20;
/// Lines about files that cannot be read, at most.
const MOST_PROBLEMS: usize = 3;

/// The lines, the most important first, of at most `room` columns; `place` says which run of how many it is.
pub(super) fn facts(
    run: &Run,
    place: Option<(usize, usize)>,
    room: usize,
    now: SystemTime,
) -> Vec<Line<'static>> {
    let mut lines = vec![name(run, place, room)];
    let last = run.epochs().last();
    let figures = last.map(|last| figures(run, last)).unwrap_or_default();
    for parts in [vec![standing(run, now)], figures, device(run)] {
        lines.extend(wrapped(&parts, room).into_iter().map(Line::from));
    }
    for problem in run.problems().into_iter().take(MOST_PROBLEMS) {
        let text = fitting(&visible_name(problem), room);
        lines.push(Line::styled(text, Style::new().fg(Color::Red)));
    }
    lines
}

/// Its name, its state, and how far it has come.
fn name(run: &Run, place: Option<(usize, usize)>, room: usize) -> Line<'static> {
    let (state, color) = match run.state {
        State::Running => ("running", Color::Green),
        State::Ended => ("ended", Color::Reset),
        State::Stopped => ("stopped", Color::Yellow),
    };
    let done = run.epochs().last().map_or(0, |epoch| epoch.epoch);
    let of = run.recipe().map_or_else(String::new, |recipe| format!(" of {}", recipe.epochs));
    let mut rest = format!("  {done}{of} epochs");
    if let Some((number, n)) = place {
        rest += &format!("  run {number} of {n}");
    }
    // The name gives way.
    let label = fitting(&run.label, room.saturating_sub(state.len() + 2 + rest.len()).max(8));
    let mut line = Line::from(Span::styled(label, Style::new().add_modifier(Modifier::BOLD)));
    line.push_span(Span::styled(format!("  {state}"), Style::new().fg(color)));
    line.push_span(Span::raw(rest));
    let has_room = line.width() + 2 + BAR <= room;
    if let Some(recipe) = run.recipe().filter(|recipe| recipe.epochs > 0 && has_room) {
        let part = f64::from(done) / f64::from(recipe.epochs);
        let full = (1..=BAR).filter(|&cell| cell_begins(cell) < part).count();
        let bar = format!("  {}{}", "\u{2588}".repeat(full), "\u{2591}".repeat(BAR - full));
        line.push_span(Span::styled(bar, Style::new().fg(color)));
    }
    line
}

/// The part of all epochs that must be done before a cell of the bar, from one, is full.
fn cell_begins(cell: usize) -> f64 {
    let number = |n: usize| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
    (number(cell) - 0.5) / number(BAR)
}

/// How it goes on, or why it ended.
fn standing(run: &Run, now: SystemTime) -> String {
    match run.state {
        State::Running => {
            let left = run.recipe().and_then(|recipe| {
                let left = run.pace.left(recipe, run.epochs(), now)?;
                // Early stopping may end it before.
                let most = if recipe.early_stopping.is_some() { "at most" } else { "about" };
                Some(format!("{most} {} left", duration(left)))
            });
            left.unwrap_or_else(|| "curves come with the end of the first epoch".to_owned())
        }
        State::Ended => match run.result() {
            Some(result) => {
                let seconds = std::time::Duration::try_from_secs_f64(result.seconds);
                let time = duration(seconds.unwrap_or_default());
                let why = visible_name(&result.ended).into_owned();
                format!("{} after {time}", if why.is_empty() { "ended" } else { &why })
            }
            None => String::new(),
        },
        State::Stopped => {
            let path = run.dir.path().display().to_string();
            format!("go on with: verigrad train --resume {}", visible_name(&path))
        }
    }
}

/// Figures of the last epoch, and the best one.
fn figures(run: &Run, last: &EpochRecord) -> Vec<String> {
    // A model that predicts numbers has no accuracy.
    let percent = |accuracy: f64| match accuracy {
        share if share.is_nan() => String::new(),
        share => format!("{} ", shown(Quantity::Accuracy, share)),
    };
    let mut parts = Vec::new();
    if let Some(loss) = last.test_loss {
        let accuracy = percent(last.test_accuracy.unwrap_or(f64::NAN));
        parts.push(format!("test {accuracy}loss {}", shown(Quantity::Loss, loss)));
    }
    let best = run.epochs().iter().filter_map(|epoch| Some((epoch.test_accuracy?, epoch.epoch)));
    let best = best.filter(|(accuracy, _)| accuracy.is_finite());
    // The first of equal ones.
    if let Some((accuracy, epoch)) = best.rev().max_by(|a, b| a.0.total_cmp(&b.0)) {
        parts.push(format!("best {}in epoch {epoch}", percent(accuracy)));
    }
    let (train, loss) = (last.train_accuracy, last.train_loss);
    parts.push(format!("train {}loss {}", percent(train), shown(Quantity::Loss, loss)));
    parts.push(format!("{} images/s", shown(Quantity::Throughput, last.images_per_second)));
    parts
}

/// The device, and what the run needs of it.
fn device(run: &Run) -> Vec<String> {
    let mut parts = Vec::new();
    if let Some(device) = run.device() {
        let more = [&device.kind, &device.backend, &device.driver].map(String::as_str);
        let more: Vec<&str> = more.into_iter().filter(|m| !m.is_empty() && *m != "none").collect();
        parts.push(visible_name(&format!("{} ({})", device.name, more.join(", "))).into_owned());
    }
    if let Some(plan) = run.plan() {
        let (device, host) = (bytes(plan.planned_bytes), bytes(plan.planned_host_bytes));
        parts.push(format!("memory {device}, on the host {host}"));
        parts.push(format!("{} parameters", grouped(plan.parameters)));
    }
    parts
}
