//! The pen: strokes to points to a distance field to ink.

use super::glyphs::{Point, Stroke};

/// Width and height of a drawn image, in pixels.
pub(super) const SIDE: u8 = 28;

/// `SIDE * SIDE`: pixels of a drawn image.
pub(super) const AREA: usize = 28 * 28;

/// The points of a stroke, close enough together for the lines between them to look smooth.
pub(super) fn trace(stroke: &Stroke) -> Vec<Point> {
    match stroke {
        Stroke::Lines(corners) => along(corners, |_, from, to, _, t| {
            (from.0 + (to.0 - from.0) * t, from.1 + (to.1 - from.1) * t)
        }),
        Stroke::Curve(knots) => along(knots, catmull_rom),
    }
}

/// Walks from each of `points` to the next in small steps, handing `step` the two neighbors of
/// the span, too. A path that ends where it starts is closed, and has neighbors all round; where
/// there is none, the end of the span stands in.
fn along(points: &[Point], step: fn(Point, Point, Point, Point, f32) -> Point) -> Vec<Point> {
    const STEPS: u8 = 6;
    let closed = points.len() > 2 && points.first() == points.last();
    let (last, second) = if closed { (points.len().checked_sub(2), Some(1)) } else { (None, None) };
    let mut traced = Vec::with_capacity(points.len() * usize::from(STEPS) + 1);
    traced.extend(points.first());
    for (span, ends) in points.windows(2).enumerate() {
        let &[from, to] = ends else { continue };
        let before = span.checked_sub(1).or(last).and_then(|i| points.get(i)).unwrap_or(&from);
        let after = points.get(span + 2).or(second.and_then(|i| points.get(i))).unwrap_or(&to);
        for i in 1..=STEPS {
            traced.push(step(*before, from, to, *after, f32::from(i) / f32::from(STEPS)));
        }
    }
    traced
}

/// The uniform Catmull-Rom spline between `from` and `to`; source: Catmull and Rom, "A class of
/// local interpolating splines", 1974.
fn catmull_rom(before: Point, from: Point, to: Point, after: Point, t: f32) -> Point {
    let axis = |p0: f32, p1: f32, p2: f32, p3: f32| {
        let linear = p2 - p0;
        let quadratic = 2.0 * p0 - 5.0 * p1 + 4.0 * p2 - p3;
        let cubic = 3.0 * (p1 - p2) + p3 - p0;
        0.5 * (2.0 * p1 + t * (linear + t * (quadratic + t * cubic)))
    };
    (axis(before.0, from.0, to.0, after.0), axis(before.1, from.1, to.1, after.1))
}

/// How a pen marks the paper.
#[derive(Debug, Clone, Copy)]
pub(super) struct Nib {
    /// Half the width of the stroke, in pixels.
    pub(super) radius: f32,
    /// Half the width of the soft edge around it, in pixels.
    pub(super) softness: f32,
    /// Ink in the middle of the stroke: 0 is paper, 1 is full ink.
    pub(super) ink: f32,
}

/// Draws strokes, given as points in pixels, onto `paper` `[SIDE, SIDE]`; strokes drawn together
/// merge as one mark, and the darker of the mark and the paper stays.
pub(super) fn draw(paper: &mut [f32; AREA], strokes: &[Vec<Point>], nib: Nib) {
    let reach = nib.radius + nib.softness;
    // Squared distance of each pixel center to the nearest stroke, as far as it matters.
    let mut nearest = [reach * reach; AREA];
    for ends in strokes.iter().flat_map(|points| points.windows(2)) {
        if let &[from, to] = ends {
            approach(&mut nearest, from, to, reach);
        }
    }
    for (pixel, &squared) in paper.iter_mut().zip(&nearest) {
        // The smoothstep polynomial stands for the coverage of a round nib with a blurred edge.
        let t = ((reach - squared.sqrt()) / (2.0 * nib.softness)).clamp(0.0, 1.0);
        *pixel = pixel.max(nib.ink * t * t * (3.0 - 2.0 * t));
    }
}

/// Lowers `nearest` to the squared distance to the line from `from` to `to`, where that is less.
fn approach(nearest: &mut [f32; AREA], from: Point, to: Point, reach: f32) {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let length_squared = dx * dx + dy * dy;
    let near = |low: f32, high: f32, at: f32| at >= low - reach && at <= high + reach;
    let rows = nearest.chunks_exact_mut(usize::from(SIDE));
    for (y, row) in (0..SIDE).map(f32::from).zip(rows) {
        if !near(from.1.min(to.1), from.1.max(to.1), y) {
            continue;
        }
        for (x, pixel) in (0..SIDE).map(f32::from).zip(row) {
            if !near(from.0.min(to.0), from.0.max(to.0), x) {
                continue;
            }
            let (px, py) = (x - from.0, y - from.1);
            let t = if length_squared > 0.0 {
                ((px * dx + py * dy) / length_squared).clamp(0.0, 1.0)
            } else {
                0.0
            };
            let (qx, qy) = (px - t * dx, py - t * dy);
            *pixel = pixel.min(qx * qx + qy * qy);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NIB: Nib = Nib { radius: 1.0, softness: 0.5, ink: 0.8 };

    #[test]
    fn a_line_inks_what_it_covers() {
        let mut paper = [0.0; AREA];
        draw(&mut paper, &[vec![(5.0, 10.0), (20.0, 10.0)]], NIB);
        let at = |x: usize, y: usize| paper[y * 28 + x];
        assert_eq!(at(12, 10), 0.8);
        assert!((at(12, 11) - 0.4).abs() < 1e-6, "a pixel on the edge takes half the ink");
        assert_eq!(at(12, 12), 0.0);
        assert_eq!(at(22, 10), 0.0);
    }

    #[test]
    fn the_darker_mark_stays() {
        let mut paper = [0.5; AREA];
        draw(&mut paper, &[vec![(3.0, 3.0), (3.0, 3.0)]], NIB);
        assert_eq!(paper[3 * 28 + 3], 0.8);
        assert_eq!(paper[0], 0.5);
    }

    #[test]
    fn curves_pass_through_their_knots() {
        let knots = &[(0.0, 0.0), (1.0, 0.5), (0.25, 1.0)];
        let traced = trace(&Stroke::Curve(knots));
        assert_eq!(traced.len(), 13);
        assert_eq!([traced[0], traced[6], traced[12]], *knots);
    }

    #[test]
    fn closed_curves_are_smooth_where_they_meet() {
        let ring = &[(0.5, 0.0), (0.0, 0.5), (0.5, 1.0), (1.0, 0.5), (0.5, 0.0)];
        let traced = trace(&Stroke::Curve(ring));
        let [_, (_, second), .., (_, last), _] = traced[..] else { unreachable!("25 points") };
        assert!((second - last).abs() < 1e-6, "the ring is symmetric: {second} and {last}");
        assert!(second < 0.04, "the top is round: {second}");
    }
}
