//! Finds the numbers of host kernels in Rust texts, and puts calls in their place.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

use proc_macro2::Span;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{
    Attribute, Expr, ExprLit, ExprPath, ExprRepeat, File, GenericArgument, ImplItemFn, ItemConst,
    ItemFn, ItemMod, ItemStatic, Lit, Meta, Pat, Signature, Type, TypeArray,
};

/// A number of a host kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub file: String,
    pub line_number: usize,
    /// Text of the line.
    pub line: String,
    /// Where the number is in the line, in bytes.
    pub columns: Range<usize>,
    pub is_float: bool,
}

impl Place {
    /// The changes that are tried.
    pub fn changes(&self) -> &'static [usize] {
        // Zero has one.
        let zero = self.line[self.columns.clone()].trim_end_matches(['.', '0']).is_empty();
        if zero { &[0] } else { &[0, 1] }
    }

    /// The line with a change, as `number.rs` makes it.
    pub fn changed(&self, change: usize) -> String {
        let old = &self.line[self.columns.clone()];
        let new = match (self.is_float, self.changes().len(), change) {
            (_, 1, _) => "1".to_owned(),
            (true, _, 0) => format!("(2.0 * {old})"),
            (true, ..) => format!("(-{old})"),
            (false, _, 0) => format!("({old} + 1)"),
            (false, ..) => format!("({old} - 1)"),
        };
        let line = &self.line;
        format!("{}{new}{}", &line[..self.columns.start], &line[self.columns.end..])
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line_number)
    }
}

/// Names of the constants of a text that are floats. Those that are integers say how much is done at once.
fn floats(file: &File) -> BTreeSet<String> {
    struct Floats(BTreeSet<String>);
    impl<'ast> Visit<'ast> for Floats {
        fn visit_item_const(&mut self, item: &'ast ItemConst) {
            let Type::Path(ty) = &*item.ty else { return };
            if ty.path.is_ident("f32") || ty.path.is_ident("f64") {
                self.0.insert(item.ident.to_string());
            }
        }
    }
    let mut floats = Floats(BTreeSet::new());
    floats.visit_file(file);
    floats.0
}

/// The text of a file with calls of `crate::mutants::number` for the numbers in the bodies of its functions,
/// or of those that make host kernels, and the places of these numbers, of which the first has the number
/// `first`.
pub fn rewritten(file: &str, text: &str, first: usize) -> (String, Vec<Place>) {
    let parsed = syn::parse_file(text).expect("Rust");
    let all = file.split(['/', '.']).any(|part| part.starts_with("cpu"));
    let floats = floats(&parsed);
    let mut finder = Finder { all, inside: false, floats, found: Vec::new() };
    finder.visit_file(&parsed);
    let mut found = finder.found;
    found.sort_by_key(|(range, _)| range.start);
    let mut places = Vec::new();
    let mut rewritten = String::new();
    let mut copied = 0;
    for (i, (range, is_float)) in found.into_iter().enumerate() {
        let line_start = text[..range.start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[range.end..].find('\n').map_or(text.len(), |at| range.end + at);
        let indent = text[line_start..].len() - text[line_start..].trim_start().len();
        let start = line_start + indent;
        places.push(Place {
            file: file.to_owned(),
            line_number: text[..range.start].lines().count().max(1),
            line: text[start..line_end].trim_end().to_owned(),
            columns: range.start - start..range.end - start,
            is_float,
        });
        rewritten.push_str(&text[copied..range.start]);
        let number = &text[range.clone()];
        rewritten.push_str(&format!("crate::mutants::number({}, {number})", first + i));
        copied = range.end;
    }
    rewritten.push_str(&text[copied..]);
    (rewritten, places)
}

struct Finder {
    /// Whether every function is one of host kernels.
    all: bool,
    /// Whether this is the body of such a function.
    inside: bool,
    /// Constants that are floats.
    floats: BTreeSet<String>,
    found: Vec<(Range<usize>, bool)>,
}

impl Finder {
    fn function(&mut self, signature: &Signature, visit: impl FnOnce(&mut Self)) {
        let makes = signature.ident.to_string().starts_with("host_kernel");
        // What runs while the compiler does cannot ask.
        let inside = signature.constness.is_none() && (self.inside || self.all || makes);
        let before = std::mem::replace(&mut self.inside, inside);
        visit(self);
        self.inside = before;
    }

    fn add(&mut self, span: Span, is_float: bool) {
        if self.inside {
            self.found.push((span.byte_range(), is_float));
        }
    }
}

impl<'ast> Visit<'ast> for Finder {
    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        self.function(&item.sig, |finder| visit::visit_block(finder, &item.block));
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        self.function(&item.sig, |finder| visit::visit_block(finder, &item.block));
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        let test = |attribute: &Attribute| match &attribute.meta {
            Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string() == "test",
            _ => false,
        };
        if !item.attrs.iter().any(test) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_expr_lit(&mut self, literal: &'ast ExprLit) {
        match &literal.lit {
            Lit::Int(_) => self.add(literal.span(), false),
            Lit::Float(_) => self.add(literal.span(), true),
            _ => {}
        }
    }

    fn visit_expr_path(&mut self, path: &'ast ExprPath) {
        if let Some(name) = path.path.get_ident()
            && self.floats.contains(&name.to_string())
        {
            self.add(path.span(), true);
        }
    }

    fn visit_expr(&mut self, expr: &'ast Expr) {
        match expr {
            Expr::Const(_) => {}
            Expr::Repeat(ExprRepeat { expr, .. }) => self.visit_expr(expr),
            _ => visit::visit_expr(self, expr),
        }
    }

    // Numbers that the compiler needs.
    fn visit_pat(&mut self, _: &'ast Pat) {}
    fn visit_item_const(&mut self, _: &'ast ItemConst) {}
    fn visit_item_static(&mut self, _: &'ast ItemStatic) {}
    fn visit_type_array(&mut self, _: &'ast TypeArray) {}
    fn visit_generic_argument(&mut self, _: &'ast GenericArgument) {}
    fn visit_attribute(&mut self, _: &'ast Attribute) {}
}
