//! Examples of any shape: numbers in memory, and sources of one's own.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::DataError;

/// What kind of answer goes with an example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetKind {
    /// One class: a label.
    Class,
    /// A class for each place of this shape, such as each pixel.
    Classes(Vec<usize>),
    /// Numbers of this shape.
    Numbers(Vec<usize>),
}

impl TargetKind {
    /// Elements for one example.
    pub fn elements(&self) -> usize {
        match self {
            Self::Class => 1,
            Self::Classes(shape) | Self::Numbers(shape) => shape.iter().product(),
        }
    }
}

/// Room for the answer that goes with one example.
#[derive(Debug)]
pub enum TargetMut<'a> {
    /// Labels: one, or one for each place; `u32::MAX` where a place has none and does not count.
    Classes(&'a mut [u32]),
    /// Numbers.
    Numbers(&'a mut [f32]),
}

/// A data set of one's own: how many examples there are, of what shape, and how to read one.
///
/// Examples are read on all cores, a few batches before they are needed, so that a set may be larger than
/// memory.
///
/// ```
/// use verigrad::data::{Dataset, Examples, TargetKind, TargetMut};
///
/// /// `y = x^2`, at 1,000 places.
/// struct Squares;
///
/// impl Examples for Squares {
///     fn len(&self) -> usize {
///         1000
///     }
///
///     fn input(&self) -> Vec<usize> {
///         vec![1]
///     }
///
///     fn target(&self) -> TargetKind {
///         TargetKind::Numbers(vec![1])
///     }
///
///     fn read(&self, i: usize, input: &mut [f32], target: TargetMut<'_>) -> Result<(), String> {
///         input[0] = i as f32 / 500.0 - 1.0;
///         if let TargetMut::Numbers(target) = target {
///             target[0] = input[0] * input[0];
///         }
///         Ok(())
///     }
/// }
///
/// let data = Dataset::of_examples("squares", Squares, vec![])?;
/// assert_eq!(data.len(), 1000);
/// # Ok::<(), verigrad::data::DataError>(())
/// ```
pub trait Examples: Send + Sync {
    /// Number of examples.
    fn len(&self) -> usize;

    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Shape of the input of one example: `[height, width, channels]` for images, `[features]` for tables.
    fn input(&self) -> Vec<usize>;

    /// What goes with an example.
    fn target(&self) -> TargetKind;

    /// Reads example `i`, below [`Self::len`], into room for it. The same `i` always gives the same.
    ///
    /// # Errors
    /// A message that says what is wrong and what to do; the training ends with it.
    fn read(&self, i: usize, input: &mut [f32], target: TargetMut<'_>) -> Result<(), String>;

    /// Whether reading costs nothing, so that a device may be given all examples at the start.
    fn in_memory(&self) -> bool {
        false
    }

    /// Bytes of memory that it holds.
    fn bytes(&self) -> usize {
        0
    }
}

/// Examples that data sets share.
#[derive(Clone)]
pub struct SharedExamples(Arc<dyn Examples>);

impl SharedExamples {
    pub(super) fn new(examples: impl Examples + 'static) -> Self {
        Self(Arc::new(examples))
    }

    /// Those at `indices`, in that order.
    pub(super) fn subset(&self, indices: &[usize]) -> Self {
        Self::new(Subset { of: self.clone(), indices: indices.to_vec() })
    }
}

impl fmt::Debug for SharedExamples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} examples of {:?} with {:?}", self.len(), self.input(), self.target())
    }
}

impl Deref for SharedExamples {
    type Target = dyn Examples;

    fn deref(&self) -> &Self::Target {
        self.0.as_ref()
    }
}

impl PartialEq for SharedExamples {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for SharedExamples {}

/// Some of other examples.
struct Subset {
    of: SharedExamples,
    indices: Vec<usize>,
}

impl Examples for Subset {
    fn len(&self) -> usize {
        self.indices.len()
    }

    fn input(&self) -> Vec<usize> {
        self.of.input()
    }

    fn target(&self) -> TargetKind {
        self.of.target()
    }

    fn read(&self, i: usize, input: &mut [f32], target: TargetMut<'_>) -> Result<(), String> {
        let place = self.indices.get(i).ok_or_else(|| format!("there is no example {i}"))?;
        self.of.read(*place, input, target)
    }

    fn in_memory(&self) -> bool {
        self.of.in_memory()
    }
}

/// The answers of examples in memory.
#[derive(Debug, Clone, PartialEq)]
pub enum Targets {
    /// A label for each example.
    Class(Vec<u32>),
    /// Labels for the places of each example; `u32::MAX` where a place has none and does not count.
    Classes {
        /// Shape of the places of one example.
        shape: Vec<usize>,
        /// Labels `[n, shape]`.
        labels: Vec<u32>,
    },
    /// Numbers for each example.
    Numbers {
        /// Their shape for one example.
        shape: Vec<usize>,
        /// Numbers `[n, shape]`.
        values: Vec<f32>,
    },
}

impl Targets {
    /// Numbers of a shape for each example.
    pub fn numbers(shape: impl Into<Vec<usize>>, values: Vec<f32>) -> Self {
        Self::Numbers { shape: shape.into(), values }
    }

    fn len(&self) -> usize {
        match self {
            Self::Class(labels) | Self::Classes { labels, .. } => labels.len(),
            Self::Numbers { values, .. } => values.len(),
        }
    }
}

/// Examples in memory.
#[derive(Debug)]
pub(super) struct Table {
    input: Vec<usize>,
    inputs: Vec<f32>,
    targets: Targets,
}

impl Table {
    /// Inputs `[n, input]` with their answers.
    pub(super) fn new(
        name: &str,
        input: Vec<usize>,
        inputs: Vec<f32>,
        targets: Targets,
    ) -> Result<Self, DataError> {
        let error = |problem: String| DataError::Inconsistent { name: name.to_owned(), problem };
        let size = |shape: &[usize]| {
            let elements = shape.iter().try_fold(1_usize, |all, &n| all.checked_mul(n));
            elements.filter(|&n| n > 0).ok_or_else(|| {
                error(format!("{shape:?} is no shape: each extent must be at least 1"))
            })
        };
        let table = Self { input, inputs, targets };
        let (row, answer) = (size(&table.input)?, table.target());
        let each = match &answer {
            TargetKind::Class => 1,
            TargetKind::Classes(shape) | TargetKind::Numbers(shape) => size(shape)?,
        };
        let (inputs, targets) = (table.inputs.len(), table.targets.len());
        if !inputs.is_multiple_of(row) || !targets.is_multiple_of(each) {
            return Err(error(format!(
                "{inputs} numbers of inputs and {targets} of targets were given: expected {row} and {each} \
                 for each example"
            )));
        }
        if inputs / row != targets / each {
            return Err(error(format!(
                "inputs of {} examples do not go with targets of {}",
                inputs / row,
                targets / each
            )));
        }
        Ok(table)
    }
}

impl Examples for Table {
    fn len(&self) -> usize {
        self.inputs.len() / self.input.iter().product::<usize>().max(1)
    }

    fn input(&self) -> Vec<usize> {
        self.input.clone()
    }

    fn target(&self) -> TargetKind {
        match &self.targets {
            Targets::Class(_) => TargetKind::Class,
            Targets::Classes { shape, .. } => TargetKind::Classes(shape.clone()),
            Targets::Numbers { shape, .. } => TargetKind::Numbers(shape.clone()),
        }
    }

    fn read(&self, i: usize, input: &mut [f32], target: TargetMut<'_>) -> Result<(), String> {
        input.copy_from_slice(&self.inputs[i * input.len()..][..input.len()]);
        match (target, &self.targets) {
            (TargetMut::Classes(to), Targets::Class(labels) | Targets::Classes { labels, .. }) => {
                to.copy_from_slice(&labels[i * to.len()..][..to.len()])
            }
            (TargetMut::Numbers(to), Targets::Numbers { values, .. }) => {
                to.copy_from_slice(&values[i * to.len()..][..to.len()]);
            }
            (to, _) => return Err(format!("{to:?} is no room for targets of this set")),
        }
        Ok(())
    }

    fn in_memory(&self) -> bool {
        true
    }

    fn bytes(&self) -> usize {
        4 * (self.inputs.len() + self.targets.len())
    }
}
