//! Pages of runs whose directory is not as training left it, through the real binary.

use super::*;

/// Figures are of the last weights where no validation split chose others, and so are filters,
/// feature maps and histograms: whatever the best weights are.
#[test]
fn a_page_shows_the_weights_that_its_figures_are_of() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    let sizes = ["epochs=2", "data.train_size=160", "data.test_size=20", "batch_size=32"];
    let mut args = vec!["train", "digits", "--device", "cpu"];
    for set in sizes {
        args.extend(["--set", set]);
    }
    let output = verigrad(folder, &args);
    assert!(output.status.success(), "{}", stderr(&output));
    let run = folder.join("runs/digits-1");
    let page = || fs::read_to_string(run.join("report.html")).expect("a page");
    let report = || {
        let output = verigrad(folder, &["report", "runs/digits-1"]);
        assert!(output.status.success(), "{}", stderr(&output));
        page()
    };
    let first = page();
    assert!(first.contains("of conv1.weight (last weights)") && first.contains("last weights"));
    fs::write(run.join("weights-best.safetensors"), "no weights").expect("a file");
    assert_eq!(report(), first, "the best weights do not show");
    fs::write(run.join("weights-last.safetensors"), "no weights").expect("a file");
    let without = report();
    assert!(without.contains("class=\"missing\" id=\"filters\""), "{without}");
    assert!(without.contains("class=\"missing\" id=\"histograms\""), "{without}");
}

/// Feature maps are of convolutions; what comes after the last one, such as batch norm with its
/// running statistics, keeps no page from being made.
#[test]
fn a_model_that_ends_in_batch_norm_gets_its_feature_maps() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let recipe = "name = \"normed\"\nepochs = 1\nbatch_size = 32\nlayers = [\n\
                  { type = \"conv2d\", out_channels = 4, kernel_size = 3, bias = false },\n\
                  { type = \"batch_norm\" },\n\
                  { type = \"activation\", function = \"relu\" },\n\
                  { type = \"global_avg_pool2d\" },\n\
                  { type = \"dense\" },\n]\n\n[data]\ndataset = \"synthetic-digits\"\n\
                  train_size = 160\ntest_size = 20\n\n\
                  [optimizer]\ntype = \"adam\"\nlearning_rate = 1e-3\n";
    fs::write(folder.path().join("normed.toml"), recipe).expect("a file");
    let output = verigrad(folder.path(), &["train", "normed.toml", "--device", "cpu"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let page = fs::read_to_string(folder.path().join("runs/normed-1/report.html"));
    assert!(page.expect("a page").contains("id=\"features-conv1\""));
}
