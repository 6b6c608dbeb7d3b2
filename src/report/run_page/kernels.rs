//! The part of a page with the kernels that a run used.

use std::collections::BTreeMap;

use super::super::ReportError;
use super::super::html::{Page, table};
use crate::compile::{Pick, Picks};
use crate::train::RunDir;

/// Adds the section: variants by op, and each kernel in a list to open.
pub(super) fn kernels(page: &mut Page, dir: &RunDir) -> Result<(), ReportError> {
    page.section("picked", "Kernels");
    let text = match dir.kernels()? {
        Some(text) => text,
        None => {
            page.missing("kernels", "There is no kernels.toml in the run directory.");
            return Ok(());
        }
    };
    let picks = match Picks::parse(&text) {
        Ok(picks) => picks,
        Err(error) => {
            page.missing("kernels", &format!("kernels.toml cannot be read: {error}"));
            return Ok(());
        }
    };
    if picks.is_empty() {
        let why = "The run used no kernels of a GPU: the CPU has one fast function for each op, or \
                   runs its reference.";
        page.raw(&format!("<p class=\"note\" id=\"kernels\">{why}</p>\n"));
        return Ok(());
    }
    let picks: Vec<&Pick> = picks.iter().collect();
    let mut variants: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for pick in &picks {
        *variants.entry((&pick.op, &pick.variant)).or_default() += 1;
    }
    page.note(
        "What each op ran as, and for how many shapes. With --picks kernels.toml, another run takes \
         the same ones.",
    );
    let summary = variants.iter().map(|((op, variant), shapes)| {
        ("", vec![(*op).to_owned(), (*variant).to_owned(), shapes.to_string()])
    });
    page.raw("<div id=\"kernels\">\n");
    page.raw(&table(&["op", "variant", ">shapes"], &summary.collect::<Vec<_>>()));
    let each = picks.iter().map(|pick| {
        let inputs = pick.inputs.join(", ");
        ("", vec![pick.op.clone(), inputs, pick.variant.clone(), pick.kernels.clone()])
    });
    page.raw(&format!("<details><summary>Each of the {} kernels</summary>\n", picks.len()));
    page.raw(&table(&["op", "inputs", "variant", "fingerprint"], &each.collect::<Vec<_>>()));
    page.raw("</details>\n</div>\n");
    Ok(())
}
