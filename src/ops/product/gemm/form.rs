//! Over what a product sums, and its sizes.

/// Over what a product sums. `row(m)` finds a row of `a`, which consists of taps of `tap_k`
/// elements; `b` and `y` have `groups * n` columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `y[m, n] = sum_{tap, k} a[row(m), tap, k] b[tap, k, n]`
    Rows,
    /// `y[tap, k, n] = sum_m a[row(m), tap, k] b[m, n]`
    Columns,
}

/// Sizes of a product; a matmul has one tap and one group.
#[derive(Debug, Clone, Copy)]
pub struct Product {
    /// Rows of `a`.
    pub m: usize,
    /// Columns of one group.
    pub n: usize,
    /// Groups: of columns, and of the elements of a tap.
    pub groups: usize,
    /// Taps of a row of `a`.
    pub taps: usize,
    /// Elements of one tap in one group.
    pub tap_k: usize,
}

impl Product {
    /// Elements of a row of `a` in one group.
    pub fn k(&self) -> usize {
        self.taps * self.tap_k
    }

    /// Vectors of four that hold a row of `a` in one group.
    pub fn k4(&self) -> usize {
        self.k().div_ceil(4)
    }

    /// Multiply-adds of the whole product.
    pub fn multiply_adds(&self) -> usize {
        self.m * self.n * self.groups * self.k()
    }

    /// Whether the product takes so little time that kernels which compile fast are the better
    /// guess: a software device runs it in one or two milliseconds, and compiles the largest tile
    /// in two hundred. The tuner tries all.
    pub fn is_small(&self) -> bool {
        self.multiply_adds() < 1 << 25
    }

    /// Whether even that tile is more than the product needs.
    pub fn is_tiny(&self) -> bool {
        self.multiply_adds() < 1 << 21
    }

    /// The constants that every kernel of a product uses; elements of `a` hold `a_width` numbers.
    pub(super) fn constants(&self, a_width: usize) -> [(&'static str, usize); 8] {
        [
            ("M", self.m),
            ("N", self.n),
            ("N4", self.n.div_ceil(4)),
            ("GROUPS", self.groups),
            ("TAPS", self.taps),
            ("TAP_K", self.tap_k),
            ("K4", self.k4()),
            ("A_WIDTH", a_width),
        ]
    }
}
