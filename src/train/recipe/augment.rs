//! The augmentation section of a recipe: what happens to training images, and to no others.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::data::RandomResizedCrop;
use crate::ops::{Augment, FillMode, Flip, MixBatch, PaddingMode};

/// What happens to the images of each training batch. Everything is off by default. Random numbers
/// follow from the recipe's seed, the step and the example.
///
/// Keras states ranges in other units: `RandomRotation(0.06)` is a fraction of a turn, here
/// `rotation = 21.6` degrees. And its layers show the mirrored image around the image,
/// `fill = "reflect"`, where here it is black unless `fill` says otherwise, as in torchvision.
///
/// ```toml
/// [augment]
/// random_crop = { padding = 4, mode = "reflect" }
/// horizontal_flip = "alternating"
/// rotation = 15.0
/// fill = "reflect"
/// cutout = 8
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AugmentConfig {
    /// `folder` only: cut a part of random area and proportions out of each picture and resize it to
    /// `image_size`, as torchvision's `RandomResizedCrop` does. `{}` takes its `scale` and `ratio`.
    /// Pictures then stay in their files (`[data] stream`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub random_resized_crop: Option<RandomResizedCrop>,
    /// Pad the image and cut a window of its own size out of it, at a uniform position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub random_crop: Option<RandomCrop>,
    /// Mirror images left to right: `true` for each with probability 1/2, `"alternating"` for each in
    /// every other epoch.
    #[serde(default, skip_serializing_if = "HorizontalFlip::is_off")]
    #[schemars(!skip_serializing_if)]
    pub horizontal_flip: HorizontalFlip,
    /// Rotate by a uniform angle of up to so many degrees both ways.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(!skip_serializing_if, range(min = 0, max = 179.999))]
    pub rotation: f32,
    /// Shift by up to this fraction of height and width both ways.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(!skip_serializing_if, range(min = 0, max = 1))]
    pub translation: f32,
    /// Zoom out or in by up to this fraction.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(!skip_serializing_if, range(min = 0, max = 0.99))]
    pub zoom: f32,
    /// Shear along the rows by up to so many degrees both ways.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(!skip_serializing_if, range(min = 0, max = 60))]
    pub shear: f32,
    /// What shows around an image that is turned, shifted, zoomed or sheared: `"constant"` (black),
    /// `"reflect"` (Keras' layers), `"nearest"` (Keras' `ImageDataGenerator`) or `"wrap"`.
    #[serde(default, skip_serializing_if = "FillMode::is_default")]
    #[schemars(!skip_serializing_if)]
    pub fill: FillMode,
    /// Set a square of so many pixels a side to zero, the mean.
    #[serde(default, skip_serializing_if = "is_none")]
    #[schemars(!skip_serializing_if)]
    pub cutout: usize,
    /// Multiply values by a number in `1 - brightness ..= 1 + brightness`.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(!skip_serializing_if, range(min = 0, max = 1))]
    pub brightness: f32,
    /// Multiply differences from the mean of the normalization likewise.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(!skip_serializing_if, range(min = 0, max = 1))]
    pub contrast: f32,
    /// Alpha of mixup: images of a batch are mixed with weights from Beta(alpha, alpha).
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(!skip_serializing_if, schema_with = "alpha")]
    pub mixup: f32,
    /// Alpha of cutmix: a box shows another image of the batch.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(!skip_serializing_if, schema_with = "alpha")]
    pub cutmix: f32,
}

/// What editors may expect of an alpha.
fn alpha(_: &mut SchemaGenerator) -> Schema {
    let (least, largest) = (MixBatch::LEAST_ALPHA, MixBatch::LARGEST_ALPHA);
    json_schema!({
        "anyOf": [{ "const": 0 }, { "type": "number", "minimum": least, "maximum": largest }],
    })
}

/// How images are padded before a crop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RandomCrop {
    /// Pixels on each side.
    pub padding: usize,
    /// What they are: `zero` or `reflect`.
    #[serde(default)]
    pub mode: PaddingMode,
}

/// Which images are mirrored: `false`, `true` or `"alternating"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum HorizontalFlip {
    /// None, or each one with probability 1/2.
    Random(bool),
    /// By a named scheme.
    Scheme(FlipScheme),
}

/// Named schemes of mirroring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FlipScheme {
    /// Each image in every other epoch.
    Alternating,
}

impl Default for HorizontalFlip {
    fn default() -> Self {
        Self::Random(false)
    }
}

impl HorizontalFlip {
    fn is_off(&self) -> bool {
        *self == Self::default()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(value: &f32) -> bool {
    *value == 0.0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_none(value: &usize) -> bool {
    *value == 0
}

impl AugmentConfig {
    /// Whether images stay as they are.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// What happens to each image on its own.
    pub fn of_images(&self) -> Augment {
        Augment {
            crop_padding: self.random_crop.map_or(0, |crop| crop.padding),
            crop_mode: self.random_crop.map(|crop| crop.mode).unwrap_or_default(),
            flip: match self.horizontal_flip {
                HorizontalFlip::Random(false) => Flip::None,
                HorizontalFlip::Random(true) => Flip::Random,
                HorizontalFlip::Scheme(FlipScheme::Alternating) => Flip::Alternating,
            },
            rotation: self.rotation,
            translation: self.translation,
            zoom: self.zoom,
            shear: self.shear,
            fill: self.fill,
            cutout: self.cutout,
            brightness: self.brightness,
            contrast: self.contrast,
        }
    }

    /// Checks what does not depend on the images; `centered` says whether the data have a mean.
    ///
    /// # Errors
    /// Names the key and says what is wrong with it.
    pub(in crate::train) fn check(&self, centered: bool) -> Result<(), (&'static str, String)> {
        if let Some(crop) = self.random_resized_crop {
            crop.check().map_err(|what| ("random_resized_crop", what))?;
        }
        self.of_images().check()?;
        for (key, alpha) in [("mixup", self.mixup), ("cutmix", self.cutmix)] {
            MixBatch::check_alpha(alpha).map_err(|what| (key, what))?;
        }
        if self.contrast > 0.0 && !centered {
            let what = "changes differences from the mean, and the data have none: give \
                        [data] mean, or normalization = \"per-channel\"";
            return Err(("contrast", what.to_owned()));
        }
        Ok(())
    }
}
