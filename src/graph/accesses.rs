//! Rewriting the accesses to a kernel's bindings in its WGSL text.

/// One access `name[index]` in a text.
pub(super) struct Access<'a> {
    /// Position of the binding among those that are rewritten.
    pub binding: usize,
    /// Text of the index, rewritten already.
    pub index: &'a str,
    /// Text of the value that is assigned to it, rewritten already; none where it is read.
    pub value: Option<&'a str>,
}

/// A binding as its text declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Declaration {
    /// The whole line.
    pub line: String,
    /// Name of the binding.
    pub name: String,
    /// Type of its elements as the text has it, which may be an alias.
    pub element: String,
}

/// The declaration of storage binding `number`, an array of elements.
pub(super) fn declaration(source: &str, number: usize) -> Option<Declaration> {
    let mark = format!("@binding({number}) var<storage, ");
    let line = source.lines().find(|line| line.contains(&mark))?;
    let (_, rest) = line.split_once("> ")?;
    let (name, element) = rest.trim_end().strip_suffix(">;")?.split_once(": array<")?;
    let [line, name, element] = [line, name, element].map(str::to_owned);
    Some(Declaration { line, name, element })
}

/// What an alias of the text stands for.
pub(super) fn resolved(source: &str, name: &str) -> String {
    let start = format!("alias {name} = ");
    let meaning = source.lines().find_map(|line| line.strip_prefix(&start)?.strip_suffix(';'));
    meaning.map_or_else(|| name.to_owned(), |meaning| resolved(source, meaning))
}

/// Rewrites every access to one of the bindings `names` by `rewritten`. None where that gives none,
/// or where an element is changed in place, as by `+=`.
pub(super) fn rewrite(
    text: &str,
    names: &[String],
    rewritten: &dyn Fn(Access<'_>) -> Option<String>,
) -> Option<String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut result = String::with_capacity(text.len() + text.len() / 8);
    // Up to where the text has been taken over, and from where the next bracket is looked for.
    let [mut taken, mut from] = [0, 0];
    while let Some(found) = text[from..].find('[') {
        let bracket = from + found;
        let before = text[..bracket].trim_end_matches(is_word);
        let name = &text[before.len()..bracket];
        let in_comment = before.rsplit('\n').next().is_some_and(|line| line.contains("//"));
        let binding = names.iter().position(|listed| listed == name);
        match binding.filter(|_| !in_comment && !before.ends_with('.')) {
            Some(binding) => {
                let (access, behind) = rewrite_access(binding, &text[bracket..], names, rewritten)?;
                result.push_str(&text[taken..before.len()]);
                result.push_str(&access);
                taken = text.len() - behind.len();
                from = taken;
            }
            None => from = bracket + 1,
        }
    }
    result.push_str(&text[taken..]);
    Some(result)
}

/// Rewrites one access, whose text goes on with `[index]`: the new text, and what follows it.
fn rewrite_access<'a>(
    binding: usize,
    text: &'a str,
    names: &[String],
    rewritten: &dyn Fn(Access<'_>) -> Option<String>,
) -> Option<(String, &'a str)> {
    let (index, behind) = text.split_at(closing(text)? + 1);
    let index = rewrite(&index[1..index.len() - 1], names, rewritten)?;
    // What is read, changed and stored again would be rounded on the way.
    let next = behind.trim_start();
    if ["+=", "-=", "*=", "/="].iter().any(|operator| next.starts_with(operator)) {
        return None;
    }
    let assigned = next.strip_prefix('=').filter(|value| !value.starts_with('='));
    match assigned {
        Some(value) => {
            let (value, behind) = value.split_at(value.find(';')?);
            let value = rewrite(value.trim(), names, rewritten)?;
            Some((rewritten(Access { binding, index: &index, value: Some(&value) })?, behind))
        }
        None => Some((rewritten(Access { binding, index: &index, value: None })?, behind)),
    }
}

/// Position of the bracket that closes the one at the start.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    text.char_indices().find_map(|(at, c)| {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.checked_sub(1)?,
            _ => {}
        }
        (depth == 0).then_some(at)
    })
}
