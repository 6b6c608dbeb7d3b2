//! Checkpoints. Their SHA-256 is not checked in builds for fuzzing, so that what comes after is tried.
#![no_main]

use libfuzzer_sys::fuzz_target;
use verigrad::train::RunDir;
use verigrad_fuzz::{look_at, with_folder};

fuzz_target!(|bytes: &[u8]| {
    with_folder(|folder| {
        folder.write("recipe.toml", b"");
        folder.write("checkpoint/step-0000000001.safetensors", bytes);
        let run = look_at(RunDir::open(folder.path())).expect("it has a recipe");
        if let Some(loaded) = look_at(run.checkpoints().load()) {
            let state = loaded.checkpoint.state;
            let _ = (state.epochs_done(), state.steps_of_epochs_done(), state.step_in_epoch());
            let _ = state.epochs();
        }
    });
});
