//! `verigrad analyze histograms` through the real binary.

use super::*;

/// Width and height of a PNG.
fn png_size(path: &Path) -> (u32, u32) {
    let bytes = fs::read(path).expect("it is there");
    assert_eq!(&bytes[1..4], b"PNG");
    let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().expect("4 bytes"));
    (number(16), number(20))
}

/// Over the epochs where the run counted; of a run without histograms, its weights. Hostile input.
#[test]
fn histograms_are_drawn_over_epochs_or_of_weights_alone() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    let train = |histograms: &[&str]| {
        let sizes = ["epochs=2", "data.train_size=160", "data.test_size=20", "batch_size=32"];
        let mut args = vec!["train", "digits", "--device", "cpu"];
        for set in sizes.iter().chain(histograms) {
            args.extend(["--set", set]);
        }
        let output = verigrad(folder, &args);
        assert!(output.status.success(), "{}", stderr(&output));
    };
    train(&["histograms.bins=32"]);
    train(&[]);
    let counted = RunDir::open(&folder.join("runs/digits-1")).expect("a run");
    let records = counted.histograms().expect("they can be read");
    let epochs: Vec<u32> = records.iter().map(|record| record.epoch).collect();
    assert_eq!((epochs.len() % 4, epochs[0], epochs[epochs.len() - 1]), (0, 1, 2));
    assert!(records.iter().all(|record| record.counts.bins.len() == 32));
    let draw = |args: &[&str]| {
        let output = verigrad(folder, &[&["analyze", "histograms"], args].concat());
        assert!(output.status.success(), "{args:?}: {}", stderr(&output));
        stdout(&output)
    };
    let text = draw(&["runs/digits-1", "-o", "over-time.png"]);
    assert!(text.contains("epochs 1 to 2"), "{text}");
    let (width, height) = png_size(&folder.join("over-time.png"));
    assert!(width > 1000 && height > 500, "{width} x {height}");
    draw(&["runs/digits-1", "--only", "conv1.w", "-o", "one.svg"]);
    let svg = fs::read_to_string(folder.join("one.svg")).expect("it is there");
    assert!(svg.contains("conv1.weight") && !svg.contains("conv1.bias"), "{svg}");
    assert!(svg.contains(">gradients<") && svg.contains("</svg>"));
    let text = draw(&["runs/digits-2"]);
    assert!(text.contains("last weights"), "{text}");
    png_size(&folder.join("runs/digits-2/analysis/histograms.png"));
    let page = fs::read_to_string(folder.join("runs/digits-1/report.html")).expect("a page");
    assert!(page.contains("In the last step of an epoch") && page.contains("histograms.jsonl"));

    let wrong = |args: &[&str], code: i32, part: &str| {
        fails(folder, &[&["analyze", "histograms"], args].concat(), code, &[part]);
    };
    wrong(&["runs/digits-2", "--bins", "48"], 2, "power of two");
    wrong(&["runs/digits-2", "--bins", "many"], 2, "no number");
    wrong(&["runs/digits-1", "--only", "conv9"], 1, "conv9");
    wrong(&["runs/digits-1", "-o", "x.gif"], 1, ".png or .svg");
    wrong(&["runs/none"], 1, "runs/none");
    fs::write(folder.join("runs/digits-1/histograms.jsonl"), "{\"epoch\":1}\n").expect("a file");
    wrong(&["runs/digits-1"], 1, "histograms.jsonl, line 1");
}
