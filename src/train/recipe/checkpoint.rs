//! `[checkpoint]`: how often a run is saved.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// How often a run is saved so that it can be resumed. It is saved at its end and when it is
/// interrupted in any case.
///
/// ```toml
/// [checkpoint]
/// every = 500
/// keep = 3
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckpointConfig {
    /// After how much work: `"epoch"`, `"never"` or a number of steps.
    #[serde(default)]
    pub every: CheckpointEvery,
    /// How many are kept; older ones are removed.
    #[serde(default = "two")]
    #[schemars(range(min = 1))]
    pub keep: usize,
}

const fn two() -> usize {
    2
}

impl Default for CheckpointConfig {
    fn default() -> Self {
        Self { every: CheckpointEvery::default(), keep: two() }
    }
}

impl CheckpointConfig {
    /// Whether nothing was asked for.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Says which key below `checkpoint` holds what cannot be, and what is wrong with it.
    pub(in crate::train) fn check(&self) -> Result<(), (&'static str, String)> {
        if self.keep == 0 {
            return Err(("keep", "must be at least 1; 2 survives a damaged file".to_owned()));
        }
        Ok(())
    }
}

/// After how much work a run is saved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub enum CheckpointEvery {
    /// After each epoch.
    #[default]
    Epoch,
    /// After so many steps, at least 1.
    Steps(u64),
    /// Only at the end and when interrupted.
    Never,
}

impl CheckpointEvery {
    /// Steps from `step` on until the next checkpoint within an epoch.
    pub(in crate::train) fn steps_until(self, step: u64) -> u64 {
        match self {
            Self::Steps(every) => every - step % every,
            Self::Epoch | Self::Never => u64::MAX,
        }
    }

    /// Whether a run is saved after `step` steps; `epoch_end` says whether an epoch ends there.
    pub(in crate::train) fn is_due(self, step: u64, epoch_end: bool) -> bool {
        match self {
            Self::Epoch => epoch_end,
            Self::Steps(every) => step.is_multiple_of(every),
            Self::Never => false,
        }
    }
}

/// As the recipe has it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected \"epoch\", \"never\" or a number of steps above 0")]
enum Written {
    Steps(u64),
    Word(String),
}

impl JsonSchema for CheckpointEvery {
    fn schema_name() -> Cow<'static, str> {
        "CheckpointEvery".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "After how much work a run is saved.",
            "oneOf": [
                { "const": "epoch", "description": "After each epoch." },
                { "const": "never", "description": "Only at the end and when interrupted." },
                { "type": "integer", "minimum": 1, "description": "After so many steps." },
            ],
        })
    }
}

/// What `every` may be.
#[derive(Debug)]
struct WrongEvery;

impl fmt::Display for WrongEvery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("checkpoint.every must be \"epoch\", \"never\" or a number of steps above 0")
    }
}

impl TryFrom<Written> for CheckpointEvery {
    type Error = WrongEvery;

    fn try_from(written: Written) -> Result<Self, WrongEvery> {
        match written {
            Written::Steps(steps) if steps > 0 => Ok(Self::Steps(steps)),
            Written::Word(word) if word == "epoch" => Ok(Self::Epoch),
            Written::Word(word) if word == "never" => Ok(Self::Never),
            _ => Err(WrongEvery),
        }
    }
}

impl From<CheckpointEvery> for Written {
    fn from(every: CheckpointEvery) -> Self {
        match every {
            CheckpointEvery::Epoch => Self::Word("epoch".to_owned()),
            CheckpointEvery::Steps(steps) => Self::Steps(steps),
            CheckpointEvery::Never => Self::Word("never".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_words_or_steps() {
        let read = |text: &str| toml::from_str::<CheckpointConfig>(text);
        assert_eq!(read("").expect("valid"), CheckpointConfig::default());
        for (text, every) in [
            ("every = \"epoch\"", CheckpointEvery::Epoch),
            ("every = \"never\"", CheckpointEvery::Never),
            ("every = 50", CheckpointEvery::Steps(50)),
        ] {
            let config = read(text).expect(text);
            assert_eq!(config.every, every);
            let again = toml::to_string(&config).expect("TOML");
            assert_eq!(read(&again).expect("its own text"), config);
        }
        for wrong in ["every = 0", "every = \"day\"", "every = -1"] {
            let error = read(wrong).expect_err(wrong).to_string();
            assert!(error.contains("number of steps") || error.contains("variant"), "{error}");
        }
    }

    #[test]
    fn steps_are_due_at_multiples() {
        let every = CheckpointEvery::Steps(10);
        assert_eq!([0, 7, 10].map(|step| every.steps_until(step)), [10, 3, 10]);
        assert!(every.is_due(20, false) && !every.is_due(21, true));
        assert!(
            CheckpointEvery::Epoch.is_due(21, true) && !CheckpointEvery::Never.is_due(20, true)
        );
    }
}
