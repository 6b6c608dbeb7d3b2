//! As much of Rust's grammar as the floor test needs: comments, texts, test modules and paths.

/// Replaces comments, texts and character literals by spaces; lines stay where they are.
pub fn blank_text_and_comments(source: &str) -> String {
    let chars: Vec<char> = source.chars().collect();
    let mut out = String::with_capacity(source.len());
    let mut i = 0;
    while i < chars.len() {
        let end = match token_to_blank(&chars, i) {
            Some(end) => end,
            None => {
                out.push(chars[i]);
                i += 1;
                continue;
            }
        };
        out.extend(chars[i..end].iter().map(|&c| if c == '\n' { '\n' } else { ' ' }));
        i = end;
    }
    out
}

/// The end of a comment or literal that starts at `i`, if one does.
fn token_to_blank(chars: &[char], i: usize) -> Option<usize> {
    let next = chars.get(i + 1).copied();
    match chars[i] {
        '/' if next == Some('/') => Some(position(chars, i, |c| c == '\n').unwrap_or(chars.len())),
        '/' if next == Some('*') => Some(end_of_block_comment(chars, i)),
        '"' => Some(end_of_quoted(chars, i, '"')),
        'r' if !follows_identifier(chars, i) => end_of_raw_text(chars, i),
        // A quote starts a character literal, not a lifetime, where it is closed at once or holds
        // an escape.
        '\'' if next == Some('\\') || chars.get(i + 2) == Some(&'\'') => {
            Some(end_of_quoted(chars, i, '\''))
        }
        _ => None,
    }
}

fn position(chars: &[char], from: usize, wanted: impl Fn(char) -> bool) -> Option<usize> {
    (from..chars.len()).find(|&i| wanted(chars[i]))
}

fn follows_identifier(chars: &[char], i: usize) -> bool {
    // The b of a raw byte text is no identifier of its own.
    let before = i.checked_sub(1).map(|i| chars[i]);
    before.is_some_and(|c| c != 'b' && is_word(c))
}

fn end_of_block_comment(chars: &[char], start: usize) -> usize {
    let mut depth = 0_usize;
    let mut i = start;
    while i + 1 < chars.len() {
        match (chars[i], chars[i + 1]) {
            ('/', '*') => depth += 1,
            ('*', '/') if depth == 1 => return i + 2,
            ('*', '/') => depth -= 1,
            _ => {
                i += 1;
                continue;
            }
        }
        i += 2;
    }
    chars.len()
}

fn end_of_quoted(chars: &[char], start: usize, quote: char) -> usize {
    let mut i = start + 1;
    while i < chars.len() {
        match chars[i] {
            '\\' => i += 2,
            c if c == quote => return i + 1,
            _ => i += 1,
        }
    }
    chars.len()
}

fn end_of_raw_text(chars: &[char], start: usize) -> Option<usize> {
    let open = position(chars, start + 1, |c| c != '#')?;
    if chars[open] != '"' {
        return None;
    }
    let hashes = open - start - 1;
    let closes = |&i: &usize| {
        chars[i] == '"' && (1..=hashes).all(|k| chars.get(i + k).is_some_and(|&c| c == '#'))
    };
    let close = (open + 1..chars.len()).find(closes);
    Some(close.map_or(chars.len(), |i| i + hashes + 1))
}

/// Replaces each `#[cfg(test)] mod name { ... }` by spaces. Works on blanked code.
pub fn blank_test_modules(code: &str) -> String {
    let mut out = code.to_owned();
    while let Some(start) = out.find("#[cfg(test)]") {
        let mut depth = 0_usize;
        let mut end = out.len();
        for (i, c) in out[start..].char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if (c == '}' || c == ';') && depth == 0 {
                end = start + i + 1;
                break;
            }
        }
        let blank: String =
            out[start..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
        out.replace_range(start..end, &blank);
    }
    out
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The identifiers of the code, with their line numbers.
pub fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    code.lines().enumerate().flat_map(|(line, text)| {
        let words = text.split(|c| !is_word(c)).filter(|word| !word.is_empty());
        words.map(move |word| (line + 1, word))
    })
}

/// The first names of all paths that start at `root` (`crate` or `std`), or that climb to the crate
/// root from a file `depth` modules below it by `super::`; groups in braces are opened.
pub fn paths_from(code: &str, root: &str, depth: usize) -> Vec<(usize, String)> {
    let mut starts: Vec<usize> = path_starts(code, &format!("{root}::")).collect();
    if depth < 16 {
        let climb = "super::".repeat(depth);
        starts.extend(path_starts(code, &climb));
    }
    let mut found = Vec::new();
    for start in starts {
        let line = 1 + code[..start].matches('\n').count();
        found.extend(first_names(&code[start..]).into_iter().map(|name| (line, name)));
    }
    found.sort();
    found
}

/// Where the text behind each occurrence of `prefix` as a whole path prefix starts.
fn path_starts<'a>(code: &'a str, prefix: &'a str) -> impl Iterator<Item = usize> + 'a {
    code.match_indices(prefix).filter_map(move |(i, _)| {
        let whole = !code[..i].ends_with(|c| is_word(c) || c == ':' || c == '$');
        whole.then_some(i + prefix.len())
    })
}

/// The name that `text` starts with, or the first names of a group in braces.
fn first_names(text: &str) -> Vec<String> {
    let Some(group) = text.strip_prefix('{') else {
        return vec![text.chars().take_while(|&c| is_word(c)).collect()];
    };
    let mut names = vec![String::new()];
    let mut depth = 0_usize;
    let mut in_first = true;
    for c in group.chars() {
        match c {
            '}' if depth == 0 => break,
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                names.push(String::new());
                in_first = true;
            }
            c if depth == 0 && in_first && is_word(c) => {
                names.last_mut().expect("it starts with one").push(c);
            }
            ':' => in_first = false,
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

#[test]
fn comments_and_texts_are_blanked_and_lifetimes_are_kept() {
    let blanked = blank_text_and_comments("a /* b /* c */ d */ e 'x' '\\'' <'a> r#\"f\"#; // g\nh");
    let left: Vec<_> = words(&blanked).collect();
    assert_eq!(left, [(1, "a"), (1, "e"), (1, "a"), (2, "h")]);
}

#[test]
fn test_modules_are_blanked() {
    let code = "use crate::ops;\n#[cfg(test)]\nmod tests {\n fn f() {}\n}\nuse crate::exec;";
    let found = paths_from(&blank_test_modules(code), "crate", usize::MAX);
    assert_eq!(found, [(1, "ops".to_owned()), (6, "exec".to_owned())]);
}

#[test]
fn groups_and_climbing_paths_are_seen() {
    let code = "use crate::{graph::{Op, Case}, train};\nuse super::super::cli::X;\nsuper::a();";
    let found = paths_from(code, "crate", 2);
    let names: Vec<&str> = found.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(names, ["graph", "train", "cli"]);
    assert_eq!(paths_from(code, "crate", 1).len(), 4);
}
