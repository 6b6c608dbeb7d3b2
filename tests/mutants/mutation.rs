//! Small changes of a line of WGSL: those that a slip of the author would make, and those that leave its
//! meaning as it is.

use std::ops::Range;

/// A change of one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mutation {
    /// Bytes of the line that are replaced.
    pub range: Range<usize>,
    /// By what.
    pub by: String,
}

impl Mutation {
    fn new(range: Range<usize>, by: impl Into<String>) -> Self {
        Self { range, by: by.into() }
    }

    /// The line before and after the change, without what is far from it, and with `#` for the numbers of
    /// a generator.
    pub fn shown(&self, line: &str, generated: bool) -> [String; 2] {
        /// Most characters on each side of the change.
        const AROUND: usize = 60;
        let (before, after) = (&line[..self.range.start], &line[self.range.end..]);
        let start = before.char_indices().rev().take(AROUND).last().map_or(0, |(at, _)| at);
        let end = after.char_indices().nth(AROUND).map_or(after.len(), |(at, _)| at);
        let plain = |text: &str| if generated { without_numbers(text) } else { text.to_owned() };
        let (before, after) = (plain(&before[start..]), plain(&after[..end]));
        let old = &line[self.range.clone()];
        let [old, new] = match (generated, old.parse::<f64>().is_ok() || is_number(old)) {
            (true, true) => ["#".to_owned(), format!("#{}", difference(old, &self.by))],
            (true, false) => [plain(old), plain(&self.by)],
            (false, _) => [old.to_owned(), self.by.clone()],
        };
        [old, new].map(|text| format!("{before}{text}{after}").trim().to_owned())
    }

    /// The line after the change.
    pub fn apply(&self, line: &str) -> String {
        [&line[..self.range.start], &self.by, &line[self.range.end..]].concat()
    }
}

fn is_number(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

/// `+1`, `-1` or `*2`.
fn difference(old: &str, new: &str) -> &'static str {
    let value = |text: &str| text.trim_end_matches(['u', 'i']).parse::<i64>().ok();
    match value(old).zip(value(new)) {
        Some((old, new)) if new > old => "+1",
        Some(_) => "-1",
        None => "*2",
    }
}

/// Each number as `#`.
fn without_numbers(text: &str) -> String {
    let mut shown = String::new();
    let mut last = ' ';
    for c in text.chars() {
        let digit = c.is_ascii_digit();
        if !(digit && last.is_ascii_digit()) {
            shown.push(if digit { '#' } else { c });
        }
        last = c;
    }
    shown
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Word,
    Number,
    Sign,
    Bracket,
}

#[derive(Debug, Clone)]
struct Token<'a> {
    what: What,
    text: &'a str,
    at: usize,
}

impl Token<'_> {
    fn range(&self) -> Range<usize> {
        self.at..self.at + self.text.len()
    }

    /// Whether a sign behind it stands between two operands.
    fn ends_operand(&self) -> bool {
        match self.what {
            What::Word => self.text != "return",
            What::Number => true,
            What::Bracket => matches!(self.text, ")" | "]"),
            What::Sign => false,
        }
    }
}

/// Types that are followed by types in angle brackets.
const GENERIC: &[&str] = &["array", "atomic", "bitcast", "ptr", "var", "vec2", "vec3", "vec4"];

/// Signs, longest first.
const SIGNS: &[&str] = &[
    "<<=", ">>=", "->", "&&", "||", "<<", ">>", "<=", ">=", "==", "!=", "+=", "-=", "*=", "/=",
    "%=", "|=", "&=", "^=", "+", "-", "*", "/", "%", "<", ">", "&", "|", "^", "!", "=", ".", ",",
    ";", ":", "~", "@",
];

/// What an author may write in the place of a sign between two operands.
const OTHER_SIGNS: &[(&str, &[&str])] = &[
    ("+", &["-"]),
    ("-", &["+"]),
    ("*", &["+"]),
    ("/", &["*"]),
    ("%", &["/"]),
    ("<", &["<=", ">="]),
    ("<=", &["<", ">"]),
    (">", &[">=", "<="]),
    (">=", &[">", "<"]),
    ("==", &["!="]),
    ("!=", &["=="]),
    ("&&", &["||"]),
    ("||", &["&&"]),
    ("&", &["|"]),
    ("|", &["&"]),
    ("^", &["|"]),
    ("<<", &[">>"]),
    (">>", &["<<"]),
    ("+=", &["-="]),
    ("-=", &["+="]),
    ("*=", &["/="]),
    ("/=", &["*="]),
    ("|=", &["&="]),
    ("^=", &["|="]),
];

/// Functions and components that are taken for each other.
const OTHER_WORDS: &[(&str, &str)] = &[
    ("min", "max"),
    ("max", "min"),
    ("floor", "ceil"),
    ("ceil", "floor"),
    ("true", "false"),
    ("false", "true"),
    ("round", "floor"),
    ("trunc", "ceil"),
];

fn tokens(line: &str) -> Vec<Token<'_>> {
    let code = line.find("//").map_or(line, |comment| &line[..comment]);
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = code[at..].chars().next() {
        let rest = &code[at..];
        let length = |keep: fn(char) -> bool| rest.find(|c: char| !keep(c)).unwrap_or(rest.len());
        let (what, size) = if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        } else if first.is_ascii_digit() {
            (What::Number, number_length(rest))
        } else if first.is_ascii_alphabetic() || first == '_' {
            let size = length(|c| c.is_ascii_alphanumeric() || c == '_');
            let is_generic = GENERIC.contains(&&rest[..size]) && rest[size..].starts_with('<');
            (What::Word, if is_generic { size + generic_length(&rest[size..]) } else { size })
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            (What::Sign, sign.len())
        } else {
            (What::Bracket, first.len_utf8())
        };
        tokens.push(Token { what, text: &rest[..size], at });
        at += size;
    }
    tokens
}

/// The length of `<...>` at the start of a text.
fn generic_length(text: &str) -> usize {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '<' => depth += 1,
            '>' if depth == 1 => return at + 1,
            '>' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    text.len()
}

/// The length of a number at the start of a text: digits, a point, an exponent, a suffix.
fn number_length(text: &str) -> usize {
    let is_hexadecimal = text.starts_with("0x");
    let mut previous = ' ';
    for (at, c) in text.char_indices() {
        let exponent = !is_hexadecimal && matches!(previous, 'e' | 'E');
        let belongs = c.is_ascii_alphanumeric() || c == '.' || (matches!(c, '+' | '-') && exponent);
        if !belongs {
            return at;
        }
        previous = c;
    }
    text.len()
}

/// Whether the line declares names and types only, which the validator would reject in any other form.
fn declares_only(line: &str) -> bool {
    let start = line.trim_start();
    // How many invocations share the work is no statement about the result.
    // Tables are written from those that the reference reads, and a case meets few of their entries.
    if start.starts_with("const WORKGROUP_SIZE:") || start.contains("= array<") {
        return true;
    }
    ["//", "@", "fn ", "alias ", "struct ", "var<", "enable ", "diagnostic"]
        .iter()
        .any(|word| start.starts_with(word))
}

/// The changes of a line that most likely change what it computes.
pub fn mutations(line: &str) -> Vec<Mutation> {
    if declares_only(line) {
        return Vec::new();
    }
    let tokens = tokens(line);
    let mut found = Vec::new();
    for (i, token) in tokens.iter().enumerate() {
        let before = i.checked_sub(1).map(|i| &tokens[i]);
        match token.what {
            What::Sign if token.text == "-" && !before.is_some_and(Token::ends_operand) => {
                found.push(Mutation::new(token.range(), ""));
            }
            What::Sign if token.text == "!" => found.push(Mutation::new(token.range(), "")),
            What::Sign => {
                let others = OTHER_SIGNS.iter().find(|(sign, _)| *sign == token.text);
                let others = others.map_or(&[][..], |(_, others)| others);
                found.extend(others.iter().map(|other| Mutation::new(token.range(), *other)));
            }
            What::Number => {
                let others = other_numbers(token.text).into_iter();
                found.extend(others.map(|other| Mutation::new(token.range(), other)));
            }
            What::Word if before.is_some_and(|before| before.text == ".") => {
                let other = match token.text {
                    "x" => Some("y"),
                    "y" | "z" | "w" => Some("x"),
                    _ => None,
                };
                found.extend(other.map(|other| Mutation::new(token.range(), other)));
            }
            What::Word => {
                let other = OTHER_WORDS.iter().find(|(word, _)| *word == token.text);
                found.extend(other.map(|(_, other)| Mutation::new(token.range(), *other)));
            }
            What::Bracket => {}
        }
    }
    found.extend(left_out(line, &tokens));
    found
}

/// A statement of a line of its own may be forgotten.
fn left_out(line: &str, tokens: &[Token<'_>]) -> Option<Mutation> {
    let (first, last) = (tokens.first()?, tokens.last()?);
    let stands_alone = last.text == ";"
        && first.what == What::Word
        && !["let", "var", "const", "return", "for"].contains(&first.text)
        && tokens.iter().filter(|token| token.text == ";").count() == 1
        && ["(", "["].iter().zip([")", "]"]).all(|(open, close)| {
            let count = |text| tokens.iter().filter(|token| token.text == text).count();
            count(*open) == count(close)
        });
    stands_alone.then(|| Mutation::new(first.at..line.len(), ""))
}

/// Numbers next to an integer, twice a float.
fn other_numbers(text: &str) -> Vec<String> {
    let digits = text.trim_end_matches(['u', 'i']);
    let suffix = &text[digits.len()..];
    if let Some(hexadecimal) = digits.strip_prefix("0x") {
        let value = u64::from_str_radix(hexadecimal, 16).ok();
        return value.map(|value| format!("0x{:x}{suffix}", value ^ 1)).into_iter().collect();
    }
    if let Ok(value) = digits.parse::<u64>() {
        let less = value.checked_sub(1);
        return less.into_iter().chain([value + 1]).map(|n| format!("{n}{suffix}")).collect();
    }
    let plain = text.trim_end_matches(['f', 'h']);
    let suffix = &text[plain.len()..];
    let value: Option<f32> = plain.parse().ok();
    let other = value.map(|value| if value == 0.0 { 1.0 } else { value * 2.0 });
    other.filter(|value| value.is_finite()).map(|v| format!("{v:?}{suffix}")).into_iter().collect()
}

/// The changes of a line that leave its meaning as it is, but for rounding.
pub fn same_meaning(line: &str) -> Vec<Mutation> {
    if declares_only(line) || line.trim_start().starts_with("const ") {
        return Vec::new();
    }
    let tokens = tokens(line);
    let mut found = Vec::new();
    let statement = tokens.first().zip(tokens.last());
    let Some((first, last)) = statement else { return found };
    // `x += y;` is `x = (y) + x;`.
    let compound = tokens.iter().find(|t| ["+=", "*=", "|=", "-="].contains(&t.text));
    let alone = last.text == ";" && tokens.iter().filter(|t| t.text == ";").count() == 1;
    if let Some(sign) = compound.filter(|_| alone) {
        let place = line[first.at..sign.at].trim();
        let value = line[sign.range().end..last.at].trim();
        let by = match sign.text.trim_end_matches('=') {
            "-" => format!("{place} = -({value}) + {place}"),
            operator => format!("{place} = ({value}) {operator} {place}"),
        };
        found.push(Mutation::new(first.at..last.at, by));
    }
    // `if c {` is `if !(c) {} else {`.
    if first.text == "if" && last.text == "{" {
        let condition = line[first.range().end..last.at].trim();
        found.push(Mutation::new(first.at..last.at, format!("if !({condition}) {{}} else ")));
    }
    found
}
