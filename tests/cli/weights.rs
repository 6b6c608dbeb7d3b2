//! Which weights a command takes, and that they are those that were saved.

use super::*;

/// Runs the binary, which must succeed, and gives what it printed.
fn told(folder: &Path, args: &[&str]) -> String {
    let output = verigrad(folder, args);
    assert!(output.status.success(), "{args:?}: {}", stderr(&output));
    stdout(&output)
}

/// The commands that read the weights of a run.
const READERS: [&[&str]; 5] = [
    &["eval", "RUN", "--device", "cpu"],
    &["predict", "RUN", "p.png", "--device", "cpu"],
    &["report", "RUN"],
    &["weights", "export", "RUN", "-o", "w.safetensors"],
    &["analyze", "saliency", "RUN", "--images", "p.png", "--device", "cpu"],
];

fn with_run<'a>(args: &[&'a str], run: &'a str) -> Vec<&'a str> {
    args.iter().map(|&arg| if arg == "RUN" { run } else { arg }).collect()
}

/// A folder with a run `runs/digits-1` and a picture `p.png`.
fn folder_with_run() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    small_run(folder.path());
    let picture = image::GrayImage::from_pixel(28, 28, image::Luma([9]));
    picture.save(folder.path().join("p.png")).expect("a picture");
    folder
}

/// The validation split chose the best weights, so all commands take them, and say so; a run that was
/// copied under another name is as good.
#[test]
fn all_commands_take_the_same_weights_and_say_which() {
    let folder = folder_with_run();
    let copy = folder.path().join("elsewhere/other name");
    fs::create_dir_all(copy.join("checkpoint")).expect("a folder");
    for from in ["", "checkpoint"] {
        for entry in fs::read_dir(folder.path().join("runs/digits-1").join(from)).expect("a run") {
            let path = entry.expect("an entry").path();
            if path.is_file() {
                let name = path.file_name().expect("a name");
                fs::copy(&path, copy.join(from).join(name)).expect("a copy");
            }
        }
    }
    for run in ["runs/digits-1", "elsewhere/other name"] {
        for args in READERS {
            let text = told(folder.path(), &with_run(args, run));
            assert!(text.contains("weights  best\n"), "{args:?}: {text}");
        }
    }
    let more = ["train", "--resume", "elsewhere/other name", "--set", "epochs=3"];
    assert!(told(folder.path(), &more).contains("after 3 epochs"));
    let last = ["weights", "export", "runs/digits-1", "--weights", "last", "-o", "l.safetensors"];
    assert!(told(folder.path(), &last).contains("weights  last\n"));
}

/// A bit that flipped in the weights, or weights of another run in their place, are an error wherever
/// weights are read; it names the file, and what was expected and found.
#[test]
fn changed_weights_are_refused_by_all_commands() {
    let folder = folder_with_run();
    let path = folder.path().join("runs/digits-1/weights-best.safetensors");
    let whole = fs::read(&path).expect("weights");
    let readers = |parts: &[&str]| {
        for args in READERS {
            fails(folder.path(), &with_run(args, "runs/digits-1"), 1, parts);
        }
        let init = ["train", "digits", "--init-from", "runs/digits-1", "--device", "cpu"];
        let sizes = ["--set", "data.train_size=64", "--set", "data.test_size=20"];
        fails(folder.path(), &[&init[..], &sizes].concat(), 1, parts);
        let again = ["ensemble", "runs/digits-1", "runs/digits-1", "--device", "cpu"];
        fails(folder.path(), &again, 1, parts);
    };
    let mut flipped = whole.clone();
    *flipped.last_mut().expect("it is not empty") ^= 0x40;
    fs::write(&path, &flipped).expect("a damaged file");
    readers(&["weights-best.safetensors", "their SHA-256 is", "its header says"]);

    // Weights that agree with their own header, and not with result.json.
    let others = verigrad::train::load_weights(&{
        fs::write(&path, &whole).expect("the file as it was");
        path.clone()
    });
    let mut others: Vec<_> = others.expect("intact").into_iter().collect();
    others[0].1.words_mut()[0] ^= 1;
    verigrad::train::save_weights(&path, &others, &Default::default()).expect("it can be written");
    readers(&["weights-best.safetensors", "their SHA-256 is", "result.json says"]);

    // Weights of a model that has diverged, in a run that has no result yet.
    fs::remove_file(folder.path().join("runs/digits-1/result.json")).expect("it is there");
    others[0].1.words_mut()[0] = f32::NAN.to_bits();
    verigrad::train::save_weights(&path, &others, &Default::default()).expect("it can be written");
    readers(&["weights-best.safetensors", "1 of the weights", "NaN in", "element 0"]);
}

/// As many units as inputs: nothing but the metadata tells how a square weight lies.
const SQUARE: &str = r#"
name = "square"
epochs = 3
batch_size = 20
layers = [
 { type = "flatten" },
 { type = "dense", units = 64, activation = "relu" },
 { type = "dense", units = 64, activation = "relu" },
 { type = "dense" },
]
[data]
dataset = "synthetic-digits"
train_size = 600
test_size = 200
[optimizer]
type = "adam"
learning_rate = 0.003
"#;

/// Training that begins with exported weights, in whichever format, begins where the run ended.
#[test]
fn init_from_reads_each_layout_as_it_is() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("square.toml"), SQUARE).expect("a file");
    told(folder.path(), &["train", "square.toml", "--device", "cpu"]);
    for format in ["torch", "safetensors"] {
        let file = format!("{format}.safetensors");
        let export = ["weights", "export", "runs/square-1", "--format", format, "-o", &file];
        told(folder.path(), &export);
    }
    let mut found = Vec::new();
    let sources = [
        "runs/square-1",
        "torch.safetensors",
        "safetensors.safetensors",
        "runs/square-1/weights-last.safetensors",
    ];
    for source in sources {
        let rate = ["--set", "optimizer.learning_rate=1e-30", "--set", "epochs=1"];
        let train = ["train", "square.toml", "--device", "cpu", "--init-from", source];
        let text = told(folder.path(), &[&train[..], &rate].concat());
        assert!(text.contains("loaded   dense1, dense2, dense3"), "{text}");
        assert_eq!(text.contains("layouts of PyTorch"), source.starts_with("torch"), "{text}");
        let line = text.lines().find(|line| line.starts_with("test accuracy")).expect("a line");
        let accuracy = line.split(" after").next().expect("a text").to_owned();
        found.push(accuracy);
    }
    let result = fs::read_to_string(folder.path().join("runs/square-1/result.json")).expect("it");
    let result: serde_json::Value = serde_json::from_str(&result).expect("JSON");
    let accuracy = 100.0 * result["test_accuracy"].as_f64().expect("a number");
    assert!(accuracy > 50.0, "it has learned: {accuracy}");
    assert_eq!(found, vec![format!("test accuracy {accuracy:.2} %"); 4]);
}

/// Weights of other classes, or of the same ones in another order, leave the last layer as it begins.
#[test]
fn classes_that_are_others_start_the_head_afresh() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let picture = |class: &str, color: [u8; 3]| {
        for split in ["train", "test"] {
            let place = folder.path().join("animals").join(split).join(class);
            fs::create_dir_all(&place).expect("a folder");
            for i in 0..6 {
                let picture = image::RgbImage::from_pixel(4, 4, image::Rgb(color));
                picture.save(place.join(format!("{i}.png"))).expect("a picture");
            }
        }
    };
    picture("cat", [200, 20, 20]);
    picture("dog", [20, 20, 200]);
    let recipe = "name = \"animals\"\nepochs = 1\nbatch_size = 4\nlayers = [{ type = \"flatten\" }, \
                  { type = \"dense\", units = 4 }, { type = \"dense\" }]\n[data]\n\
                  dataset = \"folder\"\npath = \"animals\"\n[optimizer]\ntype = \"sgd\"\n\
                  learning_rate = 0.1\n";
    fs::write(folder.path().join("r.toml"), recipe).expect("a file");
    let train = ["train", "r.toml", "--device", "cpu", "--data-dir", "."];
    told(folder.path(), &train);
    told(folder.path(), &["weights", "export", "runs/animals-1", "-o", "w.safetensors"]);
    let init = |source: &str| told(folder.path(), &[&train[..], &["--init-from", source]].concat());
    let sources = ["runs/animals-1", "w.safetensors", "runs/animals-1/weights-last.safetensors"];
    for source in sources {
        assert!(init(source).contains("loaded   dense1, dense2\n"), "{source}");
    }
    for split in ["train", "test"] {
        let at = |class: &str| folder.path().join("animals").join(split).join(class);
        fs::rename(at("cat"), at("zebra")).expect("another name");
    }
    for source in sources {
        let text = init(source);
        assert!(text.contains("loaded   dense1\n"), "{text}");
        assert!(text.contains("fresh    dense2: the classes are others"), "{text}");
        assert!(text.contains("2 classes (cat, dog)") && text.contains("(dog, zebra)"), "{text}");
    }
    let eval = ["eval", "runs/animals-1", "--device", "cpu", "--data-dir", "."];
    fails(folder.path(), &eval, 1, &["2 classes (cat, dog)", "2 classes (dog, zebra)"]);
}
