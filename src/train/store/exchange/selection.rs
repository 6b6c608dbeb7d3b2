//! Which tensors of a file are meant: what their names begin with, and which are passed over.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::error::ExchangeError;
use super::given::Given;
use crate::nn::fits_pattern;

/// Counters that batch norms of PyTorch keep, and that evaluation does not need.
const COUNTER: &str = "num_batches_tracked";
/// Names that a message lists.
const LISTED: usize = 5;

/// Which tensors of a file are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// What the names of the model's tensors begin with in the file, and not in the model. Where none is
    /// given, what most names of the file have in front of the model's is taken.
    pub prefix: Option<String>,
    /// Tensors to pass over, by name; `*` stands for any text.
    pub ignore: Vec<String>,
}

/// What of a file was not taken as it is, to be told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Taken {
    /// What was left out of the names, and of how many.
    pub prefix: Option<(String, usize)>,
    /// What was passed over, with types and shapes: what has no such prefix, integers and masks that
    /// nobody needs, and what was to be ignored.
    pub passed: Vec<String>,
}

impl fmt::Display for Taken {
    /// A line, with its end, for each that there is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((prefix, count)) = &self.prefix {
            writeln!(f, "prefix   {prefix} was left out of {count} names")?;
        }
        if !self.passed.is_empty() {
            writeln!(f, "passed   over {}", listed(&self.passed))?;
        }
        Ok(())
    }
}

/// The first ones, and how many there are more.
pub(super) fn listed(names: &[String]) -> String {
    let more = names.len().saturating_sub(LISTED);
    let shown = names[..names.len() - more].join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

impl Selection {
    /// The tensors that are meant, by their names without the prefix. `expected` are the names of the
    /// model.
    ///
    /// # Errors
    /// When no name has the given prefix, or a pattern fits no name.
    pub(super) fn of(
        &self,
        tensors: &BTreeMap<String, Given>,
        expected: &BTreeSet<&str>,
    ) -> Result<(BTreeMap<String, Given>, Taken), ExchangeError> {
        let prefix = match &self.prefix {
            Some(given) => given_prefix(given, tensors)?,
            None => shared_prefix(tensors, expected).unwrap_or_default(),
        };
        let inner = |name: &str| name.strip_prefix(&prefix).map(str::to_owned);
        let is_ignored = |pattern: &String, name: &str| {
            fits_pattern(pattern, name)
                || inner(name).is_some_and(|inner| fits_pattern(pattern, &inner))
        };
        let unused = |pattern: &&String| !tensors.keys().any(|name| is_ignored(pattern, name));
        if let Some(pattern) = self.ignore.iter().find(unused) {
            let problem = format!("no tensor to ignore is called {pattern:?}");
            return Err(no_such(&problem, tensors));
        }
        let (mut meant, mut taken) = (BTreeMap::new(), Taken::default());
        let mut prefixed = 0;
        for (name, given) in tensors {
            let inner = inner(name);
            prefixed += usize::from(inner.is_some());
            let ignored = self.ignore.iter().any(|pattern| is_ignored(pattern, name));
            match inner.filter(|_| !ignored) {
                Some(inner) if expected.contains(inner.as_str()) => {
                    meant.insert(inner, given.clone());
                }
                _ if name.ends_with(COUNTER) => {}
                Some(inner) if matches!(given, Given::Floats(_)) => {
                    meant.insert(inner, given.clone());
                }
                _ => taken.passed.push(format!("{name} {}", given.in_words())),
            }
        }
        taken.prefix = Some((prefix, prefixed)).filter(|(prefix, _)| !prefix.is_empty());
        Ok((meant, taken))
    }
}

/// A prefix as it was given, with the dot at its end where names have one.
fn given_prefix(given: &str, tensors: &BTreeMap<String, Given>) -> Result<String, ExchangeError> {
    let dotted = format!("{}.", given.trim_end_matches('.'));
    let begins = |prefix: &str| tensors.keys().any(|name| name.starts_with(prefix));
    match given {
        "" => Ok(String::new()),
        _ if begins(&dotted) => Ok(dotted),
        _ if begins(given) => Ok(given.to_owned()),
        _ => Err(no_such(&format!("no name begins with the prefix {given:?}"), tensors)),
    }
}

fn no_such(problem: &str, tensors: &BTreeMap<String, Given>) -> ExchangeError {
    let names: Vec<String> = tensors.keys().cloned().collect();
    ExchangeError::Selection(format!("{problem}; there are {}", listed(&names)))
}

/// How many names of the model follow each text that names of the file begin with.
pub(super) fn prefixes<'a>(
    names: impl Iterator<Item = &'a String>,
    expected: &BTreeSet<&str>,
) -> BTreeMap<&'a str, usize> {
    let mut found = BTreeMap::new();
    for name in names {
        let starts = name.match_indices('.').map(|(dot, _)| dot + 1).chain([0]);
        for start in starts {
            if expected.contains(&name[start..]) {
                *found.entry(&name[..start]).or_default() += 1;
            }
        }
    }
    found
}

/// What more than half of the file's names begin with, where more of the model's names follow it than
/// lie in the file as they are.
fn shared_prefix(tensors: &BTreeMap<String, Given>, expected: &BTreeSet<&str>) -> Option<String> {
    let names = || tensors.keys().filter(|name| !name.ends_with(COUNTER));
    let found = prefixes(names(), expected);
    let plain = found.get("").copied().unwrap_or_default();
    let is_shared = |prefix: &str| {
        2 * names().filter(|name| name.starts_with(prefix)).count() > names().count()
    };
    let (prefix, count) = found
        .into_iter()
        .filter(|(prefix, _)| !prefix.is_empty() && is_shared(prefix))
        .max_by_key(|(prefix, count)| (*count, std::cmp::Reverse(prefix.len())))?;
    (count > plain).then(|| prefix.to_owned())
}
