//! Dispatches and barriers of every built-in recipe, in `tests/dispatches/counts.txt`: small steps on a
//! real GPU take as long as these do, so that none may creep in unseen.
//!
//! After a change that is meant, `VERIGRAD_BLESS=1 cargo test --test dispatches` writes them anew.

#![expect(clippy::panic, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use verigrad::compile::Picks;
use verigrad::data::{Dataset, Splits};
use verigrad::graph::Caps;
use verigrad::train::{Recipe, RunPrograms, builtin_recipes};

/// A GPU with subgroups of 32, as an NVIDIA card offers them.
fn gpu() -> Caps {
    Caps {
        max_invocations: 1024,
        max_workgroup_storage: 49_152,
        max_storage_buffers: 524_288,
        max_binding_bytes: 2047 << 20,
        max_buffer_bytes: 4094 << 20,
        subgroup_size: Some(32),
        f16: true,
        cooperative_size: Some(16),
        ..Caps::webgpu_default()
    }
}

/// Examples of the shape that a recipe trains on; what they show does not matter.
fn examples(recipe: &Recipe) -> Splits {
    let size = recipe.data.image_size;
    let image = recipe.data.dataset.image().or_else(|| size.map(|[h, w]| [h, w, 3]));
    let image = image.unwrap_or_else(|| panic!("{} has images of any size", recipe.name));
    let classes = recipe.data.dataset.classes().unwrap_or(1000);
    let classes: Vec<String> = (0..classes).map(|class| class.to_string()).collect();
    let bytes: usize = image.iter().product();
    // Enough steps for the warmup of any recipe.
    let n = recipe.batch_size * if bytes > 100_000 { 1 } else { 8 };
    let pixels = vec![0; n * bytes];
    let set = Dataset::new("examples", pixels, vec![0; n], image, classes).expect("it is whole");
    Splits { train: set.clone(), validation: None, test: set, account: Default::default() }
}

fn counts(name: &str, set: &[&str], caps: &Caps) -> String {
    let set: Vec<String> = set.iter().map(|&set| set.to_owned()).collect();
    let recipe = Recipe::builtin(name, &set).expect("a built-in recipe");
    let programs = RunPrograms::compile(&recipe, &examples(&recipe), caps, &Picks::default());
    let programs = programs.unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut counts = String::new();
    for program in programs.iter().take(2) {
        let launches = program.launches();
        let _ = write!(counts, "{:>12}{:>10}", launches.dispatches, launches.barriers);
    }
    let memory = programs.training().total_bytes() >> 10;
    let set = set.join(" ");
    format!("{:<46}{counts}{memory:>12}\n", format!("{name} {set}"))
}

fn table() -> String {
    let mut table = format!(
        "{:<46}{:>12}{:>10}{:>12}{:>10}{:>12}\n",
        "", "training:", "", "evaluation:", "", ""
    );
    let head = ["dispatches", "barriers", "dispatches", "barriers"];
    let _ = writeln!(
        table,
        "{:<46}{:>12}{:>10}{:>12}{:>10}{:>12}",
        "recipe", head[0], head[1], head[2], head[3], "KiB"
    );
    for recipe in builtin_recipes() {
        table += &counts(recipe.name, &[], &gpu());
    }
    table += &counts("cifar10-resnet18", &["precision=f16"], &gpu());
    table += &counts("mnist-cnn", &["precision=f16"], &gpu());
    table
}

#[test]
fn steps_take_as_many_dispatches_and_barriers_as_before() {
    let bless = std::env::var_os("VERIGRAD_BLESS").is_some_and(|value| value == "1");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dispatches/counts.txt");
    let now = table();
    let kept = fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
    if bless {
        fs::write(&path, &now).expect("the file can be written");
    } else {
        assert_eq!(
            kept, now,
            "not as in tests/dispatches/counts.txt; where this is meant, `VERIGRAD_BLESS=1 cargo \
             test --test dispatches` writes it anew"
        );
    }
}
