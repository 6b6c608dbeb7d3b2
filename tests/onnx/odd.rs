//! Models that are written by hand, each for what is easily got wrong: orders of channels, windows that
//! reach beyond the image, even windows over channels, branches of several kinds.

/// A name, the images, and the layers in the form of recipes.
pub type Odd = (&'static str, [usize; 3], &'static str);

/// All of them. The last dense layer has as many units as there are classes.
pub const ODD: &[Odd] = &[
    (
        "convolutions",
        [13, 11, 4],
        r#"
  { type = "conv2d", out_channels = 8, kernel_size = [3, 2], stride = [2, 1], padding = [1, 0, 2, 1], dilation = [2, 3], groups = 2, activation = "gelu" },
  { type = "conv2d", out_channels = 16, kernel_size = 3, padding = [2, 0, 0, 3], groups = 8, bias = false, activation = "tanh" },
  { type = "conv2d", out_channels = 6, kernel_size = 4, stride = 3, padding = "same", activation = "leaky_relu" },
  { type = "flatten" },
  { type = "dense", bias = false },"#,
    ),
    (
        "larger",
        [5, 3, 2],
        r#"
  { type = "conv_transpose2d", out_channels = 4, kernel_size = [3, 2], stride = [2, 3], padding = [1, 0], output_padding = [1, 2], activation = "tanh" },
  { type = "upsample2d", factor = [1, 2] },
  { type = "conv_transpose2d", out_channels = 3, kernel_size = 3, padding = 2, bias = false },
  { type = "flatten" },
  { type = "dense" },"#,
    ),
    (
        "activations",
        [6, 5, 2],
        r#"
  { type = "conv2d", out_channels = 5, kernel_size = 3, activation = "identity" },
  { type = "concat", branches = [
    [{ type = "activation", function = "relu" }], [{ type = "activation", function = "relu6" }],
    [{ type = "activation", function = "leaky_relu" }], [{ type = "activation", function = "gelu" }],
    [{ type = "activation", function = "gelu_tanh" }], [{ type = "activation", function = "sigmoid" }],
    [{ type = "activation", function = "tanh" }], [{ type = "activation", function = "silu" }],
    [{ type = "activation", function = "identity" }], [] ] },
  { type = "flatten" },
  { type = "activation", function = "silu" },
  { type = "dense", units = 7, activation = "gelu_tanh" },
  { type = "dense" },"#,
    ),
    (
        "flat",
        [5, 4, 3],
        r#"
  { type = "conv2d", out_channels = 3, kernel_size = 2 },
  { type = "flatten" },
  { type = "batch_norm" },
  { type = "activation", function = "leaky_relu" },
  { type = "residual", layers = [{ type = "dense", units = 36 }, { type = "batch_norm" }], activation = "tanh" },
  { type = "dropout", rate = 0.5 },
  { type = "dense", units = 12 },
  { type = "local_response_norm", size = 4, form = "paper", alpha = 0.2 },
  { type = "flatten" },
  { type = "dense" },"#,
    ),
    (
        "flat_response_norm",
        [4, 3, 2],
        r#"
  { type = "flatten" },
  { type = "local_response_norm", size = 5, alpha = 0.5, beta = 0.6, k = 0.7 },
  { type = "residual", layers = [{ type = "activation", function = "silu" }], activation = "gelu" },
  { type = "dense" },"#,
    ),
    (
        "response_norms",
        [6, 7, 3],
        r#"
  { type = "conv2d", out_channels = 7, kernel_size = 2 },
  { type = "concat", branches = [
    [{ type = "local_response_norm", size = 1, alpha = 0.4 }], [{ type = "local_response_norm", size = 2, alpha = 0.4 }],
    [{ type = "local_response_norm", size = 3, alpha = 0.4 }], [{ type = "local_response_norm", size = 4, alpha = 0.4 }],
    [{ type = "local_response_norm", form = "paper", alpha = 0.1 }], [{ type = "local_response_norm", size = 6, alpha = 0.6, beta = 0.5 }],
    [{ type = "local_response_norm", size = 13, alpha = 1.4 }], [{ type = "local_response_norm", size = 14, alpha = 1.4 }],
    [{ type = "local_response_norm", size = 15, alpha = 1.4, k = 0.3 }], [{ type = "local_response_norm", size = 400, alpha = 20.0 }] ] },
  { type = "flatten" },
  { type = "dense" },"#,
    ),
    (
        "branches",
        [9, 8, 3],
        r#"
  { type = "conv2d", out_channels = 6, kernel_size = 3, activation = "relu" },
  { type = "residual", activation = "relu6", shortcut = [{ type = "conv2d", out_channels = 10, kernel_size = 1, stride = 2 }], layers = [
    { type = "residual", layers = [{ type = "conv2d", out_channels = 6, kernel_size = 3, padding = 1 }, { type = "batch_norm" }] },
    { type = "concat", branches = [ [],
      [{ type = "conv2d", out_channels = 3, kernel_size = 1, activation = "silu" }, { type = "residual", layers = [] }],
      [{ type = "avg_pool2d", window = 3, stride = 1, padding = "same" }] ] },
    { type = "conv2d", out_channels = 10, kernel_size = 2, stride = 2, padding = "same" } ] },
  { type = "batch_norm", epsilon = 0.01 },
  { type = "flatten" },
  { type = "concat", branches = [
    [], [{ type = "dense", units = 5 }], [{ type = "activation", function = "silu" }] ] },
  { type = "batch_norm" },
  { type = "dense" },"#,
    ),
    (
        "adaptive",
        [7, 8, 2],
        r#"
  { type = "conv2d", out_channels = 4, kernel_size = 1, activation = "tanh" },
  { type = "concat", branches = [ [], [{ type = "adaptive_avg_pool2d", output = [7, 8] }] ] },
  { type = "adaptive_avg_pool2d", output = [9, 11] },
  { type = "conv2d", out_channels = 5, kernel_size = 1, activation = "tanh" },
  { type = "adaptive_avg_pool2d", output = [3, 11] },
  { type = "conv2d", out_channels = 6, kernel_size = 1, activation = "tanh" },
  { type = "adaptive_avg_pool2d", output = [2, 4] },
  { type = "flatten" },
  { type = "dense" },"#,
    ),
    // Logits are an image that was flattened; the channels would be in another order.
    (
        "no_dense",
        [5, 5, 3],
        r#"
  { type = "conv2d", out_channels = 3, kernel_size = 3, stride = [2, 3] },
  { type = "flatten" },"#,
    ),
    (
        "gray_flat",
        [6, 6, 1],
        r#"
  { type = "avg_pool2d", window = 2 },
  { type = "flatten" },
  { type = "dense", units = 8, activation = "sigmoid" },
  { type = "dense" },"#,
    ),
    (
        "global",
        [6, 5, 4],
        r#"
  { type = "local_response_norm", size = 3 },
  { type = "conv2d", out_channels = 9, kernel_size = 1 },
  { type = "global_avg_pool2d" },
  { type = "batch_norm" },
  { type = "flatten" },
  { type = "dense" },"#,
    ),
    (
        "bilinear",
        [4, 3, 2],
        r#"
  { type = "upsample2d", factor = [3, 2], method = "bilinear" },
  { type = "conv2d", out_channels = 3, kernel_size = 3, stride = 2, activation = "tanh" },
  { type = "upsample2d", factor = [1, 5], method = "bilinear" },
  { type = "upsample2d", factor = 1, method = "bilinear" },
  { type = "flatten" },
  { type = "dense" },"#,
    ),
];

/// Images, windows, strides, padding (top, bottom, left, right), and whether sizes are rounded up.
type Windows = ([usize; 2], [usize; 2], [usize; 2], [usize; 4], bool);

/// Windows that reach beyond the image, start in the padding, leave rests, or lie apart.
const WINDOWS: &[Windows] = &[
    ([5, 7], [2, 2], [2, 2], [0; 4], false),
    ([5, 7], [2, 3], [2, 3], [0; 4], true),
    ([7, 9], [3, 3], [2, 2], [0; 4], false),
    ([6, 7], [3, 3], [2, 2], [0; 4], true),
    ([6, 5], [3, 3], [2, 2], [1; 4], false),
    ([6, 7], [3, 3], [2, 2], [1; 4], true),
    ([6, 7], [4, 3], [3, 2], [2, 0, 0, 1], false),
    ([7, 7], [4, 3], [3, 2], [2, 0, 0, 1], true),
    ([4, 5], [2, 2], [2, 3], [1; 4], true),
    ([3, 2], [5, 4], [4, 3], [0, 0, 1, 0], true),
    ([7, 11], [2, 1], [3, 4], [1, 1, 0, 0], false),
    ([7, 11], [2, 1], [3, 4], [1, 1, 0, 0], true),
    ([8, 6], [3, 2], [3, 2], [1, 0, 1, 1], true),
    ([1, 2], [4, 5], [1, 2], [2, 2, 2, 1], false),
    ([9, 4], [3, 4], [5, 3], [0, 1, 2, 2], true),
];

/// Each kind of windowed pooling over the windows, as layers in the form of recipes.
pub fn poolings() -> Vec<(String, [usize; 3], String)> {
    let mut all = Vec::new();
    for (i, (image, window, stride, padding, ceil)) in WINDOWS.iter().enumerate() {
        let windows = format!(
            "window = {window:?}, stride = {stride:?}, padding = {padding:?}, ceil_mode = {ceil}"
        );
        let branch = |pool: &str| format!("[{{ {pool}, {windows} }}]");
        let branches = [
            branch("type = \"max_pool2d\""),
            branch("type = \"avg_pool2d\", count_include_pad = true"),
            branch("type = \"avg_pool2d\", count_include_pad = false"),
        ];
        let layers = format!(
            "\n  {{ type = \"conv2d\", out_channels = 3, kernel_size = 1 }},\n  \
             {{ type = \"concat\", branches = [{}] }},\n  {{ type = \"flatten\" }},\n  {{ type = \"dense\" }},",
            branches.join(", ")
        );
        all.push((format!("windows_{i}"), [image[0], image[1], 2], layers));
    }
    all
}
