//! Channels per invocation: kernels whose last dimension divides by four can load vectors.

use crate::graph::{Caps, Kernel, Lowering};

/// Number of neighboring channels that one invocation computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lanes {
    /// One channel: any number of channels.
    One,
    /// A vector of four channels: the number of channels must divide by four.
    Four,
}

impl Lanes {
    /// What fits a number of channels, widest first.
    pub fn fitting(channels: usize) -> &'static [Self] {
        if channels.is_multiple_of(Self::Four.count()) {
            &[Self::Four, Self::One]
        } else {
            &[Self::One]
        }
    }

    /// Channels per invocation.
    pub const fn count(self) -> usize {
        match self {
            Self::One => 1,
            Self::Four => 4,
        }
    }

    /// Name of the variant of a kernel.
    pub fn variant(self, base: &str) -> String {
        match self {
            Self::One => base.to_owned(),
            Self::Four => format!("{base}_vec4"),
        }
    }

    /// Declares the types `FLOATS`, `WORDS` (unsigned integers) and `FLAGS` (booleans) of as many
    /// elements, so that one WGSL file serves both widths.
    pub fn declare(self, kernel: Kernel) -> Kernel {
        let [floats, words, flags] = match self {
            Self::One => ["f32", "u32", "bool"],
            Self::Four => ["vec4<f32>", "vec4<u32>", "vec4<bool>"],
        };
        kernel.alias("FLOATS", floats).alias("WORDS", words).alias("FLAGS", flags)
    }

    /// The variants of an element-wise kernel, of which an invocation computes as many of `elements`
    /// as there are lanes; `finish` adds files and operands.
    pub fn one_per_thread(
        name: &str,
        elements: usize,
        caps: &Caps,
        finish: impl Fn(Kernel, Self) -> Kernel,
    ) -> Vec<Lowering> {
        let lowering = |&lanes: &Self| {
            let kernel = lanes.declare(Kernel::new(name));
            let kernel = kernel.flat(elements / lanes.count(), 64, caps);
            Lowering::single(&lanes.variant("one_per_thread"), finish(kernel, lanes))
        };
        Self::fitting(elements).iter().map(lowering).collect()
    }

    /// WGSL of `activate_each` and `derivative_each`, for as many elements; it uses what
    /// [`Kernel::activation`] adds.
    pub const fn activation_file(self) -> &'static str {
        match self {
            Self::One => include_str!("../../../shaders/common/activation_one.wgsl"),
            Self::Four => include_str!("../../../shaders/common/activation_four.wgsl"),
        }
    }

    /// WGSL of `finish`, which adds a bias and applies the activation function, for as many elements.
    pub const fn epilogue_file(self) -> &'static str {
        match self {
            Self::One => include_str!("../../../shaders/common/epilogue_one.wgsl"),
            Self::Four => include_str!("../../../shaders/common/epilogue.wgsl"),
        }
    }
}
