//! Compilers that assume no NaN, as changes of a kernel's text: what they make of comparisons, any
//! device may do.

use std::collections::BTreeSet;

use naga::{BinaryOperator, MathFunction};

use super::reading::{Extreme, Same, Site, What, sites};

/// What a compiler does with floats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compiler {
    /// As NVIDIA's: a `select` by a comparison of what it selects becomes a `max` or `min`, which passes
    /// over NaN, as the built-in ones do; `x != x` is false.
    Folding,
    /// Every comparison with NaN holds, as where `a < b` became `!(a >= b)`; `max`, `min` and `clamp`
    /// pass over NaN.
    Inverting,
}

/// Names of the functions that take the place of expressions start with this.
const PLANTED: &str = "planted_";

impl Compiler {
    pub const ALL: [Self; 2] = [Self::Folding, Self::Inverting];

    /// The text as this compiler understands it; none where that changes nothing.
    pub fn compile(self, source: &str) -> Option<String> {
        let mut text = source.to_owned();
        let mut helpers = BTreeSet::new();
        loop {
            let mut edits: Vec<(Site, String)> = Vec::new();
            let with_helpers = text.clone() + &helpers.iter().cloned().collect::<String>();
            for site in sites(&with_helpers) {
                if site.function.starts_with(PLANTED) {
                    continue;
                }
                if let Some((replacement, helper)) = self.replaced(&site, &text[site.range.clone()])
                {
                    helpers.extend(helper);
                    edits.push((site, replacement));
                }
            }
            // What lies within another comes first; the other is met again, in the new text.
            let ranges: Vec<_> = edits.iter().map(|(site, _)| site.range.clone()).collect();
            edits.retain(|(site, _)| {
                let inside = |other: &std::ops::Range<usize>| {
                    *other != site.range
                        && other.start >= site.range.start
                        && other.end <= site.range.end
                };
                !ranges.iter().any(inside)
            });
            edits.sort_by_key(|(site, _)| std::cmp::Reverse(site.range.start));
            edits.dedup_by_key(|(site, _)| site.range.clone());
            if edits.is_empty() {
                break;
            }
            for (site, replacement) in edits {
                text.replace_range(site.range, &replacement);
            }
        }
        text.push_str(&helpers.into_iter().collect::<String>());
        (text != source).then_some(text)
    }

    /// What takes the place of an expression, and the function that it calls.
    fn replaced(self, site: &Site, written: &str) -> Option<(String, Option<String>)> {
        let lanes = site.lanes;
        match (self, site.what) {
            (Self::Folding, What::Compare(op, Same::Yes)) => {
                let holds = match op {
                    BinaryOperator::Equal => true,
                    BinaryOperator::NotEqual => false,
                    _ => return None,
                };
                let flags = flags(lanes);
                Some((format!("{flags}({holds})"), None))
            }
            (Self::Inverting, What::Compare(op, _)) => {
                let (sign, name) = operator(op);
                let (left, right) = sides(written, sign);
                let call = format!("{PLANTED}{name}_{lanes}({left}, {right})");
                Some((call, Some(comparison(sign, name, lanes))))
            }
            (Self::Folding, What::Fold(extreme)) => {
                let [a, b, _] = arguments::<3>(written, "select");
                let name = if extreme == Extreme::Max { "max" } else { "min" };
                Some((
                    format!("{PLANTED}{name}_{lanes}({a}, {b})"),
                    Some(passing_over(name, lanes)),
                ))
            }
            (_, What::Built(MathFunction::Max)) => {
                let [a, b] = arguments::<2>(written, "max");
                Some((format!("{PLANTED}max_{lanes}({a}, {b})"), Some(passing_over("max", lanes))))
            }
            (_, What::Built(MathFunction::Min)) => {
                let [a, b] = arguments::<2>(written, "min");
                Some((format!("{PLANTED}min_{lanes}({a}, {b})"), Some(passing_over("min", lanes))))
            }
            (_, What::Built(MathFunction::Clamp)) => {
                let [x, low, high] = arguments::<3>(written, "clamp");
                Some((format!("{PLANTED}clamp_{lanes}({x}, {low}, {high})"), Some(clamp(lanes))))
            }
            (_, What::Built(MathFunction::Sign)) => {
                let [x] = arguments::<1>(written, "sign");
                Some((format!("{PLANTED}sign_{lanes}({x})"), Some(sign(lanes))))
            }
            (_, What::Built(other)) => panic!("no rule for {other:?} in {written}"),
            (Self::Folding, What::Compare(..)) | (Self::Inverting, What::Fold(_)) => None,
        }
    }
}

fn floats(lanes: usize) -> String {
    if lanes == 1 { "f32".to_owned() } else { format!("vec{lanes}<f32>") }
}

fn flags(lanes: usize) -> String {
    if lanes == 1 { "bool".to_owned() } else { format!("vec{lanes}<bool>") }
}

/// WGSL of whether `x` is NaN, by its bits.
fn is_nan(x: &str, lanes: usize) -> String {
    let words = if lanes == 1 { "u32".to_owned() } else { format!("vec{lanes}<u32>") };
    format!("((bitcast<{words}>({x}) & {words}(0x7fffffffu)) > {words}(0x7f800000u))")
}

/// A `max` or `min` that gives the other operand where one is NaN.
fn passing_over(name: &str, lanes: usize) -> String {
    let (floats, [a, b]) = (floats(lanes), ["a", "b"].map(|x| is_nan(x, lanes)));
    format!(
        "fn {PLANTED}{name}_{lanes}(a: {floats}, b: {floats}) -> {floats} {{\n  \
         return select(select({name}(a, b), a, {b}), b, {a});\n}}\n"
    )
}

/// A `clamp` that gives the lower bound where `x` is NaN.
fn clamp(lanes: usize) -> String {
    let (floats, nan) = (floats(lanes), is_nan("x", lanes));
    format!(
        "fn {PLANTED}clamp_{lanes}(x: {floats}, low: {floats}, high: {floats}) -> {floats} {{\n  \
         return select(clamp(x, low, high), low, {nan});\n}}\n"
    )
}

/// A `sign` that gives zero where `x` is NaN.
fn sign(lanes: usize) -> String {
    let (floats, nan) = (floats(lanes), is_nan("x", lanes));
    format!(
        "fn {PLANTED}sign_{lanes}(x: {floats}) -> {floats} {{\n  \
         return select(sign(x), {floats}(0.0), {nan});\n}}\n"
    )
}

/// A comparison that holds where an operand is NaN.
fn comparison(sign: &str, name: &str, lanes: usize) -> String {
    let (floats, flags) = (floats(lanes), flags(lanes));
    let [a, b] = ["a", "b"].map(|x| is_nan(x, lanes));
    format!(
        "fn {PLANTED}{name}_{lanes}(a: {floats}, b: {floats}) -> {flags} {{\n  \
         return (a {sign} b) | {a} | {b};\n}}\n"
    )
}

fn operator(op: BinaryOperator) -> (&'static str, &'static str) {
    match op {
        BinaryOperator::Less => ("<", "less"),
        BinaryOperator::LessEqual => ("<=", "less_equal"),
        BinaryOperator::Greater => (">", "greater"),
        BinaryOperator::GreaterEqual => (">=", "greater_equal"),
        BinaryOperator::Equal => ("==", "equal"),
        _ => ("!=", "not_equal"),
    }
}

/// Both sides of a comparison, around whose sign there are spaces.
fn sides<'a>(written: &'a str, sign: &str) -> (&'a str, &'a str) {
    let spaced = format!(" {sign} ");
    let places = written.match_indices(&spaced).map(|(at, _)| at);
    let at = places.filter(|&at| depth(&written[..at]) == 0).collect::<Vec<_>>();
    let [at] = at[..] else { panic!("not one {sign} in {written}") };
    (&written[..at], &written[at + spaced.len()..])
}

/// The arguments of a call.
fn arguments<'a, const N: usize>(written: &'a str, name: &str) -> [&'a str; N] {
    let inner = written.strip_prefix(name).and_then(|rest| rest.strip_prefix('('));
    let inner = inner.and_then(|rest| rest.strip_suffix(')'));
    let inner = inner.unwrap_or_else(|| panic!("no call of {name}: {written}"));
    let commas = inner.match_indices(',').map(|(at, _)| at);
    let commas = commas.filter(|&at| depth(&inner[..at]) == 0);
    let mut parts = Vec::new();
    let mut start = 0;
    for at in commas.chain([inner.len()]) {
        parts.push(inner[start..at].trim());
        start = at + 1;
    }
    parts.retain(|part| !part.is_empty());
    let count = parts.len();
    parts.try_into().unwrap_or_else(|_| panic!("{count} arguments: {written}"))
}

/// Brackets that are open at the end of a text.
fn depth(text: &str) -> i32 {
    text.chars().fold(0, |depth, c| match c {
        '(' | '[' => depth + 1,
        ')' | ']' => depth - 1,
        _ => depth,
    })
}
