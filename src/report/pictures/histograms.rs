//! How weights and gradients are distributed over a run: one curve for each epoch, the oldest behind.

use image::RgbImage;

use super::super::ReportError;
use super::super::draw::{Anchor, Drawing, bitmap, float, svg_file};
use super::super::format::grouped_u64;
use crate::ops::HistogramCounts;
use crate::train::{HistogramOf, HistogramRecord};

/// Width of one panel, and of a parameter's two panels with the gap between them.
const PANEL: f64 = 218.0;
const PAIR: f64 = 2.0 * PANEL + 24.0;
/// Room for the numbers of the epochs.
const LEFT: f64 = 30.0;
/// Room for the heading of a panel.
const TOP: f64 = 24.0;
/// Room for ticks and for the line below them.
const BOTTOM: f64 = 42.0;
/// Curves of a panel at most.
const MAX_CURVES: usize = 10;
/// Values for each bin at least, on average: small tensors have fewer, wider ones.
const VALUES_PER_BIN: u64 = 16;
/// Distance between the rows of a picture of all parameters, its heading and its margin.
const ROW_GAP: f64 = 22.0;
const HEADING: f64 = 22.0;
const MARGIN: f64 = 16.0;

/// The histograms of a parameter: of its values, and of its gradients.
pub(crate) struct Pair<'a> {
    pub parameter: &'a str,
    weights: Vec<&'a HistogramRecord>,
    gradients: Vec<&'a HistogramRecord>,
}

/// The records by parameter, in their order; of many epochs a few, the first and the last among
/// them.
pub(crate) fn pairs(records: &[HistogramRecord]) -> Vec<Pair<'_>> {
    let mut pairs: Vec<Pair<'_>> = Vec::new();
    for record in records {
        let at = pairs.iter().position(|pair| pair.parameter == record.parameter);
        let at = at.unwrap_or_else(|| {
            let (weights, gradients) = (Vec::new(), Vec::new());
            pairs.push(Pair { parameter: &record.parameter, weights, gradients });
            pairs.len() - 1
        });
        match record.of {
            HistogramOf::Weights => pairs[at].weights.push(record),
            HistogramOf::Gradients => pairs[at].gradients.push(record),
        }
    }
    for pair in &mut pairs {
        pair.weights = some(&pair.weights);
        pair.gradients = some(&pair.gradients);
    }
    pairs
}

fn some<'a>(all: &[&'a HistogramRecord]) -> Vec<&'a HistogramRecord> {
    let last = all.len().saturating_sub(1);
    if last < MAX_CURVES {
        return all.to_vec();
    }
    (0..MAX_CURVES).map(|i| all[(i * last + MAX_CURVES / 2 - 1) / (MAX_CURVES - 1)]).collect()
}

impl Pair<'_> {
    /// Its picture.
    pub fn draw(&self) -> Drawing {
        let mut drawing = Drawing::new(PAIR, self.height());
        drawing.place((0.0, 0.0), panel(("weights", "0"), &self.weights));
        drawing.place((PANEL + 24.0, 0.0), panel(("gradients", "1"), &self.gradients));
        drawing
    }

    /// Number of values.
    pub fn values(&self) -> u64 {
        self.weights.first().map_or(0, |record| record.counts.values())
    }

    fn height(&self) -> f64 {
        let (high, between) = rows(self.weights.len().max(self.gradients.len()));
        let curves = float(self.weights.len().max(self.gradients.len()).max(1) - 1);
        TOP + high + between * curves + BOTTOM
    }
}

/// Height of a curve, and the distance between two, when there are `n`.
fn rows(n: usize) -> (f64, f64) {
    if n < 2 { (84.0, 0.0) } else { (44.0, (110.0 / float(n - 1)).clamp(12.0, 26.0)) }
}

fn panel((heading, color): (&str, &str), records: &[&HistogramRecord]) -> Drawing {
    let (high, between) = rows(records.len());
    let bottom = TOP + high + between * float(records.len().max(1) - 1);
    let mut drawing = Drawing::new(PANEL, bottom + BOTTOM);
    let Some(last) = records.last() else { return drawing };
    let bound = shown_bound(records);
    let middle = LEFT + (PANEL - LEFT) / 2.0;
    let x_at = |value: f64| middle + value / bound * (PANEL - LEFT) / 2.0;
    drawing.text((LEFT, 12.0), Anchor::Start, "muted", heading);
    let tick = nice_below(0.9 * bound);
    for value in [-tick, 0.0, tick] {
        let x = x_at(value);
        drawing.line((x, TOP), (x, bottom), "grid");
        drawing.text((x, bottom + 16.0), Anchor::Middle, "muted", &short(value));
    }
    for (i, record) in records.iter().enumerate() {
        let y = TOP + high + between * float(i);
        let age = float(i + 1) / float(records.len());
        let points: Vec<(f64, f64)> = outline(&record.counts, bound)
            .into_iter()
            .map(|(value, share)| (x_at(value), y - share * high))
            .collect();
        if points.len() > 1 {
            drawing.polygon(&points, ("ground", 0.75));
            drawing.polygon(&points, (&format!("f{color}"), 0.15 + 0.45 * age));
            drawing.curve(&points, &format!("l{color} thin"));
        }
        drawing.line((LEFT, y), (PANEL, y), "grid");
        // Numbers of the first and of the last epoch, and of those between where there is room.
        if between >= 14.0 || i == 0 || i + 1 == records.len() {
            let epoch = record.epoch.to_string();
            drawing.text((LEFT - 6.0, y + 4.5), Anchor::End, "muted", &epoch);
        }
    }
    let note = note(&last.counts);
    drawing.text((middle, bottom + 34.0), Anchor::Middle, "muted", &note);
    drawing
}

/// The value at the right end of a panel: the largest bound, unless one goes far beyond the others.
fn shown_bound(records: &[&HistogramRecord]) -> f64 {
    const FAR: f64 = 6.0;
    let mut bounds: Vec<f64> = records.iter().map(|r| f64::from(r.counts.bound)).collect();
    bounds.sort_by(f64::total_cmp);
    let median = bounds.get(bounds.len() / 2).copied().unwrap_or(1.0);
    let largest = bounds.last().copied().unwrap_or(1.0);
    largest.min(FAR * median).max(f64::MIN_POSITIVE)
}

/// Corners of a curve from value to share of its greatest height, zero at both ends.
fn outline(counts: &HistogramCounts, shown: f64) -> Vec<(f64, f64)> {
    let bins = merged(counts);
    let highest = bins.iter().copied().max().unwrap_or(0).max(1);
    let bound = f64::from(counts.bound);
    let width = 2.0 * bound / float(bins.len().max(1));
    let mut points = Vec::with_capacity(bins.len() + 2);
    for (i, &count) in bins.iter().enumerate() {
        let value = -bound + width * (float(i) + 0.5);
        if value.abs() < shown {
            #[expect(clippy::cast_precision_loss, reason = "a share to draw")]
            let share = count as f64 / highest as f64;
            points.push((value, share));
        }
    }
    let ends = [-1.0, 1.0].map(|side| (side * bound.min(shown), 0.0));
    [&ends[..1], &points, &ends[1..]].concat()
}

/// Bins of a histogram; neighbors together where there are few values.
fn merged(counts: &HistogramCounts) -> Vec<u64> {
    const FEWEST: usize = 8;
    let mut bins: Vec<u64> = counts.bins.iter().map(|&count| u64::from(count)).collect();
    let values: u64 = bins.iter().sum();
    while bins.len() > FEWEST && (bins.len() as u64).saturating_mul(VALUES_PER_BIN) > values {
        bins = bins.chunks(2).map(|pair| pair.iter().sum()).collect();
    }
    bins
}

/// The largest of 1, 2 and 5 times a power of ten that is not above `most`.
fn nice_below(most: f64) -> f64 {
    let power = 10_f64.powf(most.log10().floor());
    let factor = [5.0, 2.0, 1.0].into_iter().find(|factor| factor * power <= most);
    factor.unwrap_or(1.0) * power
}

/// A number in few characters.
fn short(value: f64) -> String {
    let magnitude = value.abs();
    if value == 0.0 {
        "0".to_owned()
    } else if (1e-3..1e4).contains(&magnitude) {
        let text = format!("{value:.3}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        format!("{value:.1e}").replace(".0e", "e")
    }
}

/// What the curve of the last epoch does not show.
fn note(counts: &HistogramCounts) -> String {
    let values = counts.values().max(1);
    let mut note = format!("largest {}", short(f64::from(counts.largest)));
    let others = u64::from(counts.nan) + u64::from(counts.infinite);
    for (count, what) in [(u64::from(counts.zeros), "zero"), (others, "no number")] {
        if count > 0 {
            #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
            let share = 100.0 * count as f64 / values as f64;
            note.push_str(&format!(" · {share:.1} % {what}"));
        }
    }
    note
}

/// Upper left corner of each pair, in two columns.
fn places(pairs: &[Pair<'_>]) -> Vec<(f64, f64)> {
    let mut y = MARGIN + 30.0;
    let mut places = Vec::with_capacity(pairs.len());
    for row in pairs.chunks(columns(pairs)) {
        for (column, _) in row.iter().enumerate() {
            places.push((MARGIN + float(column) * (PAIR + 2.0 * MARGIN), y));
        }
        y += row_height(row);
    }
    places
}

fn columns(pairs: &[Pair<'_>]) -> usize {
    if pairs.len() > 1 { 2 } else { 1 }
}

fn row_height(row: &[Pair<'_>]) -> f64 {
    HEADING + row.iter().map(Pair::height).fold(0.0, f64::max) + ROW_GAP
}

fn size_of(pairs: &[Pair<'_>]) -> (f64, f64) {
    let columns = float(columns(pairs));
    let rows: f64 = pairs.chunks(self::columns(pairs)).map(row_height).sum();
    (2.0 * MARGIN + columns * PAIR + (columns - 1.0) * 2.0 * MARGIN, MARGIN + 30.0 + rows)
}

/// All parameters in one picture, below a title.
pub(crate) fn sheet(records: &[HistogramRecord], title: &str) -> Drawing {
    let pairs = pairs(records);
    let size = size_of(&pairs);
    let mut drawing = Drawing::new(size.0, size.1);
    drawing.text((MARGIN, MARGIN + 12.0), Anchor::Start, "head", title);
    for (pair, (x, y)) in pairs.iter().zip(places(&pairs)) {
        let heading = format!("{} ({})", pair.parameter, grouped_u64(pair.values()));
        drawing.text((x, y + 12.0), Anchor::Start, "head", &heading);
        drawing.place((x, y + HEADING), pair.draw());
    }
    drawing
}

/// Draws the histograms of a run, of all parameters and epochs, as a vector picture: the text of an
/// SVG file.
pub fn histograms_svg(records: &[HistogramRecord], title: &str) -> String {
    svg_file(&sheet(records, title), title)
}

/// Draws the histograms of a run, of all parameters and epochs, as pixels.
///
/// # Errors
/// When drawing fails, which is a defect of verigrad.
pub fn histograms_png(records: &[HistogramRecord], title: &str) -> Result<RgbImage, ReportError> {
    /// Pixels of the picture for one unit of length, so that it is sharp on fine screens.
    const SCALE: f64 = 2.0;
    bitmap(&sheet(records, title), SCALE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(epoch: u32, of: HistogramOf, values: &[f32]) -> HistogramRecord {
        let counts = HistogramCounts::of(values, 64);
        HistogramRecord { epoch, step: 10, parameter: "conv1.<b>".to_owned(), of, counts }
    }

    #[test]
    fn long_runs_show_their_ends_and_some_epochs_between() {
        let records: Vec<HistogramRecord> =
            (1..=95).map(|epoch| record(epoch, HistogramOf::Weights, &[0.5, -0.25])).collect();
        let pairs = pairs(&records);
        let epochs: Vec<u32> = pairs[0].weights.iter().map(|record| record.epoch).collect();
        assert_eq!((epochs.len(), epochs[0], epochs[9]), (MAX_CURVES, 1, 95));
        assert!(
            epochs.windows(2).all(|pair| (10..=11).contains(&(pair[1] - pair[0]))),
            "{epochs:?}"
        );
    }

    #[test]
    fn odd_histograms_make_pictures() {
        let odd = [
            record(1, HistogramOf::Weights, &[]),
            record(2, HistogramOf::Weights, &[0.0; 9]),
            record(3, HistogramOf::Weights, &[f32::NAN, f32::INFINITY]),
            record(1, HistogramOf::Gradients, &[f32::MAX, f32::from_bits(1)]),
        ];
        let text = svg_file(&sheet(&odd, "odd <ones>"), "odd");
        assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
        assert!(text.contains("odd &lt;ones&gt;") && text.contains("conv1.&lt;b&gt;"), "{text}");
        assert!(text.contains("100.0 % no number"), "{text}");
        assert!(histograms_png(&odd, "odd").expect("it is drawn").width() > 400);
        assert!(histograms_png(&[], "none").expect("it is drawn").width() > 1);
    }

    #[test]
    fn few_values_get_few_bins() {
        let values: Vec<f32> = (0_u8..40).map(|i| f32::from(i) / 40.0 - 0.5).collect();
        assert_eq!(merged(&HistogramCounts::of(&values, 64)).len(), 8);
        let many: Vec<f32> = values.iter().cycle().take(4000).copied().collect();
        assert_eq!(merged(&HistogramCounts::of(&many, 64)).len(), 64);
    }

    #[test]
    fn numbers_are_short() {
        let shorts = [0.0, 0.25, -2.0, 0.001, 2e-5, 1e6].map(short);
        assert_eq!(shorts, ["0", "0.25", "-2", "0.001", "2e-5", "1e6"]);
        assert_eq!([0.9, 0.45, 0.2, 7e-4].map(nice_below), [0.5, 0.2, 0.2, 5e-4]);
    }
}
