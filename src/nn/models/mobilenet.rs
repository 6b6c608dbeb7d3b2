//! MobileNet: depthwise separable convolutions, and inverted residual blocks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Form;
use super::plan::{Conv, ModelPlan, check_dropout, check_width, classifier, scaled};
use crate::graph::Activation;
use crate::nn::{BatchNorm, Dropout, GlobalAvgPool2d, Init};

/// MobileNet (Howard et al., 2017) and MobileNetV2 (Sandler et al., 2018): 4,231,976 and 3,504,872
/// parameters at 1,000 classes. Version 2 has torchvision's names.
///
/// ```toml
/// [model]
/// type = "mobilenet"
/// version = 2
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MobileNet {
    /// 1 or 2.
    #[schemars(extend("enum" = [1, 2]))]
    pub version: usize,
    /// For which images: `imagenet` divides the size by 32; `small`, for images of 32x32, by 16 in
    /// version 1 and by 8 in version 2.
    pub form: Form,
    /// Number of classes; that of the data set where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub classes: Option<usize>,
    /// Factor on all numbers of channels; in version 2 they are rounded to multiples of eight.
    #[schemars(extend("exclusiveMinimum" = 0), range(max = 16))]
    pub width: f32,
    /// Dropout in front of the dense layer.
    #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
    pub dropout: f32,
}

impl Default for MobileNet {
    fn default() -> Self {
        Self { version: 1, form: Form::Imagenet, classes: None, width: 1.0, dropout: 0.2 }
    }
}

/// Channels and stride of the separable convolutions of version 1.
const SEPARABLE: [(usize, usize); 13] = [
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (512, 1),
    (1024, 2),
    (1024, 1),
];

/// Expansion, channels, number and first stride of the inverted residual blocks of version 2.
const INVERTED: [(usize, usize, usize, usize); 7] = [
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
];

impl MobileNet {
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        if !(1..=2).contains(&self.version) {
            return Err(("version", format!("must be 1 or 2, it is {}", self.version)));
        }
        check_width(self.width).and(check_dropout(self.dropout))
    }

    pub(super) fn plan(&self) -> ModelPlan {
        if self.version == 1 { self.separable() } else { self.inverted() }
    }

    fn first_stride(&self) -> usize {
        if self.form == Form::Small { 1 } else { 2 }
    }

    fn separable(&self) -> ModelPlan {
        let mut plan = ModelPlan::default();
        let mut incoming = scaled(32, self.width);
        let first = Conv::same(incoming, 3, self.first_stride());
        plan.conv_norm(["conv1".to_owned(), "bn1".to_owned()], first, Activation::Relu);
        for (i, (channels, stride)) in SEPARABLE.into_iter().enumerate() {
            let channels = scaled(channels, self.width);
            let modules = |part| ["conv", "bn"].map(|kind| format!("layers.{i}.{kind}{part}"));
            plan.conv_norm(modules(1), Conv::depthwise(incoming, stride), Activation::Relu);
            plan.conv_norm(modules(2), Conv::same(channels, 1, 1), Activation::Relu);
            incoming = channels;
        }
        self.head(&mut plan, "linear");
        plan
    }

    fn inverted(&self) -> ModelPlan {
        let mut plan = ModelPlan::default();
        let pair = |prefix: String| [0, 1].map(|part| format!("{prefix}.{part}"));
        let mut incoming = multiple_of_eight(32, self.width);
        let first = Conv::same(incoming, 3, self.first_stride());
        plan.conv_norm(pair("features.0".to_owned()), first, Activation::Relu6);
        let mut module = 1;
        for (stage, (expansion, channels, blocks, stride)) in INVERTED.into_iter().enumerate() {
            let channels = multiple_of_eight(channels, self.width);
            for block in 0..blocks {
                let keeps_size = block > 0 || (self.form == Form::Small && stage == 1);
                let stride = if keeps_size { 1 } else { stride };
                let mut branch = ModelPlan::default();
                let name = format!("features.{module}.conv");
                let hidden = incoming * expansion;
                let mut part = 0;
                if expansion != 1 {
                    let modules = pair(format!("{name}.{part}"));
                    branch.conv_norm(modules, Conv::same(hidden, 1, 1), Activation::Relu6);
                    part += 1;
                }
                let modules = pair(format!("{name}.{part}"));
                branch.conv_norm(modules, Conv::depthwise(hidden, stride), Activation::Relu6);
                branch.named(format!("{name}.{}", part + 1), Conv::same(channels, 1, 1).layer());
                branch.named(format!("{name}.{}", part + 2), BatchNorm::default());
                if stride == 1 && incoming == channels {
                    plan.residual(branch, ModelPlan::default(), Activation::Identity);
                } else {
                    plan.layers.extend(branch.layers);
                    plan.modules.extend(branch.modules);
                }
                incoming = channels;
                module += 1;
            }
        }
        // Narrower models keep the width of the last convolution.
        let last = Conv::same(multiple_of_eight(1280, self.width.max(1.0)), 1, 1);
        plan.conv_norm(pair(format!("features.{module}")), last, Activation::Relu6);
        self.head(&mut plan, "classifier.1");
        plan
    }

    fn head(&self, plan: &mut ModelPlan, module: &str) {
        plan.plain(GlobalAvgPool2d {});
        plan.plain(Dropout::new(self.dropout));
        plan.named(module, classifier(self.classes, Init::Normal(0.01)));
    }
}

/// Torchvision's rule: the nearest multiple of eight that is not below nine tenths of the product.
fn multiple_of_eight(channels: usize, width: f32) -> usize {
    let exact = scaled(channels, width);
    let rounded = ((exact + 4) / 8 * 8).max(8);
    if 10 * rounded < 9 * exact { rounded + 8 } else { rounded }
}
