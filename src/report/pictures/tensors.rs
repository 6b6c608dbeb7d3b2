//! Tensors as pictures of pixels: images, filters, feature maps and maps of magnitudes.

use image::{Rgb, RgbImage};

use crate::tensor::HostTensor;

/// Filters of a sheet at most.
const MAX_FILTERS: usize = 64;
/// Smallest edge of a filter or map on a sheet, in pixels.
const MIN_EDGE: usize = 44;
/// Distance between two pictures of a sheet, in pixels.
const GAP: usize = 4;
const GROUND: Rgb<u8> = Rgb([127, 133, 140]);

/// A picture of pixels `[height, width, channels]`: gray with one channel, else of the first three.
pub fn picture_of(pixels: &[u8], [height, width, channels]: [usize; 3]) -> RgbImage {
    let value = |y: usize, x: usize, c: usize| {
        let channel = if channels < 3 { 0 } else { c };
        pixels.get((y * width + x) * channels + channel).copied().unwrap_or(0)
    };
    picture([height, width], |y, x| [0, 1, 2].map(|c| value(y, x, c)))
}

/// The filters of a first layer: a convolution's `[kh, kw, channels, filters]`, or a dense layer's
/// `[features, units]` where the features are an image of `image`. `None` for other shapes.
pub(crate) fn filters(weight: &HostTensor, image: [usize; 3]) -> Option<(RgbImage, usize)> {
    let (size, filters) = match *weight.ty().dims() {
        [kh, kw, channels, filters] => ([kh, kw, channels], filters),
        [features, units] if features == image.iter().product::<usize>() => (image, units),
        _ => return None,
    };
    let [height, width, channels] = size;
    if height * width < 2 || filters == 0 {
        return None;
    }
    let values = weight.f32s();
    let at = |filter: usize, y: usize, x: usize, c: usize| {
        values.get(((y * width + x) * channels + c) * filters + filter).copied().unwrap_or(0.0)
    };
    let shown = filters.min(MAX_FILTERS);
    let mut pictures = Vec::with_capacity(shown);
    for filter in 0..shown {
        let largest = (0..height * width * channels)
            .map(|i| at(filter, i / channels / width, i / channels % width, i % channels).abs())
            .filter(|value| value.is_finite())
            .fold(f32::MIN_POSITIVE, f32::max);
        pictures.push(picture([height, width], |y, x| {
            if channels == 3 {
                [0, 1, 2].map(|c| level(0.5 + 0.5 * at(filter, y, x, c) / largest))
            } else {
                // More channels than can be shown: their mean.
                #[expect(clippy::cast_precision_loss, reason = "a number of channels")]
                let count = channels.max(1) as f32;
                let sum: f32 = (0..channels).map(|c| at(filter, y, x, c)).sum();
                diverging(sum / count / largest)
            }
        }));
    }
    Some((sheet(&pictures, if height * width < 100 { 16 } else { 8 }), shown))
}

/// Feature maps `[height, width, channels]` of one image, each from its least to its greatest
/// value; those of the first channels.
pub(crate) fn feature_maps(values: &[f32], [height, width, channels]: [usize; 3]) -> RgbImage {
    const MAX_MAPS: usize = 32;
    let at = |y: usize, x: usize, c: usize| {
        values.get((y * width + x) * channels + c).copied().unwrap_or(0.0)
    };
    let mut pictures = Vec::new();
    for c in 0..channels.min(MAX_MAPS) {
        let (mut low, mut high) = (f32::INFINITY, f32::NEG_INFINITY);
        for i in 0..height * width {
            let value = at(i / width, i % width, c);
            (low, high) = (low.min(value), high.max(value));
        }
        let range = (high - low).max(f32::MIN_POSITIVE);
        pictures.push(picture([height, width], |y, x| sequential((at(y, x, c) - low) / range)));
    }
    sheet(&pictures, 16)
}

/// Magnitudes `[height, width]` as a picture, from dark to light. The largest hundredth is as bright as
/// can be, so that single pixels do not hide the others; what is no number is dark.
pub fn heat_map(values: &[f32], [height, width]: [usize; 2]) -> RgbImage {
    let mut sorted: Vec<f32> = values.iter().copied().filter(|value| value.is_finite()).collect();
    sorted.sort_by(f32::total_cmp);
    let bright = sorted.get(sorted.len().saturating_sub(1 + sorted.len() / 100));
    let range = bright.or(sorted.last()).copied().unwrap_or(0.0).max(f32::MIN_POSITIVE);
    picture([height, width], |y, x| {
        let value = values.get(y * width + x).copied().unwrap_or(0.0);
        sequential(if value.is_nan() { 0.0 } else { value / range })
    })
}

/// Pictures of one size side by side, enlarged to be seen.
fn sheet(pictures: &[RgbImage], per_row: usize) -> RgbImage {
    let Some(first) = pictures.first() else { return RgbImage::new(1, 1) };
    let per_row = per_row.min(pictures.len()).max(1);
    let (width, height) = (first.width() as usize, first.height() as usize);
    let scale = MIN_EDGE.div_ceil(width.max(height).max(1)).max(1);
    let (cell_width, cell_height) = (width * scale + GAP, height * scale + GAP);
    let rows = pictures.len().div_ceil(per_row);
    let pixel = |y: usize, x: usize| {
        let (column, row) = (x / cell_width, y / cell_height);
        let (inside_x, inside_y) = (x % cell_width, y % cell_height);
        let number = row * per_row + column;
        let shown =
            pictures.get(number).filter(|_| column < per_row && inside_x >= GAP && inside_y >= GAP);
        shown.map_or(GROUND.0, |picture| {
            let (x, y) = ((inside_x - GAP) / scale, (inside_y - GAP) / scale);
            pixel_of(picture, y, x)
        })
    };
    picture([rows * cell_height + GAP, per_row * cell_width + GAP], pixel)
}

fn pixel_of(picture: &RgbImage, y: usize, x: usize) -> [u8; 3] {
    match (u32::try_from(x), u32::try_from(y)) {
        (Ok(x), Ok(y)) if x < picture.width() && y < picture.height() => picture.get_pixel(x, y).0,
        _ => GROUND.0,
    }
}

fn picture([height, width]: [usize; 2], of: impl Fn(usize, usize) -> [u8; 3]) -> RgbImage {
    let size = |n: usize| u32::try_from(n.max(1)).unwrap_or(1);
    RgbImage::from_fn(size(width), size(height), |x, y| Rgb(of(y as usize, x as usize)))
}

/// 0 to 1 as a brightness.
fn level(share: f32) -> u8 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within 0..=255")]
    let level = (share.clamp(0.0, 1.0) * 255.0).round() as u8;
    level
}

fn blend(from: [f32; 3], to: [f32; 3], share: f32) -> [u8; 3] {
    [0, 1, 2].map(|c| level((from[c] + (to[c] - from[c]) * share) / 255.0))
}

/// -1 to 1: blue, white, orange.
fn diverging(value: f32) -> [u8; 3] {
    let white = [247.0, 247.0, 247.0];
    if value >= 0.0 {
        blend(white, [180.0, 70.0, 0.0], value.min(1.0))
    } else {
        blend(white, [0.0, 84.0, 140.0], (-value).min(1.0))
    }
}

/// 0 to 1: dark to light, after matplotlib's viridis.
fn sequential(share: f32) -> [u8; 3] {
    const STOPS: [[f32; 3]; 5] = [
        [68.0, 1.0, 84.0],
        [59.0, 82.0, 139.0],
        [33.0, 145.0, 140.0],
        [94.0, 201.0, 98.0],
        [253.0, 231.0, 37.0],
    ];
    let place = share.clamp(0.0, 1.0) * 4.0;
    let (index, base) = match place {
        p if p < 1.0 => (0, 0.0),
        p if p < 2.0 => (1, 1.0),
        p if p < 3.0 => (2, 2.0),
        _ => (3, 3.0),
    };
    blend(STOPS[index], STOPS[index + 1], place - base)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_of_convolutions_and_of_dense_layers() {
        let tensor = |dims: Vec<usize>| {
            let count = dims.iter().product::<usize>();
            #[expect(clippy::cast_precision_loss, reason = "a few values")]
            let values: Vec<f32> = (0..count).map(|i| (i as f32).sin()).collect();
            HostTensor::from_f32(dims, &values).expect("the counts agree")
        };
        let (sheet, shown) = filters(&tensor(vec![3, 3, 1, 8]), [28, 28, 1]).expect("filters");
        assert_eq!(shown, 8);
        assert!(sheet.width() > 8 * 44 && sheet.height() > 44);
        assert!(filters(&tensor(vec![5, 5, 3, 2]), [32, 32, 3]).is_some());
        assert!(filters(&tensor(vec![784, 4]), [28, 28, 1]).is_some());
        assert!(filters(&tensor(vec![100, 4]), [28, 28, 1]).is_none());
        assert!(filters(&tensor(vec![1, 1, 4, 4]), [28, 28, 4]).is_none());
    }

    #[test]
    fn a_heat_map_shows_more_than_its_largest_value() {
        let mut values = vec![1.0; 200];
        (values[0], values[1], values[2]) = (1e6, f32::NAN, 0.0);
        let map = heat_map(&values, [10, 20]);
        assert_eq!(map.dimensions(), (20, 10));
        let at = |x: u32| map.get_pixel(x, 0).0;
        assert_eq!((at(0), at(2)), (sequential(1.0), sequential(0.0)));
        assert_eq!((at(1), at(3)), (sequential(0.0), sequential(1.0)));
        assert_eq!(heat_map(&[0.0, 0.0], [1, 2]).get_pixel(0, 0).0, sequential(0.0));
        assert_eq!(heat_map(&[], [0, 0]).dimensions(), (1, 1));
    }

    #[test]
    fn values_that_are_not_finite_can_be_shown() {
        let map = feature_maps(&[f32::NAN, 1.0, f32::INFINITY, -1.0], [2, 2, 1]);
        assert!(!crate::report::encode_png(&map).expect("a PNG").is_empty());
        assert_eq!(picture_of(&[1, 2, 3, 4, 5, 6], [1, 2, 3]).get_pixel(1, 0).0, [4, 5, 6]);
        assert_eq!(picture_of(&[9], [1, 1, 1]).get_pixel(0, 0).0, [9, 9, 9]);
    }
}
