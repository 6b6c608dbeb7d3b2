//! `verigrad analyze` on a run that was trained.

use std::fs;
use std::path::Path;

use super::{fails, stderr, stdout, verigrad};

fn succeeds(folder: &Path, args: &[&str]) -> String {
    let output = verigrad(folder, args);
    assert!(output.status.success(), "{args:?}: {}", stderr(&output));
    let text = stdout(&output);
    let fits = |line: &str| line.starts_with("device ") || line.chars().count() <= 80;
    assert!(text.lines().all(fits), "{text}");
    text
}

/// Every analysis of a run with 100 test images, and what they must refuse.
pub fn a_run_can_be_analyzed(folder: &Path, run: &str) {
    saliency(folder, run);
    adversarial(folder, run);
    quantize(folder, run);
}

fn saliency(folder: &Path, run: &str) {
    let command = ["analyze", "saliency", run, "--device", "cpu"];
    let with = |more: &[&'static str]| [&command[..], more].concat();
    let text = succeeds(folder, &with(&["--first", "5", "-o", "five.png"]));
    assert!(text.contains("five.png: 5 images beside |d score / d pixel|"), "{text}");
    let sheet = image::open(folder.join("five.png")).expect("a picture");
    // Two rows of at most four images with their maps.
    assert!(sheet.width() > 4 * 2 * 112 && sheet.height() > 2 * 112);
    let smooth = ["--method", "smoothgrad", "--samples", "3", "--images", "seven.png"];
    let text = succeeds(folder, &with(&smooth));
    assert!(text.contains("saliency.png: 1 image beside |mean of"), "{text}");
    let first = fs::read(folder.join("saliency.png")).expect("a picture");
    succeeds(folder, &with(&smooth));
    assert_eq!(fs::read(folder.join("saliency.png")).expect("a picture"), first, "same bytes");
    succeeds(folder, &with(&["--method", "grad-x-input", "--first", "1"]));
    assert_ne!(fs::read(folder.join("saliency.png")).expect("a picture"), first);

    fails(folder, &["analyze", "saliency", "runs/none-7"], 1, &["none-7", "does not exist"]);
    fails(folder, &with(&["--images", "nowhere.png"]), 1, &["nowhere.png"]);
    fails(folder, &with(&["--first", "none"]), 2, &["--first", "none"]);
    fails(folder, &with(&["--first", "0"]), 2, &["--first"]);
    fails(folder, &with(&["--noise", "-1"]), 2, &["--noise", "not between 0 and 1"]);
    fails(folder, &with(&["--first", "1", "--images", "seven.png"]), 2, &["cannot be used with"]);
    fails(folder, &with(&["-o", "no/folder.png"]), 1, &["no/folder.png"]);
    let empty = folder.join("empty");
    fs::create_dir_all(&empty).expect("a folder");
    fails(folder, &["analyze", "saliency", "empty"], 1, &["no run directory"]);
    fs::copy(Path::new(run).join("recipe.toml"), empty.join("recipe.toml")).expect("a recipe");
    fs::copy(Path::new(run).join("model.json"), empty.join("model.json")).expect("a record");
    fails(folder, &["analyze", "saliency", "empty"], 1, &["weights-best.safetensors"]);
}

fn adversarial(folder: &Path, run: &str) {
    let command = ["analyze", "adversarial", run, "--device", "cpu"];
    let with = |more: &[&'static str]| [&command[..], more].concat();
    let text = succeeds(folder, &with(&["--epsilons", "0.3,0,0.1", "--examples", "2"]));
    for part in ["attack   FGSM, on 100 test images", "levels of 255", "  76.5  ", "examples "] {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
    let analysis = Path::new(run).join("analysis");
    let accuracies = |file: &str| -> Vec<f64> {
        let csv = fs::read_to_string(analysis.join(file)).expect("a table");
        let field = |line: &str| line.split(',').nth(1).and_then(|field| field.parse().ok());
        csv.lines().skip(1).map(|line| field(line).expect("a number")).collect()
    };
    let fgsm = accuracies("adversarial-fgsm.csv");
    assert_eq!(fgsm.len(), 3);
    // The run's own evaluation is that without an attack.
    let clean = succeeds(folder, &["eval", run, "--device", "cpu"]);
    assert!(clean.contains(&format!("accuracy {:.2} %", 100.0 * fgsm[0])), "{fgsm:?}\n{clean}");
    assert!(fgsm[1] <= fgsm[0] && fgsm[2] < fgsm[0], "{fgsm:?}");
    for picture in ["adversarial-fgsm.png", "adversarial-fgsm-examples.png"] {
        image::open(analysis.join(picture)).expect("a picture");
    }
    let pgd = ["--method", "pgd", "--steps", "5", "--epsilons", "0.1", "--seed", "3"];
    let pgd = [&pgd[..], &["--first", "64"]].concat();
    let text = succeeds(folder, &with(&pgd));
    assert!(text.contains("PGD, 5 steps, on 64 test images"), "{text}");
    let first = fs::read(analysis.join("adversarial-pgd.csv")).expect("a table");
    succeeds(folder, &with(&pgd));
    assert_eq!(fs::read(analysis.join("adversarial-pgd.csv")).expect("a table"), first);

    for bad in ["-0.1", "2", "0,many", "0,,0.1", "NaN"] {
        fails(folder, &[&command[..], &["--epsilons", bad]].concat(), 2, &["--epsilons"]);
    }
    fails(folder, &with(&["--steps", "0"]), 2, &["--steps"]);
    fails(folder, &with(&["--step-size", "-1"]), 2, &["--step-size", "not between"]);
    fails(folder, &with(&["--method", "gcg"]), 2, &["gcg", "fgsm"]);
    fails(folder, &["analyze", "adversarial", "runs/none-7"], 1, &["none-7"]);
}

fn quantize(folder: &Path, run: &str) {
    let command = ["analyze", "quantize", run, "--device", "cpu"];
    let with = |more: &[&'static str]| [&command[..], more].concat();
    let text = succeeds(folder, &with(&["--calibration", "64"]));
    let row = |text: &str, name: &str| -> Vec<String> {
        let cells = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        assert!(!cells.is_empty(), "no {name:?} in:\n{text}");
        cells.split_whitespace().map(str::to_owned).collect()
    };
    let (floats, after) = (row(&text, "f32"), row(&text, "8-bit weights and activations"));
    let clean = succeeds(folder, &["eval", run, "--device", "cpu"]);
    assert!(clean.contains(&format!("accuracy {} %", floats[0])), "{text}\n{clean}");
    let number = |cell: &String| cell.replace(',', "").parse::<f64>().expect("a number");
    // One of 100 images may change sides.
    assert!((number(&floats[0]) - number(&after[0])).abs() <= 1.0, "{text}");
    assert!(3.0 * number(&after[3]) < number(&floats[3]), "{text}");
    for layer in ["conv1", "conv2", "dense1", "dense2"] {
        assert!(text.lines().any(|line| line.starts_with(layer)), "no {layer} in:\n{text}");
    }
    let file = Path::new(run).join("analysis/weights-int8.safetensors");
    let name = file.to_str().expect("a UTF-8 path");
    let again = succeeds(folder, &[&command[..], &["--evaluate", name]].concat());
    assert_eq!(row(&again, "8 bits, from the file"), after, "{again}");
    let size = fs::metadata(&file).expect("a file").len();
    // Numbers, and a header.
    #[expect(clippy::cast_precision_loss, reason = "the size of a small file")]
    let header = size as f64 - number(&after[3]);
    assert!((0.0..4096.0).contains(&header), "{size} bytes, {after:?}");
    succeeds(folder, &with(&["--per-tensor", "--calibration", "8"]));

    fails(folder, &with(&["--calibration", "some"]), 2, &["--calibration", "some"]);
    fails(folder, &with(&["--calibration", "0"]), 2, &["--calibration"]);
    fails(folder, &with(&["--evaluate", "nowhere"]), 1, &["nowhere", "does not exist"]);
    let floats = Path::new(run).join("weights-last.safetensors");
    let floats = floats.to_str().expect("a UTF-8 path");
    let args = [&command[..], &["--evaluate", floats]].concat();
    fails(folder, &args, 1, &["no quantized model", "no tensor has 8 bits"]);
    let content = fs::read(&file).expect("a file");
    fs::write(folder.join("cut"), &content[..content.len() / 2]).expect("a file");
    fails(folder, &with(&["--evaluate", "cut"]), 1, &["cut", "cut short"]);
    fails(folder, &["analyze", "quantize", "runs/none-7"], 1, &["none-7"]);
}
