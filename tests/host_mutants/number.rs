//! Numbers that can be changed from outside. The copy of the crate whose host kernels are mutated has this
//! file as its module `mutants`, and asks it for each of their numbers.

#![allow(missing_docs, reason = "a module of a copy that nobody reads")]
#![allow(clippy::cast_precision_loss, reason = "numbers of a text are small")]

use std::io::Write as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// Most places of numbers there may be.
pub const MOST_PLACES: usize = 4096;

/// A number of a text: `value`, or another one where its place is that of the mutant.
pub fn number<T: Number>(place: usize, value: T) -> T {
    static MUTANT: OnceLock<Option<(usize, usize)>> = OnceLock::new();
    static LOG: OnceLock<Option<String>> = OnceLock::new();
    if let Some(log) = LOG.get_or_init(|| std::env::var("VERIGRAD_HOST_MUTANTS_SEEN").ok()) {
        note(place, log);
    }
    let mutant = MUTANT.get_or_init(|| {
        let given = std::env::var("VERIGRAD_HOST_MUTANT").ok()?;
        let (place, change) = given.split_once(' ')?;
        Some((place.parse().ok()?, change.parse().ok()?))
    });
    match *mutant {
        Some((mutated, change)) if mutated == place => value.changed(change),
        _ => value,
    }
}

/// Adds a place to the log of those that were asked for, once.
fn note(place: usize, log: &str) {
    static SEEN: [AtomicBool; MOST_PLACES] = [const { AtomicBool::new(false) }; MOST_PLACES];
    if SEEN[place].swap(true, Ordering::Relaxed) {
        return;
    }
    let file = std::fs::OpenOptions::new().append(true).create(true).open(log);
    // Whoever reads the log misses the place, and says so.
    let _ = file.and_then(|mut file| file.write_all(format!("{place}\n").as_bytes()));
}

pub trait Number: Copy {
    /// The first or the second slip.
    fn changed(self, change: usize) -> Self;
}

macro_rules! integers {
    ($($t:ty),*) => {
        $(impl Number for $t {
            fn changed(self, change: usize) -> Self {
                if change == 0 || self == 0 { self.wrapping_add(1) } else { self - 1 }
            }
        })*
    };
}

macro_rules! floats {
    ($($t:ty),*) => {
        $(impl Number for $t {
            fn changed(self, change: usize) -> Self {
                if self == 0.0 { 1.0 } else if change == 0 { 2.0 * self } else { -self }
            }
        })*
    };
}

integers!(u8, u16, u32, u64, usize, i8, i16, i32, i64, isize);
floats!(f32, f64);
