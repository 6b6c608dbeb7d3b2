//! Stroke glyphs for the digits 0-9, several writing styles each.
//!
//! Coordinates are in a box 1 wide and 1 high, x to the right and y down, of which a stroke may
//! leave the edges a little.

/// A point of a glyph: x, y.
pub(super) type Point = (f32, f32);

/// One movement of the pen.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stroke {
    /// Straight lines from point to point, with corners.
    Lines(&'static [Point]),
    /// A smooth curve through the points (Catmull-Rom).
    Curve(&'static [Point]),
}

/// One way to write a digit. Strokes that share a point join there.
pub(super) type Glyph = &'static [Stroke];

use Stroke::{Curve, Lines};

/// The styles of each digit.
pub(super) const STYLES: [&[Glyph]; 10] =
    [ZERO, ONE, TWO, THREE, FOUR, FIVE, SIX, SEVEN, EIGHT, NINE];

const ZERO: &[Glyph] = &[
    // A closed oval.
    &[Curve(&[
        (0.5, 0.0),
        (0.14, 0.16),
        (0.0, 0.5),
        (0.14, 0.84),
        (0.5, 1.0),
        (0.86, 0.84),
        (1.0, 0.5),
        (0.86, 0.16),
        (0.5, 0.0),
    ])],
    // A narrow one.
    &[Curve(&[
        (0.5, 0.0),
        (0.26, 0.15),
        (0.18, 0.5),
        (0.26, 0.85),
        (0.5, 1.0),
        (0.74, 0.85),
        (0.82, 0.5),
        (0.74, 0.15),
        (0.5, 0.0),
    ])],
    // Written in one sweep whose end crosses its start.
    &[Curve(&[
        (0.62, 0.05),
        (0.25, 0.1),
        (0.03, 0.5),
        (0.18, 0.88),
        (0.55, 0.98),
        (0.92, 0.7),
        (0.93, 0.3),
        (0.65, 0.03),
        (0.38, 0.06),
    ])],
];

const ONE: &[Glyph] = &[
    // A bare stem.
    &[Lines(&[(0.5, 0.0), (0.5, 1.0)])],
    // With a flag.
    &[Lines(&[(0.25, 0.24), (0.55, 0.0), (0.55, 1.0)])],
    // With a flag and a foot.
    &[Lines(&[(0.27, 0.22), (0.52, 0.0), (0.52, 1.0)]), Lines(&[(0.22, 1.0), (0.82, 1.0)])],
];

const TWO: &[Glyph] = &[
    // A hook on a flat foot.
    &[
        Curve(&[(0.06, 0.26), (0.22, 0.05), (0.55, 0.0), (0.86, 0.17), (0.8, 0.45), (0.05, 1.0)]),
        Lines(&[(0.05, 1.0), (0.97, 1.0)]),
    ],
    // With a loop at the foot.
    &[Curve(&[
        (0.1, 0.2),
        (0.42, 0.0),
        (0.8, 0.14),
        (0.76, 0.46),
        (0.36, 0.86),
        (0.12, 0.98),
        (0.06, 0.84),
        (0.24, 0.78),
        (0.6, 0.97),
        (0.98, 0.92),
    ])],
    // A swan's neck.
    &[
        Curve(&[(0.12, 0.12), (0.5, 0.0), (0.88, 0.22), (0.62, 0.56), (0.08, 0.96)]),
        Curve(&[(0.08, 0.96), (0.38, 0.9), (0.66, 1.0), (0.95, 0.93)]),
    ],
];

const THREE: &[Glyph] = &[
    // Two round bowls.
    &[
        Curve(&[(0.08, 0.14), (0.38, 0.0), (0.76, 0.08), (0.82, 0.3), (0.64, 0.44), (0.36, 0.47)]),
        Curve(&[(0.36, 0.47), (0.7, 0.51), (0.93, 0.72), (0.76, 0.95), (0.38, 1.0), (0.03, 0.86)]),
    ],
    // A flat top.
    &[
        Lines(&[(0.1, 0.0), (0.88, 0.0), (0.42, 0.4)]),
        Curve(&[(0.42, 0.4), (0.78, 0.46), (0.92, 0.72), (0.72, 0.96), (0.36, 1.0), (0.03, 0.88)]),
    ],
    // One sweep with a small loop at the waist.
    &[Curve(&[
        (0.12, 0.1),
        (0.5, 0.0),
        (0.84, 0.18),
        (0.68, 0.42),
        (0.4, 0.5),
        (0.5, 0.42),
        (0.84, 0.56),
        (0.86, 0.84),
        (0.5, 1.0),
        (0.05, 0.9),
    ])],
];

const FOUR: &[Glyph] = &[
    // Closed: a triangle on a stem.
    &[Lines(&[(0.72, 1.0), (0.72, 0.0), (0.0, 0.68), (1.0, 0.68)])],
    // Open: an angle and a stem.
    &[Lines(&[(0.2, 0.02), (0.08, 0.56), (0.95, 0.56)]), Lines(&[(0.76, 0.1), (0.7, 1.0)])],
    // Open and round.
    &[
        Curve(&[(0.16, 0.0), (0.06, 0.32), (0.2, 0.54), (0.52, 0.55), (0.84, 0.46)]),
        Lines(&[(0.86, 0.0), (0.84, 0.46), (0.78, 1.0)]),
    ],
];

const FIVE: &[Glyph] = &[
    // A bar, a neck and a bowl.
    &[
        Lines(&[(0.88, 0.0), (0.2, 0.0), (0.14, 0.45)]),
        Curve(&[
            (0.14, 0.45),
            (0.48, 0.36),
            (0.86, 0.5),
            (0.9, 0.78),
            (0.62, 0.98),
            (0.28, 1.0),
            (0.04, 0.86),
        ]),
    ],
    // A slanting neck and a round bowl.
    &[
        Lines(&[(0.95, 0.04), (0.34, 0.03), (0.2, 0.4)]),
        Curve(&[(0.2, 0.4), (0.6, 0.42), (0.84, 0.64), (0.7, 0.92), (0.34, 1.0), (0.02, 0.94)]),
    ],
    // One sweep, like an S.
    &[Curve(&[
        (0.9, 0.02),
        (0.45, 0.02),
        (0.18, 0.12),
        (0.2, 0.38),
        (0.62, 0.46),
        (0.88, 0.68),
        (0.68, 0.95),
        (0.3, 1.0),
        (0.05, 0.92),
    ])],
];

const SIX: &[Glyph] = &[
    // A curved back and a round loop.
    &[Curve(&[
        (0.76, 0.02),
        (0.34, 0.2),
        (0.08, 0.58),
        (0.16, 0.88),
        (0.5, 1.0),
        (0.86, 0.86),
        (0.88, 0.6),
        (0.56, 0.48),
        (0.22, 0.58),
        (0.1, 0.74),
    ])],
    // A straight back and a small loop.
    &[Curve(&[
        (0.5, 0.0),
        (0.3, 0.34),
        (0.18, 0.74),
        (0.34, 0.98),
        (0.66, 0.98),
        (0.82, 0.78),
        (0.64, 0.6),
        (0.36, 0.66),
        (0.19, 0.82),
    ])],
    // A hooked top.
    &[Curve(&[
        (0.88, 0.14),
        (0.62, 0.0),
        (0.26, 0.14),
        (0.06, 0.52),
        (0.12, 0.86),
        (0.46, 1.0),
        (0.86, 0.88),
        (0.9, 0.62),
        (0.58, 0.46),
        (0.2, 0.56),
        (0.07, 0.72),
    ])],
];

const SEVEN: &[Glyph] = &[
    // A bar and a straight stem.
    &[Lines(&[(0.05, 0.0), (0.95, 0.0), (0.38, 1.0)])],
    // With a cross-bar.
    &[Lines(&[(0.05, 0.02), (0.94, 0.0), (0.36, 1.0)]), Lines(&[(0.3, 0.52), (0.86, 0.5)])],
    // With a serif on the left.
    &[Lines(&[(0.06, 0.18), (0.08, 0.0), (0.94, 0.0), (0.44, 1.0)])],
    // A curved stem.
    &[
        Lines(&[(0.04, 0.04), (0.92, 0.0)]),
        Curve(&[(0.92, 0.0), (0.66, 0.34), (0.5, 0.68), (0.46, 1.0)]),
    ],
];

const EIGHT: &[Glyph] = &[
    // One crossing sweep.
    &[Curve(&[
        (0.84, 0.14),
        (0.5, 0.0),
        (0.16, 0.14),
        (0.26, 0.38),
        (0.72, 0.6),
        (0.9, 0.82),
        (0.5, 1.0),
        (0.1, 0.82),
        (0.28, 0.6),
        (0.74, 0.38),
        (0.84, 0.14),
    ])],
    // Two rings.
    &[
        Curve(&[
            (0.5, 0.0),
            (0.22, 0.08),
            (0.16, 0.25),
            (0.26, 0.41),
            (0.5, 0.47),
            (0.74, 0.41),
            (0.84, 0.25),
            (0.78, 0.08),
            (0.5, 0.0),
        ]),
        Curve(&[
            (0.5, 0.47),
            (0.18, 0.55),
            (0.06, 0.75),
            (0.2, 0.94),
            (0.5, 1.0),
            (0.8, 0.94),
            (0.94, 0.75),
            (0.82, 0.55),
            (0.5, 0.47),
        ]),
    ],
    // A sweep left open at the top right.
    &[Curve(&[
        (0.92, 0.1),
        (0.56, 0.0),
        (0.2, 0.12),
        (0.24, 0.36),
        (0.68, 0.56),
        (0.86, 0.8),
        (0.5, 1.0),
        (0.12, 0.84),
        (0.26, 0.62),
        (0.62, 0.42),
        (0.9, 0.16),
    ])],
];

const NINE: &[Glyph] = &[
    // A round head and a straight stem.
    &[
        Curve(&[
            (0.86, 0.28),
            (0.72, 0.06),
            (0.42, 0.0),
            (0.12, 0.14),
            (0.1, 0.4),
            (0.4, 0.54),
            (0.72, 0.46),
            (0.86, 0.28),
        ]),
        Lines(&[(0.88, 0.06), (0.86, 0.28), (0.8, 1.0)]),
    ],
    // A curved tail.
    &[Curve(&[
        (0.88, 0.24),
        (0.54, 0.0),
        (0.14, 0.12),
        (0.12, 0.4),
        (0.46, 0.54),
        (0.84, 0.36),
        (0.9, 0.2),
        (0.9, 0.6),
        (0.66, 0.94),
        (0.22, 0.96),
    ])],
    // A slanting tail.
    &[Curve(&[
        (0.84, 0.14),
        (0.46, 0.0),
        (0.12, 0.2),
        (0.22, 0.48),
        (0.56, 0.48),
        (0.86, 0.14),
        (0.76, 0.5),
        (0.5, 1.0),
    ])],
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_digit_has_styles_that_can_be_drawn() {
        for (digit, styles) in STYLES.iter().enumerate() {
            assert!(styles.len() >= 3, "{digit} has {} styles", styles.len());
            for stroke in styles.iter().flat_map(|glyph| glyph.iter()) {
                let (Lines(points) | Curve(points)) = stroke;
                assert!(points.len() >= 2, "{digit}: a stroke needs two points");
                let inside = |v: f32| (-0.05..=1.05).contains(&v);
                assert!(points.iter().all(|&(x, y)| inside(x) && inside(y)), "{digit}");
            }
        }
    }
}
