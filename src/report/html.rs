//! A page that stands alone: style inside, pictures inside, nothing fetched.

use std::fmt::Write as _;

use super::draw::{Drawing, PICTURE_CSS, escape, svg_inline};

/// Style of a page, but for its pictures.
const PAGE_CSS: &str = include_str!("../../assets/report/page.css");

/// A page that grows section by section.
#[derive(Debug)]
pub(super) struct Page {
    title: String,
    lead: String,
    sections: Vec<(String, String)>,
    body: String,
}

impl Page {
    pub fn new(title: &str, lead: &str) -> Self {
        let (title, lead) = (title.to_owned(), lead.to_owned());
        Self { title, lead, sections: Vec::new(), body: String::new() }
    }

    /// Begins a section, which the list at the top links to.
    pub fn section(&mut self, id: &str, heading: &str) {
        let _ = writeln!(self.body, "<h2 id=\"{id}\">{}</h2>", escape(heading));
        self.sections.push((id.to_owned(), heading.to_owned()));
    }

    /// Adds markup.
    pub fn raw(&mut self, html: &str) {
        self.body.push_str(html);
    }

    /// Adds a paragraph of plain text.
    pub fn note(&mut self, text: &str) {
        let _ = writeln!(self.body, "<p class=\"note\">{}</p>", escape(text));
    }

    /// Says why something is not here.
    pub fn missing(&mut self, id: &str, why: &str) {
        let _ = writeln!(self.body, "<p class=\"missing\" id=\"{id}\">{}</p>", escape(why));
    }

    /// The page.
    pub fn finish(self) -> String {
        let title = escape(&self.title);
        let mut links = String::new();
        for (id, heading) in &self.sections {
            let _ = writeln!(links, "<a href=\"#{id}\">{}</a>", escape(heading));
        }
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{title}</title>\n<link rel=\"icon\" href=\"data:,\">\n\
             <style>\n{PICTURE_CSS}{PAGE_CSS}</style>\n</head>\n<body>\n\
             <header>\n<h1>{title}</h1>\n<p class=\"lead\">{}</p>\n<nav>\n{links}</nav>\n</header>\n\
             <main>\n{}</main>\n<footer>Made by verigrad {}.</footer>\n</body>\n</html>\n",
            escape(&self.lead),
            self.body,
            env!("CARGO_PKG_VERSION")
        )
    }
}

/// A picture with its heading and, where it needs one, a caption.
pub(super) fn figure(id: &str, heading: &str, drawing: &Drawing, caption: &str) -> String {
    let mut html = format!("<figure id=\"{id}\">\n");
    if !heading.is_empty() {
        let _ = writeln!(html, "<h3>{}</h3>", escape(heading));
    }
    html.push_str(&svg_inline(drawing, heading));
    if !caption.is_empty() {
        let _ = writeln!(html, "<figcaption>{}</figcaption>", escape(caption));
    }
    html + "</figure>\n"
}

/// A table; columns whose heading begins with `>` hold numbers.
pub(super) fn table(headings: &[&str], rows: &[(&str, Vec<String>)]) -> String {
    let is_number = |column: usize| headings.get(column).is_some_and(|h| h.starts_with('>'));
    let class = |column: usize| if is_number(column) { " class=\"n\"" } else { "" };
    let mut html = String::from("<div class=\"scroll\"><table>\n<thead><tr>");
    for (column, heading) in headings.iter().enumerate() {
        let heading = escape(heading.trim_start_matches('>'));
        let _ = write!(html, "<th{}>{heading}</th>", class(column));
    }
    html.push_str("</tr></thead>\n<tbody>\n");
    for (row_class, cells) in rows {
        let _ = write!(html, "<tr class=\"{row_class}\">");
        for (column, cell) in cells.iter().enumerate() {
            let _ = write!(html, "<td{}>{}</td>", class(column), escape(cell));
        }
        html.push_str("</tr>\n");
    }
    html + "</tbody></table></div>\n"
}

/// Names and values.
pub(super) fn facts(rows: &[(&str, String)]) -> String {
    let mut html = String::from("<dl>\n");
    for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        let _ = writeln!(html, "<dt>{}</dt><dd>{}</dd>", escape(name), escape(value));
    }
    html + "</dl>\n"
}
