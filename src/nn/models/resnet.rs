//! Residual networks: those for ImageNet, also with a stem for small images, and those for CIFAR.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Form;
use super::plan::{Conv, ModelPlan, check_width, classifier, max_pool, scaled};
use crate::graph::Activation;
use crate::nn::{BatchNorm, GlobalAvgPool2d, Init};

/// ResNet (He et al., 2016) with torchvision's names.
///
/// Depths 18, 34, 50, 101 and 152 are those for ImageNet: 11,689,512 parameters at depth 18 and
/// 1,000 classes; strides of bottlenecks are in the 3x3 convolution. Depths 20, 32, 44 and 56 are
/// those for CIFAR, with 16, 32 and 64 channels; where a block changes its shape, a 1x1 convolution
/// is the shortcut (the paper's option B).
///
/// ```toml
/// [model]
/// type = "resnet"
/// depth = 50
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ResNet {
    /// Layers with weights on the main path.
    #[schemars(extend("enum" = [18, 34, 50, 101, 152, 20, 32, 44, 56]))]
    pub depth: usize,
    /// The first layers: `imagenet`, a 7x7 convolution and pooling, divides the size by four,
    /// `small`, a 3x3 convolution, keeps it. Default: `small` for CIFAR's depths, else `imagenet`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub form: Option<Form>,
    /// Number of classes; that of the data set where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub classes: Option<usize>,
    /// Factor on all numbers of channels.
    #[schemars(extend("exclusiveMinimum" = 0), range(max = 16))]
    pub width: f32,
    /// Whether the last norm of each block starts at zero.
    pub zero_init: bool,
}

impl Default for ResNet {
    fn default() -> Self {
        Self { depth: 18, form: None, classes: None, width: 1.0, zero_init: false }
    }
}

/// What a depth stands for.
struct Shape {
    /// Blocks of each stage.
    blocks: &'static [usize],
    /// Channels of the first stage.
    channels: usize,
    /// Whether blocks narrow to a quarter of their channels.
    bottleneck: bool,
}

impl ResNet {
    fn shape(&self) -> Option<Shape> {
        let (blocks, channels, bottleneck): (&[usize], _, _) = match self.depth {
            18 => (&[2, 2, 2, 2], 64, false),
            34 => (&[3, 4, 6, 3], 64, false),
            50 => (&[3, 4, 6, 3], 64, true),
            101 => (&[3, 4, 23, 3], 64, true),
            152 => (&[3, 8, 36, 3], 64, true),
            20 => (&[3; 3], 16, false),
            32 => (&[5; 3], 16, false),
            44 => (&[7; 3], 16, false),
            56 => (&[9; 3], 16, false),
            _ => return None,
        };
        Some(Shape { blocks, channels, bottleneck })
    }

    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        if self.shape().is_none() {
            let depths = "18, 34, 50, 101 or 152, or for CIFAR 20, 32, 44 or 56";
            return Err(("depth", format!("must be {depths}, it is {}", self.depth)));
        }
        check_width(self.width)
    }

    pub(super) fn plan(&self) -> ModelPlan {
        let mut plan = ModelPlan::default();
        let Some(Shape { blocks, channels, bottleneck }) = self.shape() else { return plan };
        let default_form = if channels == 16 { Form::Small } else { Form::Imagenet };
        let first = scaled(channels, self.width);
        let stem = ["conv1".to_owned(), "bn1".to_owned()];
        match self.form.unwrap_or(default_form) {
            Form::Imagenet => {
                plan.conv_norm(stem, Conv::same(first, 7, 2), Activation::Relu);
                plan.plain(max_pool(3, 2, 1));
            }
            Form::Small => plan.conv_norm(stem, Conv::same(first, 3, 1), Activation::Relu),
        }
        let mut incoming = first;
        for (stage, &blocks) in blocks.iter().enumerate() {
            let inner = scaled(channels << stage, self.width);
            let outgoing = if bottleneck { 4 * inner } else { inner };
            for block in 0..blocks {
                let stride = if stage > 0 && block == 0 { 2 } else { 1 };
                let convolutions = if bottleneck {
                    vec![
                        Conv::same(inner, 1, 1),
                        Conv::same(inner, 3, stride),
                        Conv::same(outgoing, 1, 1),
                    ]
                } else {
                    vec![Conv::same(inner, 3, stride), Conv::same(inner, 3, 1)]
                };
                let name = format!("layer{}.{block}", stage + 1);
                let mut shortcut = ModelPlan::default();
                if stride != 1 || incoming != outgoing {
                    let modules = [0, 1].map(|part| format!("{name}.downsample.{part}"));
                    let project = Conv::same(outgoing, 1, stride);
                    shortcut.conv_norm(modules, project, Activation::Identity);
                }
                plan.residual(self.branch(&name, &convolutions), shortcut, Activation::Relu);
                incoming = outgoing;
            }
        }
        plan.plain(GlobalAvgPool2d {});
        plan.named("fc", classifier(self.classes, Init::TorchUniform));
        plan
    }

    /// The main branch of a block: an activation function between convolutions, none at the end.
    fn branch(&self, name: &str, convolutions: &[Conv]) -> ModelPlan {
        let mut branch = ModelPlan::default();
        for (i, conv) in (1..).zip(convolutions) {
            let last = i == convolutions.len();
            branch.named(format!("{name}.conv{i}"), conv.layer());
            let zero_init = last && self.zero_init;
            let norm = BatchNorm { zero_init, ..BatchNorm::default() };
            branch.named(format!("{name}.bn{i}"), norm);
            if !last {
                branch.plain(Activation::Relu);
            }
        }
        branch
    }
}
