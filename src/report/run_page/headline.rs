//! What a page begins with: the figures of the run, and its device.

use std::fmt::Write as _;

use super::super::draw::escape;
use super::super::html::Page;
use super::run::Run;

/// Adds the figures.
pub(super) fn headline(page: &mut Page, run: &Run<'_>) {
    let mut html = String::from("<div class=\"cards\" id=\"headline\">\n");
    for (i, (value, name)) in run.facts.headline().iter().enumerate() {
        let class = if i == 0 { "card first" } else { "card" };
        let (value, name) = (escape(value), escape(name));
        let _ = writeln!(html, "<div class=\"{class}\"><b>{value}</b><span>{name}</span></div>");
    }
    html.push_str("</div>\n");
    page.raw(&html);
    let (device, more) = run.facts.device();
    if !device.is_empty() {
        page.note(&format!("On {device} ({more})."));
    }
}
