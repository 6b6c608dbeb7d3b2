//! The modules of a crate as its files declare them, and where a name that a file uses is defined.

use std::collections::{BTreeMap, BTreeSet};

use super::reading;

/// Names of the modules from the crate root to a module.
pub type ModulePath = Vec<String>;

/// What a name of a module stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// A module below it.
    Module,
    /// Something that its own file defines.
    Item,
    /// Something else, by the path of a `use`.
    Import(Vec<String>),
}

/// One leaf of a `use`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// Path as it is written, without braces and `as`.
    pub path: Vec<String>,
    /// Name that it has here; none for `as _`.
    pub name: Option<String>,
    /// Whether others may take it from here: `pub use`, in part or in whole.
    pub exported: bool,
}

/// A module, whether it has a file of its own or stands in braces.
#[derive(Debug, Default)]
pub struct Module {
    /// Position of its file.
    pub file: usize,
    /// What its names stand for. Types, values and modules may share a name.
    pub names: BTreeMap<String, Vec<Name>>,
    /// Modules all of whose names are taken over.
    pub globs: Vec<Vec<String>>,
    /// Leaves of its `use` items, but for globs.
    pub imports: Vec<Import>,
    /// Paths in its code, single names among them.
    pub paths: BTreeSet<Vec<String>>,
}

/// Where a path leads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Target {
    Module(ModulePath),
    /// An item of the file at this position, or something within one.
    Item(usize),
}

/// For each pair of files of which the first uses the second: the names that tie them.
pub type Ties = BTreeMap<(String, String), BTreeSet<String>>;

/// All modules of a crate but those for tests.
#[derive(Debug)]
pub struct Modules {
    files: Vec<String>,
    modules: BTreeMap<ModulePath, Module>,
}

impl Modules {
    /// Reads a crate from its files: paths below the crate's root, such as `ops/mod.rs`, and texts.
    pub fn of(files: &[(String, String)]) -> Self {
        let mut modules = BTreeMap::new();
        let mut tests = BTreeSet::new();
        for (file, (path, text)) in files.iter().enumerate() {
            reading::read(file, module_of(path), path, text, &mut modules, &mut tests);
        }
        modules.retain(|path: &ModulePath, _| !tests.iter().any(|test| path.starts_with(test)));
        Self { files: files.iter().map(|(path, _)| path.clone()).collect(), modules }
    }

    /// Which file uses what from which other. A name counts where it is defined, not where it is
    /// handed on; and a file that only hands a name on does not use it.
    pub fn ties(&self) -> Ties {
        let mut ties = Ties::new();
        for (at, module) in &self.modules {
            let firsts: BTreeSet<&String> = module.paths.iter().filter_map(|p| p.first()).collect();
            let is_used = |import: &&Import| {
                !import.exported || import.name.as_ref().is_some_and(|name| firsts.contains(name))
            };
            let imported = module.imports.iter().filter(is_used).map(|import| &import.path);
            for path in imported.chain(&module.paths) {
                for target in self.resolve(at, path, &mut BTreeSet::new()) {
                    if let Target::Item(file) = target
                        && file != module.file
                    {
                        let pair = (self.files[module.file].clone(), self.files[file].clone());
                        ties.entry(pair).or_default().insert(self.shown(at, path));
                    }
                }
            }
        }
        ties
    }

    /// The end of a path that names something, without the modules before it.
    fn shown(&self, at: &ModulePath, path: &[String]) -> String {
        let is_module = |length: &usize| {
            let targets = self.resolve(at, &path[..*length], &mut BTreeSet::new());
            targets.iter().any(|target| matches!(target, Target::Module(_)))
        };
        let modules = (1..path.len()).rev().find(is_module).unwrap_or_default();
        path[modules..].join("::")
    }

    /// Where a path leads that stands in the module `from`; nowhere for names of other crates.
    /// `seen` are the names that are being looked up: imports may go round in circles.
    fn resolve(
        &self,
        from: &ModulePath,
        path: &[String],
        seen: &mut BTreeSet<(ModulePath, String)>,
    ) -> BTreeSet<Target> {
        let mut targets = BTreeSet::from([Target::Module(from.clone())]);
        for segment in path {
            let (mut found, mut within) = (BTreeSet::new(), BTreeSet::new());
            for target in targets {
                match target {
                    Target::Module(module) => found.extend(self.step(&module, segment, seen)),
                    Target::Item(file) => {
                        within.insert(Target::Item(file));
                    }
                }
            }
            // A module and a function may share a name; only one of them goes on.
            targets = if found.is_empty() { within } else { found };
        }
        targets
    }

    fn step(
        &self,
        module: &ModulePath,
        segment: &str,
        seen: &mut BTreeSet<(ModulePath, String)>,
    ) -> BTreeSet<Target> {
        let of_module = |path: &[String]| BTreeSet::from([Target::Module(path.to_vec())]);
        match segment {
            "crate" => of_module(&[]),
            "self" => of_module(module),
            "super" => of_module(&module[..module.len().saturating_sub(1)]),
            name => self.look_up(module, name, seen),
        }
    }

    fn look_up(
        &self,
        at: &ModulePath,
        name: &str,
        seen: &mut BTreeSet<(ModulePath, String)>,
    ) -> BTreeSet<Target> {
        let key = (at.clone(), name.to_owned());
        let Some(module) = self.modules.get(at) else { return BTreeSet::new() };
        if !seen.insert(key.clone()) {
            return BTreeSet::new();
        }
        let mut found = BTreeSet::new();
        for meaning in module.names.get(name).into_iter().flatten() {
            match meaning {
                Name::Module => {
                    found.insert(Target::Module([&at[..], &[name.to_owned()]].concat()));
                }
                Name::Item => {
                    found.insert(Target::Item(module.file));
                }
                Name::Import(path) => found.extend(self.resolve(at, path, seen)),
            }
        }
        if found.is_empty() {
            for glob in &module.globs {
                for target in self.resolve(at, glob, seen) {
                    if let Target::Module(other) = target {
                        found.extend(self.look_up(&other, name, seen));
                    }
                }
            }
        }
        seen.remove(&key);
        found
    }
}

/// The module whose file lies at `path` below the crate's root.
fn module_of(path: &str) -> ModulePath {
    let stem = path.trim_end_matches(".rs");
    let stem = stem.strip_suffix("/mod").unwrap_or(stem);
    match stem {
        "lib" | "mod" => Vec::new(),
        _ => stem.split('/').map(str::to_owned).collect(),
    }
}
