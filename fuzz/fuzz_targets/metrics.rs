//! The tables that a run leaves: which one, the first byte says.
#![no_main]

use libfuzzer_sys::fuzz_target;
use verigrad::train::RunDir;
use verigrad_fuzz::{look_at, with_folder};

const NAMES: [&str; 3] = ["metrics.csv", "steps.csv", "predictions.csv"];

fuzz_target!(|bytes: &[u8]| {
    let Some((&which, bytes)) = bytes.split_first() else { return };
    with_folder(|folder| {
        folder.write("recipe.toml", b"");
        let which = usize::from(which) % NAMES.len();
        folder.write(NAMES[which], bytes);
        let run = look_at(RunDir::open(folder.path())).expect("it has a recipe");
        match which {
            0 => drop(look_at(run.epochs())),
            1 => drop(look_at(run.steps())),
            _ => {
                if let Some(Some(predictions)) = look_at(run.predictions()) {
                    let classes: Vec<String> =
                        (0..predictions.classes).map(|class| class.to_string()).collect();
                    let _ = predictions.evaluate(&classes);
                }
            }
        }
    });
});
