//! Text tables for a terminal: aligned columns, at most 80 characters wide.
//!
//! ```
//! use verigrad::report::{Align, Table};
//! let mut table = Table::new(&[("layer", Align::Left), ("parameters", Align::Right)]);
//! table.row(["conv1", "320"]);
//! table.row(["dense", "204,928"]);
//! assert_eq!(
//!     table.to_string(),
//!     "layer  parameters\n-----  ----------\nconv1         320\ndense     204,928\n"
//! );
//! ```

use std::fmt;

use super::format::visible_name;

/// Width of a line in characters that tables keep to where they can.
const MAX_WIDTH: usize = 80;
/// Columns are not made narrower than this to fit, in characters.
const MIN_COLUMN: usize = 8;
/// What stands between two columns.
const GAP: &str = "  ";

/// Which side of its column a text keeps to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// A table with a heading. It is printed with `Display`, each line ending in a newline.
///
/// Too wide a table has its widest left-aligned column shortened, with `…` where text is missing;
/// numbers are never shortened.
#[derive(Debug, Clone)]
pub struct Table {
    headings: Vec<String>,
    aligns: Vec<Align>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table with the given columns.
    #[must_use]
    pub fn new(columns: &[(&str, Align)]) -> Self {
        Self {
            headings: columns.iter().map(|column| column.0.to_owned()).collect(),
            aligns: columns.iter().map(|column| column.1).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row. Control characters are shown as escapes. Missing cells are empty, those beyond the last column are left out.
    pub fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) {
        let cells = cells.into_iter().map(Into::into);
        let mut cells: Vec<String> = cells.map(|cell| visible_name(&cell).into_owned()).collect();
        cells.resize(self.headings.len(), String::new());
        self.rows.push(cells);
    }

    /// Width of each column in characters.
    fn widths(&self) -> Vec<usize> {
        let mut widths: Vec<usize> = self.headings.iter().map(|text| length(text)).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = length(cell).max(*width);
            }
        }
        let total = widths.iter().sum::<usize>() + GAP.len() * widths.len().saturating_sub(1);
        let words = widths.iter_mut().zip(&self.aligns).filter(|(_, align)| **align == Align::Left);
        if let Some((widest, _)) = words.max_by_key(|(width, _)| **width) {
            *widest =
                widest.saturating_sub(total.saturating_sub(MAX_WIDTH)).max(MIN_COLUMN.min(*widest));
        }
        widths
    }

    fn write_line(
        &self,
        f: &mut fmt::Formatter<'_>,
        cells: &[String],
        widths: &[usize],
    ) -> fmt::Result {
        let mut line = String::new();
        for (index, ((cell, &width), align)) in
            cells.iter().zip(widths).zip(&self.aligns).enumerate()
        {
            if index > 0 {
                line.push_str(GAP);
            }
            let cell = shortened(cell, width);
            line.push_str(&match align {
                Align::Left => format!("{cell:<width$}"),
                Align::Right => format!("{cell:>width$}"),
            });
        }
        writeln!(f, "{}", line.trim_end())
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths = self.widths();
        let rule: Vec<String> = widths.iter().map(|&width| "-".repeat(width)).collect();
        self.write_line(f, &self.headings, &widths)?;
        self.write_line(f, &rule, &widths)?;
        self.rows.iter().try_for_each(|row| self.write_line(f, row, &widths))
    }
}

fn length(text: &str) -> usize {
    text.chars().count()
}

/// The first `width` characters, the last of them `…` when some are missing.
fn shortened(text: &str, width: usize) -> String {
    if length(text) <= width {
        text.to_owned()
    } else {
        text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wide_table_is_cut_in_its_widest_words() {
        let columns = [("device", Align::Left), ("note", Align::Left), ("µs", Align::Right)];
        let mut table = Table::new(&columns);
        table.row(["llvmpipe (LLVM 15.0.6, 256 bits)", &"word ".repeat(30), "1,234,567.8"]);
        table.row(["cpu", "é"]);
        let text = table.to_string();
        assert!(text.lines().all(|line| length(line) <= MAX_WIDTH), "{text}");
        assert!(text.contains("256 bits)  word") && text.contains("…  1,234,567.8"), "{text}");
        assert!(text.lines().all(|line| line == line.trim_end()), "{text}");
    }

    #[test]
    fn numbers_are_never_cut() {
        let mut table = Table::new(&[("a", Align::Right), ("b", Align::Right)]);
        table.row(["1".repeat(60), "2".repeat(60)]);
        assert!(table.to_string().contains(&"2".repeat(60)));
    }

    #[test]
    fn an_empty_table_has_a_heading() {
        assert_eq!(Table::new(&[("op", Align::Left)]).to_string(), "op\n--\n");
        assert_eq!(Table::new(&[]).to_string(), "\n\n");
    }
}
