//! Random networks: genes that proptest draws and shrinks, and the valid recipes that they stand for.
//!
//! Genes are numbers without meaning of their own. Decoding follows the shape of the image from layer to
//! layer and takes each number modulo what fits there, so that every network is valid, and so is every
//! smaller one that shrinking tries.

use proptest::collection::vec;
use proptest::prelude::*;

/// Images of the drawn digits.
const IMAGE: [usize; 3] = [28, 28, 1];
/// Where images are enlarged to, at most.
const LARGEST_SIDE: usize = 28;
/// Most channels of a layer.
const MOST_CHANNELS: usize = 20;
const ACTIVATIONS: [&str; 9] =
    ["identity", "relu", "relu6", "leaky_relu", "gelu", "gelu_tanh", "sigmoid", "tanh", "silu"];
const OPTIMIZERS: [&str; 5] = [
    r#"{ type = "sgd", learning_rate = 0.01 }"#,
    r#"{ type = "sgd", learning_rate = 0.01, momentum = 0.9, nesterov = true, weight_decay = 1e-4 }"#,
    r#"{ type = "adam", learning_rate = 1e-3 }"#,
    r#"{ type = "adamw", learning_rate = 1e-3 }"#,
    r#"{ type = "rmsprop", learning_rate = 1e-3, momentum = 0.5 }"#,
];

/// A layer.
#[derive(Debug, Clone)]
pub enum Gene {
    /// Channels, window, step, padding, distance, groups, activation; whether there is a bias.
    Conv([u8; 9], bool),
    /// Whether it is a maximum; window, step, padding.
    Pool(bool, [u8; 5]),
    Adaptive([u8; 2]),
    /// Factors, and whether pixels are made of several.
    Upsample([u8; 2], bool),
    Norm(bool),
    Activation(u8),
    Dropout(u8),
    Lrn(u8),
    /// Main branch, shortcut, activation.
    Residual(Vec<Gene>, Vec<Gene>, u8),
    Concat(Vec<Vec<Gene>>),
}

/// What is not a layer.
#[derive(Debug, Clone)]
pub struct Options {
    batch: u8,
    optimizer: u8,
    accumulate: bool,
    f16: bool,
    drop_last: bool,
    smoothing: bool,
    weighted: bool,
    augment: [bool; 4],
    mixup: bool,
    clipping: [bool; 2],
    average: bool,
    per_pixel: bool,
    seed: u8,
}

/// A network and how it is trained.
#[derive(Debug, Clone)]
pub struct Network {
    pub genes: Vec<Gene>,
    /// Whether the image is averaged away in front of the dense layers.
    pub pooled: bool,
    /// Hidden dense layers: units, activation, whether a norm follows.
    pub dense: Vec<(u8, u8, bool)>,
    pub options: Options,
}

fn gene() -> impl Strategy<Value = Gene> {
    let leaf = prop_oneof![
        4 => (any::<[u8; 9]>(), any::<bool>()).prop_map(|(n, bias)| Gene::Conv(n, bias)),
        2 => (any::<bool>(), any::<[u8; 5]>()).prop_map(|(max, n)| Gene::Pool(max, n)),
        1 => any::<[u8; 2]>().prop_map(Gene::Adaptive),
        1 => (any::<[u8; 2]>(), any::<bool>()).prop_map(|(n, smooth)| Gene::Upsample(n, smooth)),
        3 => any::<bool>().prop_map(Gene::Norm),
        2 => any::<u8>().prop_map(Gene::Activation),
        1 => any::<u8>().prop_map(Gene::Dropout),
        1 => any::<u8>().prop_map(Gene::Lrn),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            (vec(inner.clone(), 0..3), vec(inner.clone(), 0..2), any::<u8>())
                .prop_map(|(main, shortcut, act)| Gene::Residual(main, shortcut, act)),
            vec(vec(inner, 0..3), 1..4).prop_map(Gene::Concat),
        ]
    })
}

prop_compose! {
    fn options()(
        (batch, optimizer, seed) in any::<(u8, u8, u8)>(),
        (accumulate, drop_last, smoothing) in any::<(bool, bool, bool)>(),
        f16 in prop::bool::weighted(0.25),
        augment in any::<[bool; 4]>(),
        mixup in prop::bool::weighted(0.2),
        clipping in any::<[bool; 2]>(),
        (average, per_pixel, weighted) in any::<(bool, bool, bool)>(),
    ) -> Options {
        Options {
            batch, optimizer, accumulate, f16, drop_last, smoothing, weighted, augment, mixup, clipping, average,
            per_pixel, seed,
        }
    }
}

prop_compose! {
    /// Any network.
    pub fn network()(
        genes in vec(gene(), 0..7),
        pooled in any::<bool>(),
        dense in vec(any::<(u8, u8, bool)>(), 0..3),
        options in options(),
    ) -> Network {
        Network { genes, pooled, dense, options }
    }
}

/// `1..=most`, from any number.
fn one_to(most: usize, n: u8) -> usize {
    1 + usize::from(n) % most.max(1)
}

fn activation(n: u8) -> &'static str {
    ACTIVATIONS[usize::from(n) % ACTIVATIONS.len()]
}

/// Whether height and width must stay as they are, as in a branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Size {
    Free,
    Kept,
}

/// Layers as TOML, and the shape behind them.
fn layers(genes: &[Gene], mut shape: [usize; 3], size: Size) -> (Vec<String>, [usize; 3]) {
    let mut all = Vec::new();
    for gene in genes {
        let (text, next) = layer(gene, shape, size);
        all.push(text);
        shape = next;
    }
    (all, shape)
}

fn layer(gene: &Gene, shape: [usize; 3], size: Size) -> (String, [usize; 3]) {
    let [h, w, c] = shape;
    match gene {
        Gene::Conv(n, bias) => convolution(n, *bias, shape, size),
        Gene::Pool(max, n) => pooling(*max, n, shape, size),
        Gene::Adaptive(_) if size == Size::Kept => {
            (format!(r#"{{ type = "adaptive_avg_pool2d", output = [{h}, {w}] }}"#), shape)
        }
        Gene::Adaptive([a, b]) => {
            let (oh, ow) = (one_to(h.min(6), *a), one_to(w.min(6), *b));
            (format!(r#"{{ type = "adaptive_avg_pool2d", output = [{oh}, {ow}] }}"#), [oh, ow, c])
        }
        Gene::Upsample(n, smooth) => {
            // No larger than the images themselves; in a branch, of factor one.
            let most = |side: usize| {
                if size == Size::Kept { 1 } else { (LARGEST_SIDE / side).clamp(1, 3) }
            };
            let (fh, fw) = (one_to(most(h), n[0]), one_to(most(w), n[1]));
            let method = if *smooth { "bilinear" } else { "nearest" };
            let text =
                format!(r#"{{ type = "upsample2d", factor = [{fh}, {fw}], method = "{method}" }}"#);
            (text, [h * fh, w * fw, c])
        }
        Gene::Norm(zero) => (format!(r#"{{ type = "batch_norm", zero_init = {zero} }}"#), shape),
        Gene::Activation(n) => {
            (format!(r#"{{ type = "activation", function = "{}" }}"#, activation(*n)), shape)
        }
        Gene::Dropout(n) => {
            let rate = [0.0, 0.1, 0.5, 0.9][usize::from(*n) % 4];
            (format!(r#"{{ type = "dropout", rate = {rate:.1} }}"#), shape)
        }
        Gene::Lrn(n) => {
            let window = 1 + 2 * (usize::from(*n) % 4);
            (format!(r#"{{ type = "local_response_norm", size = {window} }}"#), shape)
        }
        Gene::Residual(main, shortcut, act) => {
            let (mut main, [.., out]) = layers(main, shape, Size::Kept);
            let (mut other, [.., passed]) = layers(shortcut, shape, Size::Kept);
            if out != passed {
                // A projection, on one side or the other.
                let (branch, channels) =
                    if act % 2 == 0 { (&mut main, passed) } else { (&mut other, out) };
                branch.push(format!(
                    r#"{{ type = "conv2d", out_channels = {channels}, kernel_size = 1 }}"#
                ));
            }
            let channels = if act % 2 == 0 || out == passed { passed } else { out };
            let text = format!(
                r#"{{ type = "residual", layers = [{}], shortcut = [{}], activation = "{}" }}"#,
                main.join(", "),
                other.join(", "),
                activation(act / 2)
            );
            (text, [h, w, channels])
        }
        Gene::Concat(branches) => {
            let made: Vec<_> = branches.iter().map(|b| layers(b, shape, Size::Kept)).collect();
            let channels = made.iter().map(|(_, [.., c])| c).sum();
            let texts: Vec<String> =
                made.iter().map(|(layers, _)| format!("[{}]", layers.join(", "))).collect();
            (
                format!(r#"{{ type = "concat", branches = [{}] }}"#, texts.join(", ")),
                [h, w, channels],
            )
        }
    }
}

/// What a window of `reach` leaves of an extent.
fn extent(input: usize, before: usize, after: usize, reach: usize, stride: usize) -> usize {
    (input + before + after - reach) / stride + 1
}

fn convolution(n: &[u8; 9], bias: bool, [h, w, c]: [usize; 3], size: Size) -> (String, [usize; 3]) {
    let [out, kh, kw, sh, sw, pad, dilation, groups, act] = *n;
    let divisors: Vec<usize> = (1..=c).filter(|g| c % g == 0).collect();
    let groups = divisors[usize::from(groups) % divisors.len()];
    let out = groups * one_to((MOST_CHANNELS / groups).max(1), out);
    let (kh, kw) = (one_to(5.min(h), kh), one_to(5.min(w), kw));
    let fits = |k: usize, input: usize| if k > 1 { (input - 1) / (k - 1) } else { 3 };
    let dilation = one_to(fits(kh, h).min(fits(kw, w)).min(3), dilation);
    let reach = [dilation * (kh - 1) + 1, dilation * (kw - 1) + 1];
    let (stride, padding, [oh, ow]) = if size == Size::Kept {
        ([1, 1], r#""same""#.to_owned(), [h, w])
    } else {
        let stride = [one_to(3, sh), one_to(3, sw)];
        match pad % 4 {
            0 => {
                let out =
                    [extent(h, 0, 0, reach[0], stride[0]), extent(w, 0, 0, reach[1], stride[1])];
                (stride, r#""valid""#.to_owned(), out)
            }
            1 => (stride, r#""same""#.to_owned(), [h.div_ceil(stride[0]), w.div_ceil(stride[1])]),
            2 => {
                let p = usize::from(pad / 4) % 4;
                let out =
                    [extent(h, p, p, reach[0], stride[0]), extent(w, p, p, reach[1], stride[1])];
                (stride, p.to_string(), out)
            }
            _ => {
                let side = |shift: u8| usize::from(pad >> shift & 3);
                let sides = [side(2), side(3), side(4), side(6)];
                let [top, bottom, left, right] = sides;
                let out = [
                    extent(h, top, bottom, reach[0], stride[0]),
                    extent(w, left, right, reach[1], stride[1]),
                ];
                (stride, format!("{sides:?}"), out)
            }
        }
    };
    let text = format!(
        r#"{{ type = "conv2d", out_channels = {out}, kernel_size = [{kh}, {kw}], stride = {stride:?}, padding = {padding}, dilation = {dilation}, groups = {groups}, bias = {bias}, activation = "{}" }}"#,
        activation(act)
    );
    (text, [oh, ow, out])
}

fn pooling(max: bool, n: &[u8; 5], [h, w, c]: [usize; 3], size: Size) -> (String, [usize; 3]) {
    let [wh, ww, sh, sw, pad] = *n;
    let name = if max { "max_pool2d" } else { "avg_pool2d" };
    if size == Size::Kept {
        // Odd windows that leave the size as it is.
        let half = usize::from(wh) % 2;
        let window = 2 * half + 1;
        let text =
            format!(r#"{{ type = "{name}", window = {window}, stride = 1, padding = {half} }}"#);
        return (text, [h, w, c]);
    }
    let window = [one_to(4.min(h), wh), one_to(4.min(w), ww)];
    let stride = [one_to(3, sh), one_to(3, sw)];
    // Padding as wide as half of the window, at most.
    let most = window[0].min(window[1]) / 2;
    let p = usize::from(pad) % (most + 1);
    let out = [extent(h, p, p, window[0], stride[0]), extent(w, p, p, window[1], stride[1])];
    let text = format!(
        r#"{{ type = "{name}", window = {window:?}, stride = {stride:?}, padding = {p} }}"#
    );
    (text, [out[0], out[1], c])
}

impl Network {
    /// The network without what makes steps differ where results are only nearly equal: Adam and its
    /// like divide small gradients by themselves, and clipping by value levels large ones, beside which the rest
    /// of what cancels is small. (Norms of a constant multiply gradients by 316 each, the root of epsilon's
    /// inverse.)
    pub fn smooth(&self) -> Self {
        let clipping = [self.options.clipping[0], false];
        let options = Options { optimizer: 0, f16: false, clipping, ..self.options.clone() };
        Self { options, ..self.clone() }
    }

    /// The network in f32: for a device without f16.
    pub fn in_f32(&self) -> Self {
        let options = Options { f16: false, ..self.options.clone() };
        Self { options, ..self.clone() }
    }

    /// The recipe.
    pub fn toml(&self) -> String {
        let options = &self.options;
        let (mut all, shape) = layers(&self.genes, IMAGE, Size::Free);
        // Images that are still large make slow dense layers.
        let pooled = self.pooled || shape.iter().product::<usize>() > 4000;
        let flat = if pooled { "global_avg_pool2d" } else { "flatten" };
        all.push(format!(r#"{{ type = "{flat}" }}"#));
        for &(units, act, norm) in &self.dense {
            all.push(format!(
                r#"{{ type = "dense", units = {}, activation = "{}" }}"#,
                one_to(40, units),
                activation(act)
            ));
            if norm {
                all.push(r#"{ type = "batch_norm" }"#.to_owned());
            }
        }
        all.push(r#"{ type = "dense" }"#.to_owned());
        // A norm over a batch of one has nothing to normalize.
        let accumulate = if options.accumulate { 2 } else { 1 };
        let batch = accumulate * (2 + usize::from(options.batch) % 7);
        let when = |on: bool, text: &str| if on { text.to_owned() } else { String::new() };
        let [crop, rotation, brightness, cutout] = options.augment;
        let [by_norm, by_value] = options.clipping;
        format!(
            r#"name = "random"
seed = {seed}
epochs = 1
batch_size = {batch}
accumulate = {accumulate}
precision = "{precision}"
drop_last = true
{smoothing}{weighted}layers = [
  {layers}
]
optimizer = {optimizer}
{average}
[data]
dataset = "synthetic-digits"
train_size = {examples}
test_size = 9
{per_pixel}
[augment]
{crop}{rotation}{brightness}{cutout}{mixup}
[clipping]
{by_norm}{by_value}"#,
            seed = options.seed,
            precision = if options.f16 { "f16" } else { "f32" },
            smoothing = when(options.smoothing, "label_smoothing = 0.1\n"),
            weighted = when(
                options.weighted && !options.smoothing && !options.mixup,
                "class_weights = \"balanced\"\n"
            ),
            layers = all.join(",\n  "),
            optimizer = OPTIMIZERS[usize::from(options.optimizer) % OPTIMIZERS.len()],
            average = when(options.average, "ema = { decay = 0.9 }\n"),
            examples = 4 * batch + if options.drop_last { 1 } else { 0 },
            per_pixel = when(options.per_pixel, "normalization = \"per-pixel\"\n"),
            crop = when(crop, "random_crop = { padding = 2 }\n"),
            rotation = when(rotation, "rotation = 10.0\n"),
            brightness = when(brightness, "brightness = 0.2\n"),
            cutout = when(cutout, "cutout = 5\n"),
            mixup = when(options.mixup, "mixup = 0.2\n"),
            by_norm = when(by_norm, "by_norm = 1.0\n"),
            by_value = when(by_value, "by_value = 0.5\n"),
        )
    }
}
