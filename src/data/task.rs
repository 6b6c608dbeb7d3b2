//! What a model learns of pictures: their class, numbers, or which of several names apply.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a model learns of each example.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// One of several classes.
    #[default]
    Classification,
    /// Numbers, such as an age or a position.
    Regression,
    /// Which of several classes apply: none, one or more.
    MultiLabel,
}

impl Task {
    /// Whether this is the default.
    pub fn is_classification(&self) -> bool {
        *self == Self::Classification
    }

    /// Its name in recipes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Classification => "classification",
            Self::Regression => "regression",
            Self::MultiLabel => "multi_label",
        }
    }
}

/// The numbers that go with the examples of a set: a row for each line of the file that lists them.
///
/// All splits share one; the label of an example is the number of its row. Clones are cheap.
#[derive(Clone, PartialEq)]
pub struct TargetTable(Arc<Rows>);

#[derive(PartialEq)]
struct Rows {
    task: Task,
    /// Numbers in a row, at least one.
    width: usize,
    /// `[rows, width]`, all finite.
    values: Vec<f32>,
}

// Its numbers are finite.
impl Eq for TargetTable {}

impl fmt::Debug for TargetTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rows of {} targets", self.len(), self.width())
    }
}

impl TargetTable {
    /// A table of finite numbers `[rows, width]`.
    pub(super) fn new(task: Task, width: usize, values: Vec<f32>) -> Self {
        Self(Arc::new(Rows { task, width: width.max(1), values }))
    }

    /// What they mean: numbers, or 1 where a class applies and else 0.
    pub fn task(&self) -> Task {
        self.0.task
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.0.values.len() / self.0.width
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.0.values.is_empty()
    }

    /// Numbers in a row.
    pub fn width(&self) -> usize {
        self.0.width
    }

    /// All numbers, `[rows, width]`.
    pub fn values(&self) -> &[f32] {
        &self.0.values
    }

    /// The numbers of a row; none where there is no such row.
    pub fn row(&self, row: u32) -> Option<&[f32]> {
        let start = usize::try_from(row).ok()?.checked_mul(self.0.width)?;
        self.0.values.get(start..start.checked_add(self.0.width)?)
    }
}
