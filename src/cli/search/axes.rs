//! What a search tries: lists of values and ranges, as a grid or as random draws.

use std::fmt;
use std::str::FromStr;

use crate::tensor::rng::{philox4x32, uniform};

/// Most settings of a search: more were not meant.
const MOST: usize = 10_000;

/// `KEY=A,B,C`: values to try for a key of the recipe.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::cli) struct Values {
    pub key: String,
    pub values: Vec<String>,
}

impl FromStr for Values {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (key, values) = key_and_rest(text)
            .ok_or_else(|| format!("{text}: expected KEY=A,B,C, such as batch_size=32,64"))?;
        let values = parts(values);
        match values.iter().any(String::is_empty) {
            true => Err(format!("{text}: a value is empty; expected KEY=A,B,C")),
            false => Ok(Self { key, values }),
        }
    }
}

/// `KEY=LOW..HIGH` or `KEY=LOW..HIGH:log`: numbers to draw from.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::cli) struct Span {
    pub key: String,
    low: f64,
    high: f64,
    is_logarithmic: bool,
    /// Whether both ends are whole numbers, so that all draws are.
    is_whole: bool,
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const EXPECTED: &str = "expected KEY=LOW..HIGH or KEY=LOW..HIGH:log, such as \
                                optimizer.learning_rate=1e-4..1e-1:log";
        let parsed = || {
            let (key, range) = key_and_rest(text)?;
            let (range, is_logarithmic) = match range.strip_suffix(":log") {
                Some(range) => (range, true),
                None => (range, false),
            };
            let (low, high) = range.split_once("..")?;
            let is_whole = [low, high].iter().all(|end| end.trim().parse::<i64>().is_ok());
            let (low, high) = (low.trim().parse().ok()?, high.trim().parse().ok()?);
            Some(Self { key, low, high, is_logarithmic, is_whole })
        };
        let span = parsed().ok_or_else(|| format!("{text}: {EXPECTED}"))?;
        let Self { low, high, .. } = span;
        if !(low.is_finite() && high.is_finite() && low < high) {
            return Err(format!("{text}: {low} must be below {high}"));
        }
        if span.is_logarithmic && low <= 0.0 {
            return Err(format!("{text}: logarithms need numbers above 0, and {low} is none"));
        }
        Ok(span)
    }
}

impl Span {
    /// The number at a place from 0 to 1, as text: what is in the text is what is trained with.
    fn at(&self, place: f64) -> String {
        let between = |low: f64, high: f64| low + place * (high - low);
        // Each whole number has an interval of its own.
        let (low, high) = match self.is_whole {
            true => (self.low - 0.5, self.high + 0.5),
            false => (self.low, self.high),
        };
        let value = match self.is_logarithmic {
            true => between(low.ln(), high.ln()).exp(),
            false => between(low, high),
        };
        if self.is_whole {
            return format!("{:.0}", value.round().clamp(self.low, self.high));
        }
        // Four digits are enough to search with, and still to read. Rounding may leave the range.
        let text = format!("{value:.3e}");
        let rounded: f64 = text.parse().unwrap_or(value);
        let value = rounded.clamp(self.low, self.high);
        let exponent = value.abs().log10();
        if (-3.0..6.0).contains(&exponent) { in_full(value) } else { format!("{value:e}") }
    }
}

/// A number that TOML takes for no integer.
fn in_full(value: f64) -> String {
    let text = format!("{value}");
    if text.contains('.') { text } else { text + ".0" }
}

/// The key and what is behind its `=`.
fn key_and_rest(text: &str) -> Option<(String, &str)> {
    let (key, rest) = text.split_once('=')?;
    let key = key.trim();
    (!key.is_empty()).then(|| (key.to_owned(), rest.trim()))
}

/// The values between commas that are in no brackets, braces or quotes.
fn parts(text: &str) -> Vec<String> {
    let (mut depth, mut quote) = (0_usize, None);
    let mut parts = vec![String::new()];
    for c in text.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, '[' | '{') => depth += 1,
            (None, ']' | '}') => depth = depth.saturating_sub(1),
            _ => {}
        }
        if c == ',' && depth == 0 && quote.is_none() {
            parts.push(String::new());
        } else if let Some(last) = parts.last_mut() {
            last.push(c);
        }
    }
    parts.into_iter().map(|part| part.trim().to_owned()).collect()
}

/// Keys, and the values of each setting in their order.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::cli) struct Settings {
    pub keys: Vec<String>,
    pub settings: Vec<Vec<String>>,
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} settings of {}", self.settings.len(), self.keys.join(", "))
    }
}

/// All combinations of the values, or `draws`, a number and a seed, of them and of the ranges.
pub(in crate::cli) fn settings(
    grid: &[Values],
    ranges: &[Span],
    draws: Option<(usize, u64)>,
) -> Result<Settings, String> {
    let keys: Vec<String> = grid
        .iter()
        .map(|values| &values.key)
        .chain(ranges.iter().map(|r| &r.key))
        .cloned()
        .collect();
    if let Some((i, key)) = keys.iter().enumerate().find(|(i, key)| keys[..*i].contains(key)) {
        return Err(format!("{key} is given {} times: give all its values at once", i + 1));
    }
    let settings = match draws {
        Some((n, seed)) if n <= MOST => (0..n).map(|i| drawn(grid, ranges, seed, i)).collect(),
        Some((n, _)) => return Err(too_many(n)),
        None if !ranges.is_empty() => {
            return Err("--range is drawn from: say how often with --random N".to_owned());
        }
        None => combinations(grid)?,
    };
    Ok(Settings { keys, settings })
}

fn too_many(n: usize) -> String {
    format!("{n} settings are more than {MOST}: draw some of them with --random N")
}

/// All combinations; the last key changes first.
fn combinations(grid: &[Values]) -> Result<Vec<Vec<String>>, String> {
    let n = grid.iter().map(|values| values.values.len()).fold(1, usize::saturating_mul);
    if n > MOST {
        return Err(too_many(n));
    }
    let mut settings = vec![Vec::new()];
    for Values { values, .. } in grid {
        let longer = |setting: &Vec<String>| {
            let with = |value: &String| [&setting[..], std::slice::from_ref(value)].concat();
            values.iter().map(with).collect::<Vec<_>>()
        };
        settings = settings.iter().flat_map(longer).collect();
    }
    Ok(settings)
}

/// Draw `i` of a seed: each key has a word of its own, so that another key changes no other draw.
fn drawn(grid: &[Values], ranges: &[Span], seed: u64, i: usize) -> Vec<String> {
    let low = |n: u64| u32::try_from(n & u64::from(u32::MAX)).unwrap_or(0);
    let place = |key: usize| {
        let counter = [low(i as u64), low(key as u64), 0, 0];
        uniform(philox4x32(counter, [low(seed), low(seed >> 32)])[0])
    };
    let of_list = grid.iter().enumerate().map(|(key, Values { values, .. })| {
        let n = f64::from(u32::try_from(values.len()).unwrap_or(u32::MAX));
        let at = (0..values.len())
            .rev()
            .find(|&at| f64::from(u32::try_from(at).unwrap_or(u32::MAX)) <= place(key) * n);
        values[at.unwrap_or(0)].clone()
    });
    let of_range = ranges.iter().enumerate().map(|(j, range)| range.at(place(grid.len() + j)));
    of_list.chain(of_range).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Values {
        text.parse().expect(text)
    }

    #[test]
    fn lists_are_split_at_their_own_commas() {
        let of = |text: &str| values(text).values;
        assert_eq!(of("batch_size=32, 64"), ["32", "64"]);
        assert_eq!(of("data.image_size=[32,32],[64, 64]"), ["[32,32]", "[64, 64]"]);
        assert_eq!(of("schedule.decay={cosine={}},constant"), ["{cosine={}}", "constant"]);
        assert_eq!(of("name=\"a,b\",'c,d'"), ["\"a,b\"", "'c,d'"]);
        for wrong in ["batch_size", "=1,2", "batch_size=1,,2", "batch_size="] {
            let error = wrong.parse::<Values>().expect_err(wrong);
            assert!(error.contains("KEY=A,B,C"), "{error}");
        }
    }

    #[test]
    fn ranges_are_checked() {
        for (wrong, part) in [
            ("x=1", "LOW..HIGH"),
            ("x=a..b", "LOW..HIGH"),
            ("x=2..1", "2 must be below 1"),
            ("x=0..1:log", "above 0"),
            ("x=nan..1", "below"),
            ("1..2", "LOW..HIGH"),
        ] {
            let error = wrong.parse::<Span>().expect_err(wrong);
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn draws_fill_their_ranges() {
        let spans = ["a=1e-4..1e-1:log", "b=-1..1.5", "c=3..5", "d=8..512:log"];
        let spans = spans.map(|text| text.parse::<Span>().expect(text));
        let draw = |seed| settings(&[values("e=x,y")], &spans, Some((400, seed)));
        let drawn = draw(1).expect("ranges");
        assert_eq!(drawn.keys, ["e", "a", "b", "c", "d"]);
        assert_eq!(drawn, draw(1).expect("ranges"), "by seed");
        assert_ne!(drawn, draw(2).expect("ranges"));
        let column = |key: usize| drawn.settings.iter().map(move |setting| &setting[key]);
        assert_eq!(column(0).filter(|value| *value == "x").count() / 20, 200 / 20);
        let numbers =
            |key| column(key).map(|text| text.parse::<f64>().expect(text)).collect::<Vec<_>>();
        let share = |key: usize, below: f64| {
            let numbers = numbers(key);
            numbers.iter().filter(|number| **number < below).count()
        };
        // A third of a logarithmic range is a power of ten; each with five standard deviations.
        assert!((86..=181).contains(&share(1, 1e-3)), "{}", share(1, 1e-3));
        assert!((110..=210).contains(&share(2, 0.0)), "{}", share(2, 0.0));
        assert!(numbers(1).iter().all(|n| (1e-4..=1e-1).contains(n)));
        for whole in ["3", "4", "5"] {
            let n = column(3).filter(|value| *value == whole).count();
            assert!((86..=181).contains(&n), "{whole}: {n}");
        }
        assert!(numbers(4).iter().all(|n| (8.0..=512.0).contains(n) && n.fract() == 0.0));
        // As TOML takes them: no integer where a float is meant.
        assert!(column(2).all(|text| text.contains('.') || text.contains('e')), "{drawn:?}");
    }

    #[test]
    fn a_grid_has_all_combinations() {
        let grid = [values("a=1,2"), values("b=x,y,z")];
        let all = settings(&grid, &[], None).expect("a grid");
        assert_eq!(all.settings.len(), 6);
        assert_eq!(
            (&all.settings[0][..], &all.settings[5][..]),
            (&["1", "x"].map(str::to_owned)[..], &["2", "z"].map(str::to_owned)[..])
        );
        assert_eq!(settings(&[], &[], None).expect("one").settings, [Vec::<String>::new()]);
        let twice = [values("a=1,2"), values("a=3")];
        assert!(settings(&twice, &[], None).expect_err("twice").contains("a is given"));
        let range = ["c=0..1".parse().expect("a range")];
        assert!(settings(&grid, &range, None).expect_err("no number").contains("--random"));
        assert!(
            settings(&grid, &range, Some((10_001, 1))).expect_err("many").contains("more than")
        );
    }
}
