//! Reads a Rust file into modules: names defined, names imported, and paths used.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::ext::IdentExt as _;
use syn::visit::{self, Visit};
use syn::{Attribute, Ident, Item, ItemMod, ItemUse, Stmt, UseTree, Visibility};

use super::modules::{Import, Module, ModulePath, Name};

/// Adds the modules of a file to `modules`, and the paths of modules for tests to `tests`.
pub fn read(
    file: usize,
    module: ModulePath,
    path: &str,
    text: &str,
    modules: &mut BTreeMap<ModulePath, Module>,
    tests: &mut BTreeSet<ModulePath>,
) {
    let parsed = syn::parse_file(text).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut reader = Reader { file, at: module, modules, tests };
    reader.module();
    for item in &parsed.items {
        reader.visit_item(item);
    }
}

struct Reader<'a> {
    file: usize,
    at: ModulePath,
    modules: &'a mut BTreeMap<ModulePath, Module>,
    tests: &'a mut BTreeSet<ModulePath>,
}

impl Reader<'_> {
    /// The module that is being read.
    fn module(&mut self) -> &mut Module {
        let new = Module { file: self.file, ..Module::default() };
        self.modules.entry(self.at.clone()).or_insert(new)
    }

    fn define(&mut self, ident: &Ident, name: Name) {
        self.module().names.entry(ident.unraw().to_string()).or_default().push(name);
    }

    fn import(&mut self, tree: &UseTree, before: &[String], exported: bool) {
        let with = |ident: &Ident| [before, &[ident.unraw().to_string()]].concat();
        match tree {
            UseTree::Path(path) => self.import(&path.tree, &with(&path.ident), exported),
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.import(tree, before, exported);
                }
            }
            UseTree::Glob(_) => self.module().globs.push(before.to_vec()),
            // `use a::{self, b}`
            UseTree::Name(name) if name.ident == "self" => {
                let last = before.last().cloned();
                self.add_import(before.to_vec(), last, exported);
            }
            UseTree::Name(name) => {
                self.add_import(with(&name.ident), Some(name.ident.unraw().to_string()), exported);
            }
            UseTree::Rename(rename) => {
                let to = Some(rename.rename.unraw().to_string()).filter(|name| name != "_");
                self.add_import(with(&rename.ident), to, exported);
            }
        }
    }

    fn add_import(&mut self, path: Vec<String>, name: Option<String>, exported: bool) {
        let module = self.module();
        if let Some(name) = &name {
            module.names.entry(name.clone()).or_default().push(Name::Import(path.clone()));
        }
        module.imports.push(Import { path, name, exported });
    }

    /// Paths in the tokens of a macro, which follow no grammar.
    fn scan(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.add_path(std::mem::take(&mut path));
                    }
                    path.push(ident.unraw().to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Group(group) => {
                    self.add_path(std::mem::take(&mut path));
                    self.scan(group.stream());
                    colons = 0;
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {
                    self.add_path(std::mem::take(&mut path));
                    colons = 0;
                }
            }
        }
        self.add_path(path);
    }

    fn add_path(&mut self, path: Vec<String>) {
        if !path.is_empty() {
            self.module().paths.insert(path);
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if let Item::Mod(module) = item {
            return self.visit_item_mod(module);
        }
        let (attributes, ident) = attributes_and_name(item);
        if is_for_tests(attributes) {
            return;
        }
        if let Some(ident) = ident {
            self.define(ident, Name::Item);
        }
        visit::visit_item(self, item);
    }

    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        let inner = [&self.at[..], &[module.ident.unraw().to_string()]].concat();
        if is_for_tests(&module.attrs) {
            self.tests.insert(inner);
            return;
        }
        self.define(&module.ident, Name::Module);
        if let Some((_, items)) = &module.content {
            let outer = std::mem::replace(&mut self.at, inner);
            self.module();
            for item in items {
                self.visit_item(item);
            }
            self.at = outer;
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        // `::half::f16` is of another crate, even where a module is called so.
        if item.leading_colon.is_none() {
            self.import(&item.tree, &[], !matches!(item.vis, Visibility::Inherited));
        }
    }

    fn visit_stmt(&mut self, statement: &'ast Stmt) {
        let attributes: &[Attribute] = match statement {
            Stmt::Local(local) => &local.attrs,
            Stmt::Macro(invocation) => &invocation.attrs,
            Stmt::Item(_) | Stmt::Expr(..) => &[],
        };
        if !is_for_tests(attributes) {
            visit::visit_stmt(self, statement);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() {
            self.add_path(path.segments.iter().map(|s| s.ident.unraw().to_string()).collect());
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, invocation: &'ast syn::Macro) {
        self.visit_path(&invocation.path);
        self.scan(invocation.tokens.clone());
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        if !is_for_tests(&function.attrs) {
            visit::visit_impl_item_fn(self, function);
        }
    }

    /// Attributes name derives and options, not what the file is made of.
    fn visit_attribute(&mut self, _: &'ast Attribute) {}
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<Ident>().is_ok_and(|condition| condition == "test")
            || attribute.path().is_ident("test")
    })
}

fn attributes_and_name(item: &Item) -> (&[Attribute], Option<&Ident>) {
    match item {
        Item::Const(item) => (&item.attrs, Some(&item.ident)),
        Item::Enum(item) => (&item.attrs, Some(&item.ident)),
        Item::Fn(item) => (&item.attrs, Some(&item.sig.ident)),
        Item::Static(item) => (&item.attrs, Some(&item.ident)),
        Item::Struct(item) => (&item.attrs, Some(&item.ident)),
        Item::Trait(item) => (&item.attrs, Some(&item.ident)),
        Item::TraitAlias(item) => (&item.attrs, Some(&item.ident)),
        Item::Type(item) => (&item.attrs, Some(&item.ident)),
        Item::Union(item) => (&item.attrs, Some(&item.ident)),
        Item::Macro(item) => (&item.attrs, item.ident.as_ref()),
        Item::Impl(item) => (&item.attrs, None),
        Item::Use(item) => (&item.attrs, None),
        _ => (&[], None),
    }
}
