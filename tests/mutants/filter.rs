//! Which mutants are drawn from.

use std::fmt::Display;

pub enum Filter {
    /// Those whose place or line has the text.
    Text(String),
    /// Those that a log of an earlier draw tells to have survived.
    SurvivorsOf(String),
}

impl Filter {
    /// By a text, or by the name of a log.
    pub fn new(given: String) -> Self {
        match std::fs::read_to_string(&given) {
            Ok(log) => Self::SurvivorsOf(
                log.lines()
                    .filter(|line| line.contains("Survived"))
                    .map(|l| format!("{l}\n"))
                    .collect(),
            ),
            Err(_) => Self::Text(given),
        }
    }

    /// Whether every mutant is drawn from.
    pub fn is_all(&self) -> bool {
        matches!(self, Self::Text(text) if text.is_empty())
    }

    pub fn keeps(&self, mutant: &impl Display) -> bool {
        match self {
            Self::Text(text) => mutant.to_string().contains(text),
            Self::SurvivorsOf(log) => log.contains(&format!("  {mutant}\n")),
        }
    }
}
