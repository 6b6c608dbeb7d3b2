//! What augmentation may do to an image, and the fixed-point ranges that decisions are drawn from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::tensor::turn::ONE;

/// What lies around an image that is padded before a crop.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PaddingMode {
    /// Black.
    #[default]
    Zero,
    /// The image mirrored at its border pixels, which are not repeated.
    Reflect,
}

/// What lies around an image that is turned, shifted, zoomed or sheared, as SciPy and Keras name it. Of
/// a row `a b c d`:
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FillMode {
    /// Black: `0 0 0 0 | a b c d | 0 0 0 0`.
    #[default]
    Constant,
    /// The image mirrored at its border, so that border pixels come twice:
    /// `d c b a | a b c d | d c b a`. The default of Keras' layers (`RandomRotation`,
    /// `RandomTranslation`, `RandomZoom`), SciPy's `reflect`.
    Reflect,
    /// The nearest pixel: `a a a a | a b c d | d d d d`. The default of Keras' `ImageDataGenerator`.
    Nearest,
    /// The image again: `a b c d | a b c d | a b c d`; SciPy's `grid-wrap`.
    Wrap,
}

impl FillMode {
    /// Whether it is black.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Where a row or column lies in an image with `side` of them; nowhere for black.
    pub(super) fn place(self, at: i32, side: i32) -> Option<i32> {
        if (0..side).contains(&at) {
            return Some(at);
        }
        match self {
            Self::Constant => None,
            Self::Nearest => Some(at.clamp(0, side - 1)),
            Self::Wrap => Some(at.rem_euclid(side)),
            Self::Reflect => {
                let within = at.rem_euclid(2 * side);
                Some(within.min(2 * side - 1 - within))
            }
        }
    }
}

/// Which images are mirrored left to right.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Flip {
    /// None.
    #[default]
    None,
    /// Each one with probability 1/2.
    Random,
    /// Half of them in the first epoch, as a hash of the example says; from then on each one in every
    /// other epoch. Source: Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", 2024.
    Alternating,
}

/// What happens to each image, in this order; a zero leaves a step out.
///
/// 1. Crop: the image is padded by `crop_padding` pixels on all sides, and a window of its own size
///    is cut out at a uniform position.
/// 2. Flip.
/// 3. Affine map about the center, sampled bilinearly, `fill` outside: translation by up to
///    `translation` times height and width, then shear along the rows by up to `shear` degrees, zoom
///    (sampled coordinates are multiplied by `1 + u` with `u` up to `zoom` both ways: above one,
///    the image shrinks, as in Keras), and rotation by up to `rotation` degrees. Each is uniform.
/// 4. Brightness: values times a uniform number in `1 - brightness ..= 1 + brightness`.
/// 5. Contrast: differences from the mean of the normalization times a number in
///    `1 - contrast ..= 1 + contrast`. Both cut off below black and above white.
/// 6. Cutout: after normalization, a square of `cutout` pixels around a uniform pixel is zero; it may
///    reach beyond the border. Source: DeVries and Taylor, "Improved Regularization of Convolutional
///    Neural Networks with Cutout", 2017.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Augment {
    /// Pixels of padding on each side.
    #[serde(default)]
    pub crop_padding: usize,
    /// What the padding is.
    #[serde(default)]
    pub crop_mode: PaddingMode,
    /// Which images are mirrored.
    #[serde(default)]
    pub flip: Flip,
    /// Largest rotation, degrees, below 180.
    #[serde(default)]
    pub rotation: f32,
    /// Largest translation, fraction of height and width, at most 1.
    #[serde(default)]
    pub translation: f32,
    /// Largest change of size, fraction, below 1.
    #[serde(default)]
    pub zoom: f32,
    /// Largest shear, degrees, at most 60.
    #[serde(default)]
    pub shear: f32,
    /// What lies around the image in rotation, translation, zoom and shear.
    #[serde(default, skip_serializing_if = "FillMode::is_default")]
    pub fill: FillMode,
    /// Side of the square, pixels.
    #[serde(default)]
    pub cutout: usize,
    /// Largest change of brightness, fraction, at most 1.
    #[serde(default)]
    pub brightness: f32,
    /// Largest change of contrast, fraction, at most 1.
    #[serde(default)]
    pub contrast: f32,
}

/// Largest height and width for which coordinates of the affine map fit 32 bits.
const LARGEST_SIDE: usize = 4096;

impl Augment {
    /// Whether images stay as they are.
    pub fn is_none(&self) -> bool {
        *self == Self { crop_mode: self.crop_mode, fill: self.fill, ..Self::default() }
    }

    /// Whether pixels are sampled between others.
    pub fn is_affine(&self) -> bool {
        [self.rotation, self.translation, self.zoom, self.shear].iter().any(|&range| range > 0.0)
    }

    /// Checks the numbers that do not depend on the images.
    ///
    /// # Errors
    /// Names the key and says what is wrong with it.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        let ranges = [
            ("rotation", self.rotation, 179.999, "degrees"),
            ("translation", self.translation, 1.0, "a fraction of the image's size"),
            ("zoom", self.zoom, 0.99, "a fraction of the image's size"),
            ("shear", self.shear, 60.0, "degrees"),
            ("brightness", self.brightness, 1.0, "a fraction"),
            ("contrast", self.contrast, 1.0, "a fraction"),
        ];
        for (key, given, most, unit) in ranges {
            if !(0.0..=most).contains(&given) {
                return Err((key, format!("must lie in [0, {most}], {unit}; it is {given}")));
            }
        }
        Ok(())
    }

    /// Checks all numbers, for images of `height` and `width` pixels.
    ///
    /// # Errors
    /// Says what does not fit.
    pub fn check_for(&self, [height, width]: [usize; 2]) -> Result<(), String> {
        self.check().map_err(|(key, what)| format!("{key} {what}"))?;
        let least = height.min(width);
        if self.crop_padding >= least && self.crop_padding > 0 {
            return Err(format!(
                "random_crop: a padding of {} pixels is too much for images of {height}x{width}: \
                 give less than {least}",
                self.crop_padding
            ));
        }
        if self.cutout > least {
            return Err(format!(
                "cutout: a square of {} pixels is larger than the images of {height}x{width}",
                self.cutout
            ));
        }
        if self.is_affine() && height.max(width) > LARGEST_SIDE {
            return Err(format!(
                "rotation, translation, zoom and shear take images of at most {LARGEST_SIDE} \
                 pixels a side, these have {height}x{width}"
            ));
        }
        Ok(())
    }

    /// The ranges of decisions for images of `height` and `width` pixels.
    pub(super) fn ranges(&self, [height, width]: [usize; 2]) -> Ranges {
        let one = f64::from(ONE);
        #[expect(clippy::cast_precision_loss, reason = "an image side, far below 2^53")]
        let shift = |side: usize| fixed(f64::from(self.translation) * side as f64 * 2.0 * one);
        let turns = |degrees: f32| fixed(f64::from(degrees) / 360.0 * 4_294_967_296.0);
        Ranges {
            rotation: turns(self.rotation),
            shear: turns(self.shear),
            shift: [shift(height), shift(width)],
            zoom: fixed(f64::from(self.zoom) * one),
            brightness: fixed(f64::from(self.brightness) * one),
            contrast: fixed(f64::from(self.contrast) * one),
        }
    }
}

/// The nearest integer below 2^31.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in [0, 2^31)")]
fn fixed(value: f64) -> u32 {
    value.round().clamp(0.0, 2_147_483_647.0) as u32
}

/// How far decisions reach to both sides, in fixed-point numbers that kernels share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ranges {
    /// Turns times 2^32.
    pub rotation: u32,
    /// Turns times 2^32.
    pub shear: u32,
    /// Pixels times 2^15, vertically and horizontally.
    pub shift: [u32; 2],
    /// Times 2^14.
    pub zoom: u32,
    /// Times 2^14.
    pub brightness: u32,
    /// Times 2^14.
    pub contrast: u32,
}
