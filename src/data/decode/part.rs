//! Which part of a picture becomes an example: its center, or one drawn at random.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::data::stream::Stream;

/// A part of a picture, in its pixels; within the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::data) struct Part {
    pub top: f64,
    pub left: f64,
    pub height: f64,
    pub width: f64,
}

impl Part {
    /// A part that begins and ends between pixels.
    fn whole([top, left, height, width]: [u32; 4]) -> Self {
        let [top, left, height, width] = [top, left, height, width].map(f64::from);
        Self { top, left, height, width }
    }

    /// As whole pixels, where it is made of such: top, left, height and width.
    pub fn pixels(self) -> Option<[u32; 4]> {
        let Self { top, left, height, width } = self;
        let all = [top, left, height, width];
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "extents")]
        let pixels = all.map(|value| value as u32);
        pixels.iter().zip(all).all(|(&whole, value)| f64::from(whole) == value).then_some(pixels)
    }

    /// The largest centered part of a picture of `of` pixels with the proportions of `to`, both height
    /// and width: what is left when the shorter side is resized and the longer one cropped.
    pub fn largest(of: [u32; 2], to: [u32; 2]) -> Self {
        let ([height, width], [to_height, to_width]) = (of, to);
        let crop_width = scaled(height, to_width, to_height).min(width);
        let crop_height = scaled(width, to_height, to_width).min(height);
        let (top, left) = ((height - crop_height) / 2, (width - crop_width) / 2);
        Self::whole([top, left, crop_height, crop_width])
    }

    /// What `to` pixels in the center show once the shorter side has `side` pixels, which are no fewer
    /// than those of `to`.
    pub fn center(of: [u32; 2], to: [u32; 2], side: u32) -> Self {
        let scale = f64::from(of[0].min(of[1])) / f64::from(side.max(1));
        let [height, width] = to.map(|extent| f64::from(extent) * scale);
        let [top, left] = [(of[0], height), (of[1], width)]
            .map(|(has, takes)| ((f64::from(has) - takes) / 2.0).max(0.0));
        Self { top, left, height, width }
    }
}

/// `extent * numerator / denominator`, rounded, at least 1.
fn scaled(extent: u32, numerator: u32, denominator: u32) -> u32 {
    let denominator = u64::from(denominator.max(1));
    let value = (u64::from(extent) * u64::from(numerator) + denominator / 2) / denominator;
    u32::try_from(value).unwrap_or(u32::MAX).max(1)
}

/// A part of random area and proportions, resized to the size of the model: the `RandomResizedCrop` of
/// torchvision, with which networks are trained on ImageNet.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RandomResizedCrop {
    /// Least and greatest area, as a fraction of that of the picture.
    #[serde(default = "default_scale")]
    #[schemars(inner(range(min = 0, max = 1)))]
    pub scale: [f64; 2],
    /// Least and greatest ratio of width to height.
    #[serde(default = "default_ratio")]
    #[schemars(inner(range(min = 0.001, max = 1000)))]
    pub ratio: [f64; 2],
}

impl Default for RandomResizedCrop {
    fn default() -> Self {
        Self { scale: default_scale(), ratio: default_ratio() }
    }
}

fn default_scale() -> [f64; 2] {
    [0.08, 1.0]
}

fn default_ratio() -> [f64; 2] {
    [3.0 / 4.0, 4.0 / 3.0]
}

/// Draws before the center is taken.
const TRIES: usize = 10;

impl RandomResizedCrop {
    /// Checks the numbers.
    ///
    /// # Errors
    ///
    /// Says what is wrong with them.
    pub fn check(&self) -> Result<(), String> {
        let [least, most] = self.scale;
        if !(0.0 < least && least <= most && most <= 1.0) {
            return Err(format!(
                "scale = [{least}, {most}]: expected two fractions of the area above 0 and up to 1, the \
                 smaller one first"
            ));
        }
        let [least, most] = self.ratio;
        if !(1e-3..=1e3).contains(&least) || !(least..=1e3).contains(&most) {
            return Err(format!(
                "ratio = [{least}, {most}]: expected two ratios of width to height from 0.001 to 1000, \
                 the smaller one first"
            ));
        }
        Ok(())
    }

    /// Draws a part of a picture of `[height, width]` pixels.
    pub(in crate::data) fn draw(&self, [height, width]: [u32; 2], stream: &mut Stream) -> Part {
        let ([least_area, most_area], [least, most]) = (self.scale, self.ratio);
        let area = f64::from(height) * f64::from(width);
        for _ in 0..TRIES {
            let wanted = area * (least_area + (most_area - least_area) * stream.double());
            // Uniform in its logarithm.
            let ratio = least * power(most / least, stream.word());
            let w = rounded((wanted * ratio).sqrt());
            let h = rounded((wanted / ratio).sqrt());
            if (1..=width).contains(&w) && (1..=height).contains(&h) {
                let [top, left] = [height - h, width - w].map(|rest| below(rest, stream));
                return Part::whole([top, left, h, w]);
            }
        }
        let ratio = f64::from(width) / f64::from(height);
        let (h, w) = if ratio < least {
            (rounded(f64::from(width) / least), width)
        } else if ratio > most {
            (height, rounded(f64::from(height) * most))
        } else {
            (height, width)
        };
        let (h, w) = (h.clamp(1, height), w.clamp(1, width));
        Part::whole([(height - h) / 2, (width - w) / 2, h, w])
    }
}

/// Uniform from 0 to `most`.
fn below(most: u32, stream: &mut Stream) -> u32 {
    let n = usize::try_from(most).unwrap_or(0) + 1;
    u32::try_from(stream.below(n)).unwrap_or(0)
}

/// To the nearest whole number, of two to the even one, as Python does.
fn rounded(value: f64) -> u32 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    let whole = value.round_ties_even() as u32;
    whole
}

/// `base` to the power of `bits / 2^32`, by square roots and products: these round alike on every
/// platform, and `pow` does not.
fn power(base: f64, bits: u32) -> f64 {
    let (mut root, mut result) = (base, 1.0);
    for bit in (0..u32::BITS).rev() {
        root = root.sqrt();
        if bits >> bit & 1 == 1 {
            result *= root;
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::stream::Purpose;

    fn stream(index: u64) -> Stream {
        Stream::new(3, Purpose::RandomResizedCrop, index)
    }

    #[test]
    fn powers_are_those_of_the_library() {
        for (base, bits) in [(16.0 / 9.0, 0), (16.0 / 9.0, u32::MAX), (2.0, 1 << 31), (0.3, 77_777)]
        {
            let exact = f64::powf(base, f64::from(bits) / f64::from(1 << 16) / f64::from(1 << 16));
            assert!((power(base, bits) - exact).abs() < 1e-14, "{base}, {bits}");
        }
    }

    /// Area and proportions are within their bounds, but for rounding, and fill them evenly.
    #[test]
    fn parts_have_the_area_and_the_proportions_asked_for() {
        let crop = RandomResizedCrop::default();
        let (height, width) = (375, 500);
        let n = 4000;
        let (mut areas, mut logs, mut small) = (0.0, 0.0, 0);
        for i in 0..n {
            let part = crop.draw([height, width], &mut stream(i));
            let pixels = part.pixels().expect("whole pixels");
            let [top, left, h, w] = pixels;
            assert!(top + h <= height && left + w <= width && h > 0 && w > 0, "{pixels:?}");
            let area = part.height * part.width / f64::from(height * width);
            let ratio = part.width / part.height;
            assert!((0.079..=1.0).contains(&area), "{area}");
            assert!((0.74..=1.35).contains(&ratio), "{ratio}");
            areas += area;
            logs += ratio.ln();
            small += u32::from(area < 0.25);
        }
        let n = f64::from(u32::try_from(n).expect("small"));
        // Large areas in other proportions than those of the picture do not fit and are drawn again. These
        // are the means over 20,000 draws of torchvision 0.29, within four standard errors.
        let near = |mean: f64, expected: f64, within: f64| (mean - expected).abs() < within;
        assert!(near(areas / n, 0.4348, 0.018), "{}", areas / n);
        assert!(near(logs / n, 0.0315, 0.012), "{}", logs / n);
        let small = f64::from(small) / n;
        assert!(near(small, 0.243, 0.03), "{small}");
    }

    #[test]
    fn what_never_fits_is_the_center() {
        let crop = RandomResizedCrop { scale: [1.0, 1.0], ..RandomResizedCrop::default() };
        let drawn = |size| crop.draw(size, &mut stream(0)).pixels();
        assert_eq!(drawn([10, 1000]), Some([0, 493, 10, 13]));
        assert_eq!(drawn([1000, 30]), Some([480, 0, 40, 30]));
        assert_eq!(drawn([1, 1]), Some([0, 0, 1, 1]));
        let whole = RandomResizedCrop { scale: [1.0, 1.0], ratio: [2.0, 2.0] };
        assert_eq!(whole.draw([50, 100], &mut stream(0)).pixels(), Some([0, 0, 50, 100]));
    }

    #[test]
    fn numbers_that_cannot_be_are_refused() {
        let with = |scale, ratio| RandomResizedCrop { scale, ratio }.check();
        assert_eq!(RandomResizedCrop::default().check(), Ok(()));
        for scale in [[0.0, 1.0], [0.5, 0.4], [0.5, 1.1], [f64::NAN, 1.0]] {
            assert!(with(scale, [1.0, 1.0]).is_err_and(|text| text.contains("scale")), "{scale:?}");
        }
        for ratio in [[0.0, 1.0], [2.0, 1.0], [1.0, f64::INFINITY], [f64::NAN, 1.0]] {
            assert!(with([0.1, 1.0], ratio).is_err_and(|text| text.contains("ratio")), "{ratio:?}");
        }
    }

    #[test]
    fn the_center_is_that_of_the_resized_picture() {
        let part = Part::center([375, 500], [224, 224], 256);
        assert_eq!((part.height, part.width), (328.125, 328.125));
        assert_eq!((part.top, part.left), (23.4375, 85.9375));
        assert_eq!(part.pixels(), None);
        assert_eq!(Part::center([300, 300], [300, 300], 300).pixels(), Some([0, 0, 300, 300]));
        assert_eq!(Part::largest([10, 30], [5, 5]).pixels(), Some([0, 10, 10, 10]));
    }
}
