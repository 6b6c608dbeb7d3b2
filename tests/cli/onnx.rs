//! ONNX files of runs: what is in them, and what a command says of them.

use prost::Message;
use verigrad::onnx::proto::ModelProto;
use verigrad::train::RunDir;

use super::*;

/// Runs the binary, which must succeed, and gives what it printed.
fn ok(folder: &Path, args: &[&str]) -> String {
    let output = verigrad(folder, args);
    assert!(output.status.success(), "{args:?}: {}", stderr(&output));
    stdout(&output)
}

fn read(path: &Path) -> ModelProto {
    ModelProto::decode(fs::read(path).expect("a file").as_slice()).expect("an ONNX model")
}

fn fact<'a>(model: &'a ModelProto, key: &str) -> &'a str {
    let mut facts = model.metadata_props.iter().filter(|fact| fact.key == key);
    facts.next().map(|fact| fact.value.as_str()).expect(key)
}

const EXPORT: [&str; 7] =
    ["weights", "export", "runs/digits-1", "--format", "onnx", "-o", "digits.onnx"];

#[test]
fn a_run_becomes_a_file_that_says_what_it_is() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = small_run(folder.path());
    let folder = folder.path();
    let text = ok(folder, &EXPORT);
    for line in [
        "weights  best\n",
        "digits.onnx: ONNX, opset 20, ",
        "input    image f32 [batch, 1, 28, 28], pixels from 0 to 255\n",
        "output   logits, probabilities f32 [batch, 10]\n",
    ] {
        assert!(text.contains(line), "no {line:?} in {text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let model = read(&folder.join("digits.onnx"));
    assert_eq!(fact(&model, "recipe"), "digits");
    assert_eq!(fact(&model, "weights"), "best");
    assert_eq!(fact(&model, "classes"), r#"["0","1","2","3","4","5","6","7","8","9"]"#);
    let result = RunDir::open(&run).expect("a run").result().expect("it is whole");
    let sha256 = result.expect("it has ended").weights_best_sha256.expect("it has best weights");
    assert_eq!(fact(&model, "weights_sha256"), sha256);

    // The same bytes each time; other weights are others.
    let first = fs::read(folder.join("digits.onnx")).expect("a file");
    ok(folder, &EXPORT);
    assert!(fs::read(folder.join("digits.onnx")).expect("a file") == first);
    let text = ok(folder, &[&EXPORT[..], &["--weights", "last"]].concat());
    assert!(text.contains("weights  last\n"), "{text}");
    let last = read(&folder.join("digits.onnx"));
    assert_eq!(fact(&last, "weights"), "last");

    fails(
        folder,
        &["weights", "export", "runs/digits-1", "-o", "no/w.onnx", "--format", "onnx"],
        1,
        &["no/w.onnx"],
    );
    fails(
        folder,
        &["weights", "import", "digits.onnx", "--recipe", "digits", "--format", "onnx", "-o", "w"],
        2,
        &["onnx"],
    );
    // It is named where weights are read.
    let import = ["weights", "import", "digits.onnx", "--recipe", "digits", "-o", "w.safetensors"];
    fails(folder, &import, 1, &["digits.onnx", "this is an ONNX model"]);

    in_8_bits(folder);
}

/// What `analyze quantize` measured can be exported, and nothing else.
fn in_8_bits(folder: &Path) {
    let int8 = [&EXPORT[..], &["--int8"]].concat();
    let advice = "verigrad analyze quantize runs/digits-1 --weights best";
    fails(folder, &int8, 1, &["there is no", "weights-int8.safetensors", advice]);
    ok(folder, &["analyze", "quantize", "runs/digits-1", "--device", "cpu"]);
    let text = ok(folder, &int8);
    assert!(text.contains("opset 20, 8 bits"), "{text}");
    let model = read(&folder.join("digits.onnx"));
    let graph = model.graph.expect("a graph");
    let count = |op: &str| graph.node.iter().filter(|node| node.op_type == op).count();
    assert_eq!((count("QuantizeLinear"), count("DequantizeLinear")), (4, 8));
    ok(folder, &["train", "--resume", "runs/digits-1", "--set", "epochs=3"]);
    let last = [&int8[..], &["--weights", "last"]].concat();
    fails(folder, &last, 1, &["was not made of the last weights", "--weights last"]);
    let other = ["weights", "export", "runs/digits-1", "--int8", "-o", "w.safetensors"];
    fails(folder, &other, 2, &["--int8 goes with --format onnx"]);
}
