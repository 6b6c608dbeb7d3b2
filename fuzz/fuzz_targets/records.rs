//! The JSON that a run leaves: which record, the first byte says.
#![no_main]

use libfuzzer_sys::fuzz_target;
use verigrad::train::RunDir;
use verigrad_fuzz::{look_at, with_folder};

const NAMES: [&str; 6] = [
    "model.json",
    "result.json",
    "evaluation.json",
    "data.json",
    "device.json",
    "histograms.jsonl",
];

fuzz_target!(|bytes: &[u8]| {
    let Some((&which, bytes)) = bytes.split_first() else { return };
    with_folder(|folder| {
        folder.write("recipe.toml", b"");
        let which = usize::from(which) % NAMES.len();
        folder.write(NAMES[which], bytes);
        let run = look_at(RunDir::open(folder.path())).expect("it has a recipe");
        match which {
            0 => drop(look_at(run.model())),
            1 => drop(look_at(run.result())),
            2 => drop(look_at(run.evaluation())),
            3 => drop(look_at(run.data())),
            4 => drop(look_at(run.device())),
            _ => drop(look_at(run.histograms())),
        }
    });
});
