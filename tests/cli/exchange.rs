//! Weights of other programs: what their names begin with, which tensors are meant, what a file is.

use std::collections::BTreeMap;

use safetensors::Dtype;
use safetensors::tensor::TensorView;
use verigrad::tensor::HostTensor;
use verigrad::train::{load_weights, write_npz};

use super::*;

/// A model with all kinds of tensors that files of PyTorch have: also running statistics.
const RECIPE: &str = r#"
name = "small"
epochs = 0
batch_size = 20
layers = [
 { type = "conv2d", out_channels = 2, kernel_size = 3, stride = 5, bias = false },
 { type = "batch_norm" },
 { type = "flatten" },
 { type = "dense" },
]
[data]
dataset = "synthetic-digits"
train_size = 40
test_size = 20
[optimizer]
type = "sgd"
learning_rate = 0.01
"#;

/// A tensor of a file: name, type, shape, bytes.
type Tensor = (String, Dtype, Vec<usize>, Vec<u8>);

/// A folder with `r.toml`, a run of it, and `torch.safetensors` with its weights.
fn folder_with_weights() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("r.toml"), RECIPE).expect("a recipe");
    ok(folder.path(), &["train", "r.toml", "--device", "cpu"]);
    ok(folder.path(), &["weights", "export", "runs/small-1", "-o", "torch.safetensors"]);
    folder
}

/// Runs the binary, which must succeed, and gives what it printed.
fn ok(folder: &Path, args: &[&str]) -> String {
    let output = verigrad(folder, args);
    assert!(output.status.success(), "{args:?}: {}", stderr(&output));
    stdout(&output)
}

/// The state dict, with its names changed.
fn state(folder: &Path, name: impl Fn(&str) -> String) -> Vec<Tensor> {
    let weights = load_weights(&folder.join("torch.safetensors")).expect("as exported");
    let tensor = |(old, tensor): (String, HostTensor)| {
        let (dims, bytes) = (tensor.ty().dims().to_vec(), tensor.bytes().to_vec());
        (name(&old), Dtype::F32, dims, bytes)
    };
    weights.into_iter().map(tensor).collect()
}

fn other(name: &str, dtype: Dtype, bytes: &[u8]) -> Tensor {
    (name.to_owned(), dtype, vec![1], bytes.to_vec())
}

fn write(path: &Path, tensors: &[Tensor]) {
    let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
        (name, TensorView::new(*dtype, shape.clone(), bytes).expect("the counts agree"))
    });
    let bytes = safetensors::serialize(views, None).expect("it has a form");
    fs::write(path, bytes).expect("a file");
}

const IMPORT: [&str; 7] =
    ["weights", "import", "w.safetensors", "--recipe", "r.toml", "-o", "ours.safetensors"];

#[test]
fn names_come_before_types_and_shared_prefixes_are_left_out() {
    let folder = folder_with_weights();
    let folder = folder.path();
    let file = folder.join("w.safetensors");
    let own = load_weights(&folder.join("runs/small-1/weights-last.safetensors")).expect("a run's");
    for prefix in ["", "module.", "model.", "module._orig_mod.", "any.other.name."] {
        let mut tensors = state(folder, |name| format!("{prefix}{name}"));
        // What nobody needs: counters, masks, and under a prefix what lies beside it.
        tensors.push(other(&format!("{prefix}norm1.num_batches_tracked"), Dtype::I64, &[1; 8]));
        tensors.push(other(&format!("{prefix}conv1.mask"), Dtype::BOOL, &[1]));
        let mut told = vec!["passed   over".to_owned(), "conv1.mask BOOL [1]".to_owned()];
        if !prefix.is_empty() {
            tensors.push(other("criterion.weight", Dtype::F32, &[0; 4]));
            tensors.push(other("n_averaged", Dtype::I64, &[0; 8]));
            told.extend(["criterion.weight [1]", "n_averaged I64 [1]"].map(str::to_owned));
            told.push(format!("prefix   {prefix} was left out of"));
        }
        write(&file, &tensors);
        let text = ok(folder, &IMPORT);
        for part in told {
            assert!(text.contains(&part), "{prefix:?}: no {part:?} in {text}");
        }
        assert_eq!(load_weights(&folder.join("ours.safetensors")).expect("imported"), own);
        let init = ["train", "r.toml", "--device", "cpu", "--init-from", "w.safetensors"];
        let text = ok(folder, &init);
        assert!(text.contains("loaded   conv1, norm1, dense1\n"), "{text}");
    }
}

#[test]
fn what_is_meant_can_be_said() {
    let folder = folder_with_weights();
    let folder = folder.path();
    let file = folder.join("w.safetensors");
    let own = load_weights(&folder.join("runs/small-1/weights-last.safetensors")).expect("a run's");
    let with = |more: &[&'static str]| [&IMPORT[..], more].concat();

    // A type is judged where the tensor is needed.
    let mut tensors = state(folder, str::to_owned);
    let bias = tensors.iter_mut().find(|tensor| tensor.0 == "dense1.bias").expect("it has one");
    (bias.1, bias.3) = (Dtype::I64, vec![0; 80]);
    write(&file, &tensors);
    fails(folder, &IMPORT, 1, &["w.safetensors: ", "dense1.bias holds I64", "expects floats"]);

    // Two copies of a model: neither is what most names share.
    let mut both = state(folder, |name| format!("model.{name}"));
    both.extend(state(folder, |name| format!("average.{name}")).into_iter().map(|mut tensor| {
        tensor.3.fill(0);
        tensor
    }));
    write(&file, &both);
    fails(folder, &IMPORT, 1, &["conv1.weight", "is missing", "--prefix model. would find 7"]);
    for prefix in ["model", "model."] {
        let mut args = IMPORT.to_vec();
        args.extend(["--prefix", prefix]);
        ok(folder, &args);
        assert_eq!(load_weights(&folder.join("ours.safetensors")).expect("imported"), own);
    }
    let unknown = with(&["--prefix", "nothing"]);
    fails(folder, &unknown, 1, &["no name begins with the prefix \"nothing\"", "average.conv1"]);

    // A float that the model lacks.
    let mut more = state(folder, str::to_owned);
    more.push(other("aux.weight", Dtype::F32, &[0; 4]));
    write(&file, &more);
    fails(folder, &IMPORT, 1, &["no tensor called aux.weight", "--ignore NAME"]);
    let text = ok(folder, &with(&["--ignore", "aux*"]));
    assert!(text.contains("passed   over aux.weight [1]"), "{text}");
    let unknown = with(&["--ignore", "aux*", "--ignore", "head.*"]);
    fails(folder, &unknown, 1, &["no tensor to ignore is called \"head.*\""]);
    let init = ["train", "r.toml", "--device", "cpu", "--init-from", "w.safetensors"];
    let text = ok(folder, &[&init[..], &["--ignore", "dense1.*", "--ignore", "aux*"]].concat());
    assert!(text.contains("loaded   conv1, norm1\nfresh    dense1: not in the weights"), "{text}");

    // Other names altogether, and those of a model that was pruned.
    write(&file, &state(folder, |name| name.replace("1.", ".")));
    fails(folder, &IMPORT, 1, &["{\"conv1.weight\": state[\"conv.weight\"], ...}"]);
    write(&file, &state(folder, |name| name.replace("dense1.weight", "dense1.weight_orig")));
    fails(folder, &IMPORT, 1, &["torch.nn.utils.prune.remove"]);
}

/// Files of NumPy hold our layouts, and may hold those of PyTorch.
#[test]
fn files_of_numpy_are_taken_everywhere() {
    let folder = folder_with_weights();
    let folder = folder.path();
    let own = load_weights(&folder.join("runs/small-1/weights-last.safetensors")).expect("a run's");
    let named = |prefix: &str,
                 tensors: &BTreeMap<String, HostTensor>|
     -> Vec<(String, HostTensor)> {
        tensors.iter().map(|(name, tensor)| (format!("{prefix}{name}"), tensor.clone())).collect()
    };
    // What a file is, its content tells, and not its name.
    write_npz(&folder.join("w.safetensors"), &named("model.", &own)).expect("a file");
    assert!(ok(folder, &IMPORT).contains("prefix   model. was left out of 7 names"));
    assert_eq!(load_weights(&folder.join("ours.safetensors")).expect("imported"), own);
    let init = ["train", "r.toml", "--device", "cpu", "--init-from", "w.safetensors"];
    assert!(ok(folder, &init).contains("loaded   conv1, norm1, dense1\n"));
    let theirs = load_weights(&folder.join("torch.safetensors")).expect("as exported");
    write_npz(&folder.join("w.safetensors"), &named("", &theirs)).expect("a file");
    fails(folder, &IMPORT, 1, &["weights import --format torch"]);
    ok(folder, &[&IMPORT[..], &["--format", "torch"]].concat());
    assert_eq!(load_weights(&folder.join("ours.safetensors")).expect("imported"), own);
}

/// The commands that read a weight file.
const READERS: [&[&str]; 7] = [
    &IMPORT,
    &["train", "r.toml", "--device", "cpu", "--init-from", "w.safetensors"],
    &["eval", "w.safetensors", "--recipe", "r.toml", "--device", "cpu"],
    &["predict", "w.safetensors", "p.png", "--recipe", "r.toml", "--device", "cpu"],
    &["analyze", "histograms", "w.safetensors", "--recipe", "r.toml"],
    &["analyze", "quantize", "w.safetensors", "--recipe", "r.toml", "--device", "cpu"],
    &["analyze", "quantize", "runs/small-1", "--evaluate", "w.safetensors", "--device", "cpu"],
];

#[test]
fn other_formats_and_names_that_are_there_twice_are_told_by_all_commands() {
    let folder = folder_with_weights();
    let folder = folder.path();
    image::GrayImage::new(28, 28).save(folder.join("p.png")).expect("a picture");
    let one = "\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}";
    let header = format!("{{{one},{one}}}");
    let twice = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[0; 4]].concat();
    let cases: [(&[u8], &str); 6] = [
        (&twice, "w is there twice"),
        (b"\x89HDF\r\n\x1a\n\0", "an HDF5 file"),
        (b"PK\x03\x04 archive/data.pkl", "torch.save"),
        (b"GGUF\x03\0\0\0", "a GGUF file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"<!doctype html><html>", "a page of a web site"),
    ];
    for (bytes, part) in cases {
        fs::write(folder.join("w.safetensors"), bytes).expect("a file");
        for args in READERS {
            fails(folder, args, 1, &["w.safetensors: ", part]);
        }
    }
}

/// A weight file does what its run does, without the run.
#[test]
fn a_weight_file_with_its_recipe_can_be_used_as_a_run() {
    let folder = folder_with_weights();
    let folder = folder.path();
    image::GrayImage::new(28, 28).save(folder.join("p.png")).expect("a picture");
    let evaluated = |text: &str| {
        let line = text.lines().find(|line| line.starts_with("test ")).map(str::to_owned);
        line.expect("a line of figures")
    };
    let of_run = evaluated(&ok(folder, &["eval", "runs/small-1", "--device", "cpu"]));
    let said_of_run = ok(folder, &["predict", "runs/small-1", "p.png", "--device", "cpu"]);
    for file in ["torch.safetensors", "runs/small-1/weights-last.safetensors"] {
        let text = ok(folder, &["eval", file, "--recipe", "r.toml", "--device", "cpu"]);
        assert_eq!(evaluated(&text), of_run);
        assert!(text.contains(&format!("weights  {file}\n")), "{text}");
        let text = ok(folder, &["predict", file, "p.png", "--recipe", "r.toml", "--device", "cpu"]);
        let said = |text: &str| text.split_once("p.png\n").map(|(_, said)| said.to_owned());
        assert_eq!(said(&text), said(&said_of_run));
    }
    fs::copy(folder.join("torch.safetensors"), folder.join("w.safetensors")).expect("a copy");
    for (args, left) in [
        (READERS[4], "w-analysis/histograms.png"),
        (READERS[5], "w-analysis/weights-int8.safetensors"),
        (
            &["analyze", "adversarial", "w.safetensors", "--recipe", "r.toml", "--device", "cpu"],
            "w-analysis/adversarial-fgsm.csv",
        ),
        (
            &["analyze", "saliency", "w.safetensors", "--recipe", "r.toml", "--device", "cpu"],
            "saliency.png",
        ),
    ] {
        ok(folder, args);
        assert!(folder.join(left).is_file(), "{args:?} leaves no {left}");
    }
    for (args, parts) in [
        (&["eval", "w.safetensors"][..], &["is a file", "--recipe NAME|FILE.toml"][..]),
        (&["eval", "runs/small-1", "--recipe", "r.toml"], &["is a folder", "leave --recipe out"]),
        (&["eval", "runs/small-1", "--set", "epochs=1"], &["--recipe"]),
    ] {
        fails(folder, args, 2, parts);
    }
}

/// Without epochs, a run has weights, figures and a result, and goes on once it is given epochs.
#[test]
fn a_run_without_epochs_is_whole_and_can_be_extended() {
    let folder = folder_with_weights();
    let folder = folder.path();
    let init = ["train", "r.toml", "--device", "cpu", "--init-from", "torch.safetensors"];
    let text = ok(folder, &init);
    assert!(text.contains(", without an epoch of training"), "{text}");
    let run = folder.join("runs/small-2");
    for file in ["weights-last", "weights-best"] {
        let path = run.join(format!("{file}.safetensors"));
        let source = folder.join("runs/small-1/weights-last.safetensors");
        assert_eq!(load_weights(&path).expect(file), load_weights(&source).expect("a run's"));
    }
    let result = RunDir::open(&run).and_then(|run| run.result()).expect("it can be read");
    let result = result.expect("it has ended");
    assert_eq!((result.epochs, result.steps, result.best_epoch), (0, 0, 0));
    let accuracy = result.test_accuracy.expect("it was evaluated");
    assert_eq!(accuracy, result.best_test_accuracy);
    let text = ok(folder, &["eval", "runs/small-2", "--device", "cpu"]);
    assert!(text.contains(&format!("accuracy {:.2} %", 100.0 * accuracy)), "{text}");
    ok(folder, &["report", "runs/small-2"]);
    ok(folder, &["weights", "export", "runs/small-2", "-o", "again.safetensors"]);
    ok(folder, &["compare", "runs/small-1", "runs/small-2", "--device", "cpu"]);
    let text = ok(folder, &["train", "--resume", "runs/small-2"]);
    assert!(text.contains("has finished") && text.contains("--set epochs=1"), "{text}");
    let text = ok(folder, &["train", "--resume", "runs/small-2", "--set", "epochs=1"]);
    assert!(text.contains("after 1 epoch,"), "{text}");
    let rows = RunDir::open(&run).and_then(|run| run.epochs()).expect("it can be read");
    assert_eq!(rows.len(), 1);
}

/// A run that was stopped in its first epoch has a recipe and a model, and no weights.
#[test]
fn a_run_whose_first_epoch_is_not_over_says_so() {
    let folder = folder_with_weights();
    let run = folder.path().join("runs/small-1");
    for file in ["weights-last.safetensors", "weights-best.safetensors", "result.json"] {
        fs::remove_file(run.join(file)).expect("it is there");
    }
    let parts =
        ["has no weights-last.safetensors yet", "first one is not over", "--resume runs/small-1"];
    fails(folder.path(), &["eval", "runs/small-1"], 1, &parts);
    fails(folder.path(), &["weights", "export", "runs/small-1", "-o", "w"], 1, &parts);
}

/// Files of Keras in both of its layouts, wherever weights are read, and what of them does not fit.
#[test]
fn weights_go_to_keras_and_come_back() {
    let folder = folder_with_weights();
    let folder = folder.path();
    let own = load_weights(&folder.join("runs/small-1/weights-last.safetensors")).expect("a run's");
    ok(folder, &["eval", "runs/small-1", "--device", "cpu", "--csv", "run.csv"]);
    for name in ["w.weights.h5", "w.h5"] {
        let text =
            ok(folder, &["weights", "export", "runs/small-1", "--format", "keras", "-o", name]);
        assert!(text.contains(&format!("{name}: 7 tensors, ")), "{text}");
        ok(folder, &["weights", "import", name, "--recipe", "r.toml", "-o", "ours.safetensors"]);
        assert_eq!(
            load_weights(&folder.join("ours.safetensors")).expect("imported"),
            own,
            "{name}"
        );
        let args = ["eval", name, "--recipe", "r.toml", "--device", "cpu", "--csv", "file.csv"];
        let text = ok(folder, &args);
        assert!(text.contains("layout   layers of Keras\n"), "{text}");
        let read = |name: &str| fs::read_to_string(folder.join(name)).expect("predictions");
        assert_eq!(read("run.csv"), read("file.csv"), "{name}");
        let text = ok(folder, &["train", "r.toml", "--device", "cpu", "--init-from", name]);
        assert!(text.contains("loaded   conv1, norm1, dense1\n"), "{text}");
    }
    let export = ["weights", "export", "runs/small-1", "--format", "keras", "-o"];
    fails(
        folder,
        &[&export[..], &["w.keras"]].concat(),
        1,
        &["w.keras: ", ".weights.h5 (Keras 3)"],
    );

    // A layer more than the file has, and a file that is cut.
    let more = RECIPE
        .replace("{ type = \"dense\" }", "{ type = \"dense\", units = 7 },\n { type = \"dense\" }");
    fs::write(folder.join("more.toml"), more).expect("a recipe");
    let args = ["weights", "import", "w.h5", "--recipe", "more.toml", "-o", "ours.safetensors"];
    let parts = [
        "dense2.weight [7, 10] is missing",
        "dense1.weight has shape",
        "layers of the file (3: conv1/conv1, norm1/norm1, dense1/dense1) were taken for those of the \
         model (4: conv1, norm1, dense1, dense2) by order",
    ];
    fails(folder, &args, 1, &parts);
    let whole = fs::read(folder.join("w.h5")).expect("a file");
    fs::write(folder.join("w.h5"), &whole[..whole.len() / 2]).expect("half of it");
    fails(folder, &args, 1, &["w.h5: ", "it was cut short"]);
    let args =
        ["weights", "import", "torch.safetensors", "--recipe", "r.toml", "--format", "keras"];
    let args = [&args[..], &["-o", "ours.safetensors"]].concat();
    fails(folder, &args, 1, &["torch.safetensors: it has no layers of Keras"]);
}
