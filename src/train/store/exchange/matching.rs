//! Finding a model's tensors among those of a file: what is missing, wrong, or does not belong.

use std::collections::{BTreeMap, BTreeSet};

use super::error::ExchangeError;
use super::given::Given;
use super::selection::prefixes;
use crate::tensor::{HostTensor, Shape};

/// Problems of one kind that a message lists before it only counts.
const LISTED: usize = 5;

/// The tensors in the order of the model's.
///
/// # Errors
/// Lists the tensors that are missing, have another shape or type, or do not belong.
pub(super) fn matched<'a>(
    expected: &[(String, Shape)],
    given: &'a BTreeMap<String, Given>,
) -> Result<Vec<&'a HostTensor>, ExchangeError> {
    let mut found = Vec::with_capacity(expected.len());
    let (mut missing, mut wrong) = (Vec::new(), Vec::new());
    for (name, shape) in expected {
        match given.get(name) {
            None => missing.push(format!("{name} {shape} is missing")),
            Some(given) if given.shape() != shape => {
                let given = given.shape();
                wrong.push(format!("{name} has shape {given}, the model expects {shape}"));
            }
            Some(Given::Other { dtype, .. }) => wrong.push(format!(
                "{name} holds {dtype}, the model expects floats of 16, 32 or 64 bits"
            )),
            Some(Given::Floats(tensor)) => found.push(tensor),
        }
    }
    let names: BTreeSet<&str> = expected.iter().map(|(name, _)| name.as_str()).collect();
    let extra: Vec<String> = given
        .keys()
        .filter(|name| !names.contains(name.as_str()))
        .map(|name| format!("the model has no tensor called {name}"))
        .collect();
    if missing.is_empty() && wrong.is_empty() && extra.is_empty() {
        return Ok(found);
    }
    let only_extra = missing.is_empty() && wrong.is_empty();
    let hint = hint(given, &names, only_extra);
    let problems = [missing, wrong, extra].into_iter().flat_map(shortened).collect();
    Err(ExchangeError::Mismatch { problems, hint })
}

/// What to try, where the names tell.
fn hint(
    given: &BTreeMap<String, Given>,
    names: &BTreeSet<&str>,
    only_extra: bool,
) -> Option<String> {
    let ends = |end: &str| given.keys().any(|name| name.ends_with(end));
    if ends("weight_orig") {
        return Some(
            "the model was pruned: call torch.nn.utils.prune.remove for each parameter before its \
             state dict is saved"
                .to_owned(),
        );
    }
    if ends(".weight.original0") || ends(".weight_g") {
        return Some(
            "the model has weight normalization: call \
             torch.nn.utils.parametrize.remove_parametrizations (or remove_weight_norm) for each layer \
             before its state dict is saved"
                .to_owned(),
        );
    }
    if only_extra {
        return Some(
            "to leave out what does not belong, give --ignore NAME, in which * stands for \
                     any text"
                .to_owned(),
        );
    }
    let found = prefixes(given.keys(), names);
    if found.is_empty() && !given.is_empty() {
        let first = names.first().copied().unwrap_or_default();
        let theirs = given.keys().next().map(String::as_str).unwrap_or_default();
        return Some(format!(
            "no name of the file is one of the model's: rename its tensors before it is written, as \
             in Python {{\"{first}\": state[\"{theirs}\"], ...}}"
        ));
    }
    let plain = found.get("").copied().unwrap_or_default();
    let (prefix, count) = found
        .into_iter()
        .filter(|(prefix, _)| !prefix.is_empty())
        .max_by_key(|(prefix, count)| (*count, std::cmp::Reverse(prefix.len())))?;
    (count > plain).then(|| {
        format!("--prefix {prefix} would find {count} of the model's {} tensors", names.len())
    })
}

/// The first problems, and how many there are more.
fn shortened(mut problems: Vec<String>) -> Vec<String> {
    let more = problems.len().saturating_sub(LISTED);
    problems.truncate(LISTED);
    if more > 0 {
        problems.push(format!("and {more} more like that"));
    }
    problems
}
