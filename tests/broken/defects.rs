//! Defects of kernels, as replacements in the text of real ones.

/// What a check reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Wrong,
    OutOfBounds,
    InputChanged,
    NotReproducible,
}

/// How a lowering is changed.
pub enum Change {
    /// In a kernel that holds all the pieces, replaces each by its partner.
    Text(&'static [(&'static str, &'static str)]),
    /// Makes a binding of the first kernel writable, and replaces pieces of its text.
    WritesInput { binding: usize, pieces: &'static [(&'static str, &'static str)] },
    /// Leaves out one of several kernels.
    WithoutKernel(usize),
}

pub struct Defect {
    pub name: &'static str,
    pub op: &'static str,
    pub change: Change,
    /// The kinds of failure that may be reported.
    pub expected: &'static [Kind],
}

const WRONG: &[Kind] = &[Kind::Wrong];
const OUT_OF_BOUNDS: &[Kind] = &[Kind::OutOfBounds];
/// What a race gives depends on the device.
const RACE: &[Kind] = &[Kind::Wrong, Kind::NotReproducible];

/// A defect of one replacement.
const fn wrong(
    name: &'static str,
    op: &'static str,
    pieces: &'static [(&'static str, &'static str)],
) -> Defect {
    Defect { name, op, change: Change::Text(pieces), expected: WRONG }
}

const GUARD: &str = "if i >= INVOCATIONS { return; }";

pub static DEFECTS: &[Defect] = &[
    // Edges.
    Defect {
        name: "writes one element too many",
        op: "activate",
        change: Change::Text(&[(GUARD, "if i > INVOCATIONS { return; }")]),
        expected: OUT_OF_BOUNDS,
    },
    Defect {
        name: "copies one element too many",
        op: "view",
        change: Change::Text(&[(GUARD, "if i > INVOCATIONS { return; }")]),
        expected: OUT_OF_BOUNDS,
    },
    Defect {
        name: "writes behind a ring buffer",
        op: "record",
        change: Change::Text(&[("step[0] % LENGTH", "step[0]")]),
        expected: OUT_OF_BOUNDS,
    },
    wrong(
        "leaves the last element unwritten",
        "binary",
        &[(GUARD, "if i + 1u >= INVOCATIONS { return; }")],
    ),
    wrong(
        "ignores the second dimension of a folded grid",
        "activate",
        &[(
            "(workgroup_id.z * num_workgroups.y + workgroup_id.y) * GRID_X + workgroup_id.x",
            "workgroup_id.x",
        )],
    ),
    Defect {
        name: "overwrites an input",
        op: "binary",
        change: Change::WritesInput {
            binding: 0,
            pieces: &[
                ("var<storage, read> a:", "var<storage, read_write> a:"),
                ("  y[i] = combine(", "  a[i] = a[i] + 1.0;\n  y[i] = combine("),
            ],
        },
        expected: &[Kind::InputChanged],
    },
    // Indices.
    wrong(
        "steps by K where N is meant",
        "matmul",
        &[("select(N, 1u, B_TRANSPOSED == 1u)", "select(K, 1u, B_TRANSPOSED == 1u)")],
    ),
    wrong(
        "repeats a column where a row is meant",
        "binary",
        &[("(i / B_DIVIDE) % B_MODULO", "i % B_MODULO")],
    ),
    wrong("forgets the offset of a view", "view", &[("x[X_OFFSET + i]", "x[i]")]),
    wrong("ignores padding", "conv2d", &[("ky * DILATION_H - PAD_TOP", "ky * DILATION_H")]),
    wrong(
        "ignores dilation",
        "conv2d",
        &[("oy * STRIDE_H + ky * DILATION_H - PAD_TOP", "oy * STRIDE_H + ky - PAD_TOP")],
    ),
    wrong(
        "ignores groups",
        "conv2d",
        &[("let first_c = oc / GROUP_OUT_C * GROUP_IN_C;", "let first_c = 0u;")],
    ),
    wrong(
        "flips the kernel",
        "conv2d",
        &[(
            "(ky * KERNEL_W + kx) * GROUP_IN_C",
            "((KERNEL_H - 1u - ky) * KERNEL_W + kx) * GROUP_IN_C",
        )],
    ),
    wrong(
        "visits positions between strides",
        "conv2d_input_grad",
        &[("offset_y % STRIDE_H != 0u || oy >= OUT_H", "oy >= OUT_H")],
    ),
    wrong(
        "takes rows for columns of a window",
        "max_pool2d_grad",
        &[("WORDS(ky * KW + kx)", "WORDS(kx * KH + ky)")],
    ),
    wrong(
        "reads bytes in the wrong order",
        "gather_batch",
        &[("(8u * (byte % 4u))", "(24u - 8u * (byte % 4u))")],
    ),
    wrong(
        "reads the input channel of another multiplier",
        "conv2d",
        &[("IN_CHANNELS + channel / MULTIPLIER", "IN_CHANNELS + channel % IN_CHANNELS")],
    ),
    Defect {
        name: "writes pixels behind the end of a row",
        op: "conv2d",
        change: Change::Text(&[("  if ox < OUT_W {\n", "  {\n")]),
        expected: &[Kind::OutOfBounds, Kind::Wrong],
    },
    wrong(
        "takes positions between strides for windows",
        "conv2d_input_grad",
        &[("oy * STRIDE_H != offset_y || oy >= OUT_H", "oy >= OUT_H")],
    ),
    wrong(
        "adds pixels of the next share",
        "conv2d_weight_grad",
        &[
            ("channel / MULTIPLIER", "channel / MULTIPLIER"),
            (
                "min((split + 1u) * PIXELS_PER_SPLIT, BATCH * OUT_H * OUT_W)",
                "BATCH * OUT_H * OUT_W",
            ),
        ],
    ),
    wrong(
        "does not transpose squares",
        "matmul",
        &[("let square = transpose(mat4x4<f32>(", "let square = (mat4x4<f32>(")],
    ),
    wrong(
        "does not turn the window of an input gradient",
        "conv2d_input_grad",
        &[("LAST_TAP - tap, FLIPPED == 1u", "LAST_TAP - tap, FLIPPED != 1u")],
    ),
    wrong(
        "takes the pixels of a block in reverse",
        "conv2d_input_grad",
        &[("let pixel = n / CHANNELS;", "let pixel = BLOCK_H * BLOCK_W - 1u - n / CHANNELS;")],
    ),
    Defect {
        name: "writes pixels of a block outside the image",
        op: "conv2d_input_grad",
        change: Change::Text(&[("&& iy < IMAGE_H && ix < IMAGE_W {", "&& iy < IMAGE_H {")]),
        expected: &[Kind::OutOfBounds, Kind::Wrong],
    },
    wrong(
        "does not turn the window of a block",
        "conv2d_input_grad",
        &[("(TAPS_X - 1u - tap % TAPS_X)", "(tap % TAPS_X)")],
    ),
    wrong(
        "gives a phase taps behind the end of the kernel",
        "conv2d_input_grad",
        &[("if ky < KERNEL_H && kx < KERNEL_W {", "if ky < KERNEL_H {")],
    ),
    wrong(
        "transforms pixels of the next row",
        "conv2d",
        &[("let inside = iy < IN_H && ix < IN_W;", "let inside = iy < IN_H;")],
    ),
    wrong(
        "has a wrong sign in a transform of tiles",
        "conv2d",
        &[("let x1_0_minus = x1_0 - x2_0;", "let x1_0_minus = x1_0 + x2_0;")],
    ),
    Defect {
        name: "writes the whole of a tile that the image ends in",
        op: "conv2d",
        change: Change::Text(&[("if oy < OUT_H && ox < OUT_W {", "{")]),
        expected: &[Kind::OutOfBounds, Kind::Wrong],
    },
    // Sums.
    wrong(
        "stops a sum one early",
        "sum_rows",
        &[("k < count; k += 1u", "k + 1u < count; k += 1u")],
    ),
    wrong("starts a sum one late", "matmul", &[("var k = first_k;", "var k = first_k + 1u;")]),
    wrong(
        "drops the last pixel",
        "conv2d_weight_grad",
        &[("BATCH * OUT_H * OUT_W);", "BATCH * OUT_H * OUT_W - 1u);")],
    ),
    wrong(
        "adds one share too few",
        "conv2d_weight_grad",
        &[("split < SPLITS", "split + 1u < SPLITS")],
    ),
    Defect {
        name: "leaves out the second stage",
        op: "conv2d_weight_grad",
        change: Change::WithoutKernel(1),
        expected: WRONG,
    },
    Defect {
        name: "reads scratch memory that nothing has written",
        op: "adam",
        change: Change::WithoutKernel(0),
        expected: WRONG,
    },
    Defect {
        name: "lacks barriers in a tree",
        op: "sum_rows",
        change: Change::Text(&[
            (
                "combine(states[local_index], states[local_index + half * BLOCK])",
                "combine(states[local_index], states[local_index + half * BLOCK])",
            ),
            ("workgroupBarrier();", ""),
        ]),
        expected: RACE,
    },
    Defect {
        name: "lacks barriers in a row's reduction",
        op: "softmax_cross_entropy",
        change: Change::Text(&[
            ("row_floats[lane] = value;", "row_floats[lane] = value;"),
            ("workgroupBarrier();", ""),
        ]),
        expected: RACE,
    },
    Defect {
        name: "lacks barriers in a sum over all rows",
        op: "masked_mean",
        change: Change::Text(&[
            ("sums[lane] += sums[lane + half];", "sums[lane] += sums[lane + half];"),
            ("workgroupBarrier();", ""),
        ]),
        expected: RACE,
    },
    Defect {
        name: "lacks barriers around tiles",
        op: "matmul",
        change: Change::Text(&[
            ("tile_a[local_index", "tile_a[local_index"),
            ("workgroupBarrier();", ""),
        ]),
        expected: RACE,
    },
    wrong(
        "multiplies terms of the next share",
        "matmul",
        &[
            ("select(K4, at, at < end)", "at"),
            ("k < min(4u * end, TAPS * TAP_K)", "k < TAPS * TAP_K"),
        ],
    ),
    wrong(
        "multiplies rows of the next share",
        "conv2d_weight_grad",
        &[
            ("row_at(select(M, row, row < end))", "row_at(row)"),
            ("row, row < end, group", "row, row < M, group"),
        ],
    ),
    Defect {
        name: "writes rows of a tile behind the last one",
        op: "matmul",
        change: Change::Text(&[("if m < M { store(split * M + m,", "{ store(split * M + m,")]),
        expected: &[Kind::OutOfBounds, Kind::Wrong],
    },
    // Arithmetic.
    wrong("swaps the operands", "binary", &[("return a - b;", "return b - a;")]),
    wrong(
        "has a wrong digit in a constant",
        "activate",
        &[("const GELU_B: f32 = 0.044715;", "const GELU_B: f32 = 0.044615;")],
    ),
    wrong("drops the bias", "matmul", &[("tail(sum + bias_at(n), i)", "tail(sum, i)")]),
    wrong("drops the residual", "conv2d", &[("z + residual[i]", "z")]),
    wrong("drops a derivative", "matmul", &[(" * derivative_each(value[i])", "")]),
    wrong(
        "rounds an operand to half precision",
        "matmul",
        &[(
            "fma(a[a_index], b[b_index], sum)",
            "fma(unpack2x16float(pack2x16float(vec2<f32>(a[a_index], 0.0))).x, b[b_index], sum)",
        )],
    ),
    wrong(
        "divides by the wrong count",
        "avg_pool2d",
        &[("COUNT_INCLUDE_PAD == 1u", "COUNT_INCLUDE_PAD == 0u")],
    ),
    wrong(
        "exponentiates without the maximum",
        "softmax_cross_entropy",
        &[(
            "let largest = from_order_key(row_max(key, lane));",
            "let largest = 0.0 * from_order_key(row_max(key, lane));",
        )],
    ),
    wrong(
        "divides by ignored labels, too",
        "mean_cross_entropy",
        &[("count += u32(labels[row] != IGNORED_LABEL);", "count += 1u;")],
    ),
    wrong("counts ignored labels", "end_step", &[("if label != IGNORED_LABEL {", "{")]),
    wrong("takes the second of two equals", "tally_batch", &[("c < label", "c > label")]),
    wrong(
        "leaves out the last rows",
        "sums_of_rows",
        &[(
            "for (var row = first + lane; row < end;",
            "for (var row = first + lane; row + 1u < end;",
        )],
    ),
    wrong("counts ignored labels", "masked_mean", &[("if labels[row] != IGNORED_LABEL {", "{")]),
    wrong(
        "decays every parameter",
        "adam",
        &[("lane_index(i) < Index(DECAYED)", "lane_index(i) >= Index(0u)")],
    ),
    wrong(
        "corrects the bias of the step before",
        "adam",
        &[("max(step, step + 1u)", "max(step, 1u)")],
    ),
    wrong("forgets to store a moment", "adam", &[("  v[i] = second;\n", "")]),
    wrong("warms up one step late", "learning_rate", &[("f32(completed + 1u)", "f32(completed)")]),
    wrong(
        "divides a variance by one less",
        "batch_norm",
        &[("total / f32(ROWS)", "total / f32(ROWS - 1u)")],
    ),
    wrong(
        "adds epsilon behind the root",
        "batch_norm",
        &[("sqrt(variance[group] + EPSILON)", "(sqrt(variance[group]) + EPSILON)")],
    ),
    wrong(
        "takes the largest of what is turned around",
        "batch_norm_max_pool2d",
        &[("let orientation = sign_each(factor);", "let orientation = FLOATS(1.0);")],
    ),
    wrong("takes the last maximum", "batch_norm_max_pool2d", &[("value > best", "value >= best")]),
    wrong("counts a row too many", "product_statistics", &[("f32(present)", "f32(present + 1u)")]),
    wrong(
        "forgets the rows of a worker",
        "product_statistics",
        &[("worker < TILE_ROWS / BLOCK_ROWS", "worker < TILE_ROWS / BLOCK_ROWS - 1u")],
    ),
    wrong("forgets the residual", "batch_norm", &[("return residual[i];", "return FLOATS();")]),
    wrong(
        "takes batch statistics for constants",
        "batch_norm_grad",
        &[("(dy[at] - mean_dy - (x[at] - center) * slope)", "dy[at]")],
    ),
    wrong("does not scale what it keeps", "dropout", &[("x[i] * SCALE", "x[i]")]),
    wrong(
        "draws the same mask in every step",
        "dropout",
        &[("STREAM, step[0], 0u", "STREAM, 0u, 0u")],
    ),
    wrong(
        "adds the decay with the wrong sign",
        "sgd",
        &[("grad + WEIGHT_DECAY * param", "grad - WEIGHT_DECAY * param")],
    ),
    wrong(
        "makes a window one too small",
        "local_response_norm",
        &[("j < window.y", "j + 1u < window.y")],
    ),
    // Choices and special values.
    wrong("takes the last of equal maxima", "max_pool2d", &[("(value > best)", "(value >= best)")]),
    wrong("lets padding win", "max_pool2d", &[("!started | (", "(")]),
    wrong("lets a NaN lose", "max_pool2d", &[("(is_nan | (value > best))", "(value > best)")]),
    wrong(
        "takes the last of equal scores",
        "argmax",
        &[("if key > best_key {", "if key >= best_key {")],
    ),
    wrong(
        "makes numbers of a row with a NaN",
        "softmax",
        &[("poison(value, !is_finite(largest))", "select(value, 0.0, !is_finite(largest))")],
    ),
    // Many devices do this for max(x, 0); the bits make all of them do it.
    wrong(
        "hides a NaN",
        "activate",
        &[(
            "select(bits, 0i, bits <= NEGATIVE_INFINITY)",
            "select(bits, 0i, bits < 0i || bits > 0x7f800000i)",
        )],
    ),
];

/// Defects of kernels that only devices with subgroups of a fixed size run.
pub static SUBGROUP_DEFECTS: &[Defect] = &[
    wrong("finds texels in narrower rows", "matmul", &[("% 1024u", "% 16u")]),
    wrong("reads the texel behind", "conv2d", &[("% 1024u, ", "% 1024u + 1u, ")]),
    wrong("leaves out components of texels", "sum_rows", &[("[i % 4u]", "[i % 2u]")]),
    Defect {
        name: "writes rows behind the last one",
        op: "matmul",
        change: Change::Text(&[("if m < M { store(m, ", "{ store(m, ")]),
        expected: OUT_OF_BOUNDS,
    },
    wrong(
        "does not shuffle",
        "matmul",
        &[
            ("subgroupShuffle(", "not_shuffled("),
            (
                "const NONE: u32",
                "fn not_shuffled(v: vec4<f32>, lane: u32) -> vec4<f32> { return v; }\nconst NONE: u32",
            ),
        ],
    ),
    wrong(
        "sums one row beyond its share",
        "conv2d_weight_grad",
        &[("row_at(select(M, m, m < end))", "row_at(m)"), ("u < end, group", "u <= end, group")],
    ),
    wrong(
        "exchanges vectors between rows of lanes",
        "matmul",
        &[("first_lane + source", "(first_lane + source) % COLUMN_LANES")],
    ),
    wrong(
        "takes the vectors of one row of lanes for those of another",
        "conv2d_weight_grad",
        &[("first_k4 + first_lane", "first_k4")],
    ),
    Defect {
        name: "leaves columns that are no multiple of four unpadded",
        op: "matmul",
        change: Change::Text(&[("r - BEFORE < RUN", "r - BEFORE + 1u < RUN")]),
        expected: WRONG,
    },
    wrong(
        "ignores padding in the tiled kernel",
        "conv2d",
        &[("m % OUT_W * STRIDE_W - PAD_LEFT", "m % OUT_W * STRIDE_W")],
    ),
    wrong(
        "visits positions between strides in the tiled kernel",
        "conv2d_input_grad",
        &[("y * STRIDE_H == offset_y && x * STRIDE_W == offset_x", "true")],
    ),
];
