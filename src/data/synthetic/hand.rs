//! The hand: how one example differs at random from the glyph it follows.
//!
//! The ranges are set so that a person reads every digit and a small convolutional network learns
//! them in a few epochs, while a linear model, which cannot follow a moved or bent stroke, stays
//! behind: the set must be able to tell a working convolution from a broken one.

use super::super::stream::Stream;
use super::glyphs::{Glyph, Point, STYLES};
use super::pen::{AREA, Nib, SIDE, draw, trace};

/// Draws `digit` into `image` `[28, 28]`; nothing but `stream` decides how.
pub(super) fn write_digit(digit: usize, stream: &mut Stream, image: &mut [u8]) {
    let styles = STYLES.get(digit).copied().unwrap_or_default();
    let style = styles.get(stream.below(styles.len())).copied().unwrap_or_default();
    let nib = Nib {
        radius: stream.uniform(0.7, 1.6),
        softness: stream.uniform(0.5, 1.0),
        ink: stream.uniform(0.6, 1.0),
    };
    let strokes = place(shape(style, stream), nib.radius + nib.softness, stream);

    let mut paper = [stream.uniform(0.0, 0.1); AREA];
    if stream.chance(SCRATCH_CHANCE) {
        scratch(&mut paper, nib.ink, stream);
    }
    draw(&mut paper, &strokes, nib);
    let noise = stream.uniform(0.0, 0.09);
    for (byte, value) in image.iter_mut().zip(paper) {
        *byte = quantize(value + noise * stream.bell());
    }
}

/// How many examples carry a scratch beside the digit.
const SCRATCH_CHANCE: f32 = 0.2;

/// Bends, stretches, slants and turns a glyph; the points are in pixels, around an origin.
fn shape(glyph: Glyph, stream: &mut Stream) -> Vec<Vec<Point>> {
    let bend = Bend::new(stream);
    let height = stream.uniform(15.0, 21.0);
    let width = height * stream.uniform(0.55, 0.8);
    let shear = stream.uniform(-0.25, 0.25);
    // With t = tan(angle / 2), cosine and sine are the rational functions below, so no platform's
    // trigonometry takes part; 0.2 is an angle of 23 degrees.
    let t = (0.06 * stream.bell()).clamp(-0.2, 0.2);
    let (cos, sin) = ((1.0 - t * t) / (1.0 + t * t), 2.0 * t / (1.0 + t * t));
    let map = |point: Point| {
        let (dx, dy) = bend.at(point);
        let y = (point.1 - 0.5 + dy) * height;
        let x = (point.0 - 0.5 + dx) * width - shear * y;
        (cos * x - sin * y, sin * x + cos * y)
    };
    glyph.iter().map(|stroke| trace(stroke).into_iter().map(map).collect()).collect()
}

/// Moves strokes to a random place where they, with `reach` pixels around them, are on the paper;
/// what is too large for it is centered.
fn place(mut strokes: Vec<Vec<Point>>, reach: f32, stream: &mut Stream) -> Vec<Vec<Point>> {
    let mut shift = |axis: fn(&Point) -> f32| {
        let values = || strokes.iter().flatten().map(axis);
        let low = values().fold(f32::INFINITY, f32::min);
        let high = values().fold(f32::NEG_INFINITY, f32::max);
        let room = (f32::from(SIDE - 1) - (high - low) - 2.0 * reach).max(0.0);
        let center = f32::from(SIDE - 1) * 0.5 - (low + high) * 0.5;
        center + room * stream.uniform(-0.5, 0.5) * ROAMING
    };
    let (dx, dy) = (shift(|point| point.0), shift(|point| point.1));
    for point in strokes.iter_mut().flatten() {
        *point = (point.0 + dx, point.1 + dy);
    }
    strokes
}

/// The share of the free room that digits make use of: 0 centers them all.
const ROAMING: f32 = 0.65;

/// A faint, thin, short line anywhere on the paper.
fn scratch(paper: &mut [f32; AREA], ink: f32, stream: &mut Stream) {
    let side = f32::from(SIDE - 1);
    let (x, y) = (stream.uniform(0.0, side), stream.uniform(0.0, side));
    let (dx, dy) = (stream.uniform(-6.0, 6.0), stream.uniform(-6.0, 6.0));
    let nib = Nib { radius: 0.5, softness: 0.6, ink: ink * stream.uniform(0.3, 0.6) };
    draw(paper, &[vec![(x, y), (x + dx, y + dy)]], nib);
}

/// A smooth displacement of the plane: random at the nodes of a grid, bilinear in between. Strokes
/// that join stay joined, because the same point is always moved the same way.
struct Bend([[Point; Bend::NODES]; Bend::NODES]);

impl Bend {
    /// Nodes along each side of the unit box.
    const NODES: usize = 4;

    /// Standard deviation of a node's displacement, in box sides.
    const STRENGTH: f32 = 0.045;

    fn new(stream: &mut Stream) -> Self {
        let mut nodes = [[(0.0, 0.0); Self::NODES]; Self::NODES];
        for node in nodes.iter_mut().flatten() {
            *node = (Self::STRENGTH * stream.bell(), Self::STRENGTH * stream.bell());
        }
        Self(nodes)
    }

    /// The displacement of a point of the unit box.
    fn at(&self, (x, y): Point) -> Point {
        let (mut dx, mut dy) = (0.0, 0.0);
        for (row, wy) in self.0.iter().zip(Self::weights(y)) {
            for (node, wx) in row.iter().zip(Self::weights(x)) {
                dx += wx * wy * node.0;
                dy += wx * wy * node.1;
            }
        }
        (dx, dy)
    }

    /// How much each node along one axis counts at `v`: hat functions, which sum to 1 in the box.
    fn weights(v: f32) -> [f32; Self::NODES] {
        let v = v.clamp(0.0, 1.0) * 3.0;
        [0.0, 1.0, 2.0, 3.0].map(|node| (1.0_f32 - (v - node).abs()).max(0.0))
    }
}

/// The byte nearest to `value * 255`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the value is rounded and clamped to the range of a byte"
)]
fn quantize(value: f32) -> u8 {
    (value * 255.0).round().clamp(0.0, 255.0) as u8
}

#[cfg(test)]
mod tests {
    use super::super::super::stream::Purpose;
    use super::*;

    #[test]
    fn strokes_stay_on_the_paper() {
        for index in 0..500 {
            let mut stream = Stream::new(3, Purpose::SyntheticTrain, index);
            let digit = stream.below(10);
            let glyph = STYLES[digit][0];
            let strokes = place(shape(glyph, &mut stream), 1.5, &mut stream);
            for &(x, y) in strokes.iter().flatten() {
                let on_paper = 0.0..=f32::from(SIDE - 1);
                assert!(on_paper.contains(&x) && on_paper.contains(&y), "{digit}: {x}, {y}");
            }
        }
    }

    #[test]
    fn bend_moves_nodes_by_their_own_displacement() {
        let bend = Bend::new(&mut Stream::new(3, Purpose::SyntheticTrain, 0));
        assert_eq!(bend.at((0.0, 0.0)), bend.0[0][0]);
        assert_eq!(bend.at((1.0, 1.0)), bend.0[3][3]);
        let weights = Bend::weights(0.4);
        assert!((weights.iter().sum::<f32>() - 1.0).abs() < 1e-6);
    }

    #[test]
    fn quantize_rounds_and_saturates() {
        assert_eq!([-0.5, 0.0, 0.5, 1.0, 7.0].map(quantize), [0, 0, 128, 255, 255]);
    }
}
