//! Comparisons of floats that may be trusted.

/// Both outcomes are NaN where the operand is.
const ALL_NAN: &str = "where x is NaN, so is all that is chosen from";
/// By its bits, NaN is put back in.
const PUT_BACK: &str = "the bits of the operand put NaN back";
/// Numbers of the recipe, and counts.
const COUNTED: &str = "made of counts and numbers of the recipe, which are finite";
/// Random numbers.
const RANDOM: &str = "made of random integers";
/// Attacks on images.
const PIXELS: &str = "pixels are numbers, and the sign of a gradient is one by its bits";
/// NaN among the sums of squares.
const FINITE_SUMS: &str =
    "NaN and infinities are in the sum of large squares, whose bits are tested before";
/// Rows of softmax.
const POISONED_ROW: &str = "a row whose largest element is not finite, by its bits, is made NaN";

/// Function, text, and why no NaN is lost there.
pub static ALLOWED: &[(&str, &str, &str)] = &[
    ("activate", "abs(x) < TANH_POLYNOMIAL", ALL_NAN),
    ("activate", "x < 0.0", ALL_NAN),
    ("at_least", "max(x, low)", PUT_BACK),
    ("clamp_each", "clamp(x, low, high)", PUT_BACK),
    ("exp_accurate", "x < EXP_LOWEST", PUT_BACK),
    ("exp_accurate", "x_in > EXP_HIGHEST", PUT_BACK),
    ("factor_after", "min(f32(since) / RISE, 1.0)", COUNTED),
    ("factor_after", "min(remaining, 1.0)", COUNTED),
    ("hypotenuse", "longer == 0.0", FINITE_SUMS),
    ("hypotenuse", "max(a, b)", FINITE_SUMS),
    ("hypotenuse", "min(a, b)", FINITE_SUMS),
    ("kept", "uniform_from(words[i % 4u]) >= rate", RANDOM),
    ("kept", "uniform_numbers >= FLOATS(rate)", RANDOM),
    ("log1p_accurate", "x < SQRT_2 - 1.0", ALL_NAN),
    ("log_accurate", "mantissa > SQRT_2", "the bits of a mantissa are those of a number"),
    ("logistic", "x < 0.0", ALL_NAN),
    ("main", "below <= 0.0", POISONED_ROW),
    ("main", "below > 0.0", POISONED_ROW),
    ("main", "clamp(moved, center - epsilon[0], center + epsilon[0])", PIXELS),
    ("main", "clamp(near, FLOATS(0.0), FLOATS(1.0))", PIXELS),
    ("main", "clamp(grad, Element(-LIMIT), Element(LIMIT))", PUT_BACK),
    ("main", "factor == 0.0", COUNTED),
    ("main", "max(ONE_MINUS_DECAY, 9.0 / (10.0 + f32(step[0])))", COUNTED),
    ("main", "min(1.0, MAX_NORM / (total + STABILIZER))", PUT_BACK),
    ("main", "scale == 0.0", "the grid of levels is made of finite ranges"),
    ("main", "scale[0] <= LARGEST", "the factor of the loss is a power of two"),
    ("main", "totals[0] == 0.0", "the weights of classes are finite"),
    ("main", "uniform_from(words[i - begin]) >= RATE", RANDOM),
    ("main", "uniform_numbers >= vec4<f32>(RATE)", RANDOM),
    ("normal_distribution", "x < 0.0", ALL_NAN),
    ("window_maximum", "value > best", "both operands' bits are tested beside it"),
    ("within", "clamp(x, -limit, limit)", PUT_BACK),
];
