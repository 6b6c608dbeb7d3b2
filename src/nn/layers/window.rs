//! Sizes in two dimensions, and padding.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Largest window, step or distance, and height or width of an output.
pub(super) const MOST_EXTENT: usize = 65_535;

/// One number for both spatial dimensions, or `[height, width]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a number, or two as [height, width]")]
pub enum Pair {
    /// The same for height and width.
    Both(usize),
    /// Height and width.
    Each([usize; 2]),
}

impl Pair {
    pub(super) const ONE: Self = Self::Both(1);

    pub(super) const fn one() -> Self {
        Self::ONE
    }

    pub(super) const fn zero() -> Self {
        Self::Both(0)
    }

    pub(super) fn is_zero(&self) -> bool {
        self.dims() == [0, 0]
    }

    /// `[height, width]`.
    pub const fn dims(self) -> [usize; 2] {
        match self {
            Self::Both(n) => [n, n],
            Self::Each(dims) => dims,
        }
    }
}

impl From<usize> for Pair {
    fn from(n: usize) -> Self {
        Self::Both(n)
    }
}

impl From<[usize; 2]> for Pair {
    fn from(dims: [usize; 2]) -> Self {
        Self::Each(dims)
    }
}

/// What editors may expect of a pair of sizes, each at least 1.
pub(super) fn extents(_: &mut SchemaGenerator) -> Schema {
    pair_of(json_schema!({ "type": "integer", "minimum": 1, "maximum": MOST_EXTENT }))
}

/// What editors may expect of a pair of distances, which may be 0.
pub(super) fn distances(_: &mut SchemaGenerator) -> Schema {
    pair_of(json_schema!({ "type": "integer", "minimum": 0 }))
}

fn pair_of(one: Schema) -> Schema {
    let both = json_schema!({
        "type": "array", "items": &one, "minItems": 2, "maxItems": 2,
        "description": "`[height, width]`.",
    });
    json_schema!({ "anyOf": [one, both] })
}

/// Padding of a convolution or pooling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "expected \"valid\", \"same\", a number, or four as [top, bottom, left, right]"
)]
pub enum Padding {
    /// `"valid"` or `"same"`.
    Named(NamedPadding),
    /// The same on all sides.
    All(usize),
    /// `[top, bottom, left, right]`.
    Sides([usize; 4]),
    /// No padding.
    #[default]
    #[serde(skip)]
    Valid,
}

/// Padding by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NamedPadding {
    /// No padding.
    Valid,
    /// The output is `ceil(input / stride)` large; an odd remainder goes to bottom and right: Keras'
    /// rule, at any stride. PyTorch's `same` takes no stride; its layers state both sides alike.
    Same,
}

impl From<usize> for Padding {
    fn from(n: usize) -> Self {
        Self::All(n)
    }
}

impl From<[usize; 4]> for Padding {
    fn from(sides: [usize; 4]) -> Self {
        Self::Sides(sides)
    }
}

impl Padding {
    /// `"same"`: the output is `ceil(input / stride)` large.
    pub const SAME: Self = Self::Named(NamedPadding::Same);

    pub(super) fn is_valid(&self) -> bool {
        matches!(self, Self::Valid | Self::Named(NamedPadding::Valid))
    }

    /// `[top, bottom, left, right]` for a window of `kernel` elements (`dilation` apart) over
    /// `input`.
    pub fn sides(
        self,
        input: [usize; 2],
        kernel: [usize; 2],
        stride: [usize; 2],
        dilation: [usize; 2],
    ) -> [usize; 4] {
        match self {
            Self::Valid | Self::Named(NamedPadding::Valid) => [0; 4],
            Self::All(n) => [n; 4],
            Self::Sides(sides) => sides,
            Self::Named(NamedPadding::Same) => {
                let total = |i: usize| {
                    let stride = stride[i].max(1);
                    // What is beyond all numbers is refused where the geometry is checked.
                    let reach = dilation[i].saturating_mul(kernel[i].max(1) - 1).saturating_add(1);
                    let steps = (input[i].div_ceil(stride).max(1) - 1).saturating_mul(stride);
                    steps.saturating_add(reach).saturating_sub(input[i])
                };
                let (vertical, horizontal) = (total(0), total(1));
                let (top, left) = (vertical / 2, horizontal / 2);
                [top, vertical - top, left, horizontal - left]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_padding_is_asymmetric_where_it_must_be() {
        let same = Padding::SAME;
        assert_eq!(same.sides([28, 28], [3, 3], [1, 1], [1, 1]), [1, 1, 1, 1]);
        assert_eq!(same.sides([28, 28], [2, 2], [1, 1], [1, 1]), [0, 1, 0, 1]);
        assert_eq!(same.sides([5, 7], [3, 3], [2, 2], [1, 1]), [1, 1, 1, 1]);
        assert_eq!(same.sides([6, 6], [3, 3], [2, 2], [1, 1]), [0, 1, 0, 1]);
    }
}
