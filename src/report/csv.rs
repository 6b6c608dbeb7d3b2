//! Fields of CSV files that are words.

/// A word as a field of a CSV file, in quotes where it needs them: RFC 4180. Words that a spreadsheet
/// would take for a formula, and run, get an apostrophe in front, which makes them text.
pub fn quoted(field: &str) -> String {
    let formula = field.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
    let text = if formula { format!("'{field}") } else { field.to_owned() };
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_needs_quotes_gets_them() {
        assert_eq!(quoted("a b"), "a b");
        assert_eq!(quoted("a,b"), "\"a,b\"");
        for formula in ["=cmd|x", "+1", "-1", "@sum", "\tx"] {
            assert_eq!(quoted(formula), format!("'{formula}"));
        }
        assert_eq!(quoted("=a,b"), "\"'=a,b\"");
        assert_eq!(quoted("a=b"), "a=b");
        assert_eq!(quoted("say \"x\""), "\"say \"\"x\"\"\"");
    }
}
