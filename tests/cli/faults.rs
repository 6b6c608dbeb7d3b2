//! Devices that are lost, hang, or have too little memory, at any moment of any command: by faults that are
//! planted into the binary.

use super::resume::{folder_with_recipe, left_by, succeeds};
use super::*;

const FAULTS: &str = "VERIGRAD_TEST_FAULTS";
/// Two epochs of eight steps on a GPU, which without a real one is software.
const SMALL: [&str; 8] = [
    "--device",
    "gpu",
    "--set",
    "epochs=2",
    "--set",
    "data.train_size=160",
    "--set",
    "checkpoint.every=3",
];

/// Runs the binary with faults, and tells how many happened and what was counted.
fn with_faults(folder: &Path, args: &[&str], faults: &str) -> (Output, u64, u64) {
    let output = Command::new(env!("CARGO_BIN_EXE_verigrad"))
        .args(args)
        .current_dir(folder)
        .env_remove("VERIGRAD_DATA")
        .env_remove("RUST_LOG")
        .env(FAULTS, faults)
        .output()
        .expect("the binary starts");
    let said = stderr(&output);
    assert!(!said.contains("panicked"), "{args:?} with {faults}: {said}");
    let told = said.lines().find_map(|line| line.strip_prefix(FAULTS)?.strip_prefix(": "));
    let told = told.unwrap_or_else(|| unreachable!("{args:?} with {faults}: {said}"));
    let numbers = told.split([' ', ',']).filter_map(|word| word.parse().ok());
    let [happened, count] = numbers.collect::<Vec<u64>>()[..] else { unreachable!("{told}") };
    (output, happened, count)
}

/// Counts in a command of `count`: the first, the last, and some in between.
fn moments(count: u64, some: u64) -> Vec<u64> {
    // The golden ratio spreads them evenly, whatever their number.
    let between = (1..=some).map(|n| n * 618 * count / 1000 % count);
    [0].into_iter().chain(between).chain([count - 1]).collect()
}

fn train_args() -> Vec<&'static str> {
    [&["train", "tiny.toml"], &SMALL[..]].concat()
}

/// Whatever the moment, and also twice, the run ends with the bits of one that nothing disturbed.
#[test]
fn a_training_whose_device_is_lost_ends_with_the_same_bits() {
    let folder = folder_with_recipe();
    let (output, _, count) = with_faults(folder.path(), &train_args(), "count");
    assert!(output.status.success(), "{}", stderr(&output));
    let straight = left_by(folder.path());
    let mut plans: Vec<String> = moments(count, 4).iter().map(|at| format!("lost@{at}")).collect();
    plans.push(format!("lost@{}, lost@{}, lost@{count}", count / 3, count * 3 / 4));
    let mut happened_in_all = 0;
    for plan in &plans {
        let folder = folder_with_recipe();
        let (output, happened, _) = with_faults(folder.path(), &train_args(), plan);
        let said = stderr(&output);
        assert!(output.status.success(), "{plan}: {said}");
        assert_eq!(said.contains("was lost"), happened > 0, "{plan}: {said}");
        assert_eq!(
            said.matches("it is opened again in").count() as u64,
            happened,
            "{plan}: {said}"
        );
        assert!(left_by(folder.path()) == straight, "{plan}: other bits\n{said}");
        assert!(folder.path().join("runs/tiny-1/evaluation.json").is_file(), "{plan}");
        assert_eq!(fs::read_dir(folder.path().join("runs")).expect("a folder").count(), 1);
        happened_in_all += happened;
    }
    // How much is counted depends on the clock a little, so that the last ones may be too late.
    assert!(happened_in_all >= plans.len() as u64, "{happened_in_all} faults in {plans:?}");
}

/// A device that does not come back ends the run with what it has, from which it goes on.
#[test]
fn a_training_whose_device_is_removed_says_how_to_go_on() {
    let folder = folder_with_recipe();
    let (_, _, count) = with_faults(folder.path(), &train_args(), "count");
    let straight = left_by(folder.path());
    let folder = folder_with_recipe();
    let early = with_faults(folder.path(), &train_args(), "removed@9").0;
    assert_eq!(early.status.code(), Some(1), "{}", stderr(&early));
    assert!(stderr(&early).contains("there is no checkpoint yet"), "{}", stderr(&early));
    let folder = folder_with_recipe();
    let plan = format!("removed@{}", count * 2 / 3);
    let (output, ..) = with_faults(folder.path(), &train_args(), &plan);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in ["(3 of 3)", "is not there any more", "all is kept up to step", "error:"] {
        assert!(said.contains(part), "no {part:?} in:\n{said}");
    }
    assert!(said.contains("verigrad train --resume runs/tiny-1"), "{said}");
    // Also the session that goes on may lose its device.
    let resume = ["train", "--resume", "runs/tiny-1"];
    let (output, happened, _) = with_faults(folder.path(), &resume, "lost@50");
    assert!(output.status.success() && happened == 1, "{}", stderr(&output));
    assert!(left_by(folder.path()) == straight, "other bits\n{}", stderr(&output));
    assert!(succeeds(folder.path(), &resume).contains("has finished"));
}

/// A device that is lost again and again, while the run gets no further, is given up.
#[test]
fn a_training_that_gets_no_further_ends() {
    let folder = folder_with_recipe();
    let plan: Vec<String> = (0..100).map(|n| format!("lost@{}", 5 * n)).collect();
    let (output, happened, _) = with_faults(folder.path(), &train_args(), &plan.join(","));
    let said = stderr(&output);
    assert_eq!((output.status.code(), happened), (Some(1), 4), "{said}");
    assert!(said.contains("was to be opened again 3 times"), "{said}");
}

/// What a command does whose device is lost.
#[derive(Clone, Copy, PartialEq)]
enum Then {
    /// The same as without, on the device opened again.
    Same,
    /// An error.
    Fails,
}

/// Every command ends in order: with what it would have told, or an error that names the loss.
#[test]
fn every_command_ends_in_order_when_its_device_is_lost() {
    let folder = folder_with_recipe();
    succeeds(folder.path(), &train_args());
    image::GrayImage::from_pixel(28, 28, image::Luma([9]))
        .save(folder.path().join("a.png"))
        .expect("a picture");
    let small: Vec<&str> = SMALL.to_vec();
    let run = "runs/tiny-1";
    let gpu = ["--device", "gpu"];
    let tune = ["tune", "tiny.toml", "-o", "picks.toml", "--budget", "1"];
    let bench = ["bench", "tiny.toml", "--seconds", "0", "--repetitions", "1"];
    let commands: [(Vec<&str>, Then); 10] = [
        ([&["eval", run], &gpu[..]].concat(), Then::Same),
        ([&["predict", run, "a.png"], &gpu[..]].concat(), Then::Same),
        ([&["compare", run, "tiny.toml"], &small[..]].concat(), Then::Same),
        ([&["ensemble", "tiny.toml", "--members", "2"], &small[..]].concat(), Then::Same),
        ([&["analyze", "quantize", run, "--calibration", "32"], &gpu[..]].concat(), Then::Same),
        ([&["analyze", "saliency", run], &gpu[..]].concat(), Then::Same),
        ([&["analyze", "adversarial", run, "--first", "32"], &gpu[..]].concat(), Then::Same),
        ([&["doctor", "scale", "--quick", "--jobs", "1"], &gpu[..]].concat(), Then::Fails),
        ([&tune[..], &gpu[..]].concat(), Then::Fails),
        ([&bench[..], &small[..]].concat(), Then::Fails),
    ];
    for (args, then) in &commands {
        let in_folder = |runs: &'static str| match args[0] {
            // An ensemble takes members that are there.
            "compare" | "ensemble" => [&args[..], &["--runs", runs]].concat(),
            _ => args.clone(),
        };
        let (straight, _, count) = with_faults(folder.path(), &in_folder("undisturbed"), "count");
        assert!(straight.status.success(), "{args:?}: {}", stderr(&straight));
        // The device of which facts are asked is another one: its loss costs no more than these.
        let from = usize::from(args[0] == "doctor");
        for (at, runs) in moments(count, 1).into_iter().zip(["0", "1", "2"]).skip(from) {
            let plan = format!("lost@{at}");
            let (output, happened, _) = with_faults(folder.path(), &in_folder(runs), &plan);
            let (told, said) = (stdout(&output), stderr(&output));
            let success = happened == 0 || *then == Then::Same;
            let code = if success { 0 } else { 1 };
            assert_eq!(output.status.code(), Some(code), "{args:?} at {at}: {said}\n{told}");
            let is_told = format!("{told}{said}").contains("was lost");
            assert_eq!(is_told, happened == 1, "{args:?} at {at}: {said}\n{told}");
            if ["eval", "predict", "analyze"].contains(&args[0]) && args[1] != "saliency" {
                assert_eq!(happened, 1, "{args:?} at {at}");
                let figures = |output: &Output| {
                    let told = stdout(output);
                    told.lines().filter(|line| line.contains('%')).map(str::to_owned).collect()
                };
                let (figures, right): (Vec<_>, Vec<_>) = (figures(&output), figures(&straight));
                assert!(!right.is_empty() && figures == right, "{args:?} at {at}: {told}");
            }
        }
    }
    let picks = fs::read_to_string(folder.path().join("picks.toml")).expect("it was asked for");
    verigrad::compile::Picks::parse(&picks).expect("it is whole");
}

/// A device that does not finish in time is an error that says what it was given.
#[test]
fn waits_have_a_limit() {
    let folder = folder_with_recipe();
    let limited = |limit: &str| {
        Command::new(env!("CARGO_BIN_EXE_verigrad"))
            .args(train_args())
            .current_dir(folder.path())
            .env("VERIGRAD_DEVICE_TIMEOUT", limit)
            .output()
            .expect("the binary starts")
    };
    let output = limited("0.000000001");
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in ["has not finished", "within 1ns", "VERIGRAD_DEVICE_TIMEOUT=SECONDS", "watchdog"] {
        assert!(said.contains(part), "no {part:?} in:\n{said}");
    }
    assert!(!said.contains("panicked") && !said.contains("opened again"), "{said}");
    let output = limited("soon");
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("VERIGRAD_DEVICE_TIMEOUT=soon"), "{}", stderr(&output));
}

/// A device of too little memory is an error with the plan and with advice.
#[test]
fn too_little_memory_is_explained() {
    let folder = folder_with_recipe();
    let (output, ..) = with_faults(folder.path(), &train_args(), "memory@0");
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in ["out of memory while allocating", "MiB in all", "batch_size", "accumulate", "f16"]
    {
        assert!(said.contains(part), "no {part:?} in:\n{said}");
    }
    assert!(!folder.path().join("runs").exists(), "a run that did not begin");
}
