#!/usr/bin/env python3
"""Runs ONNX files in onnxruntime and compares what comes out with what verigrad has.

    check.py cases FOLDER           NAME.onnx beside NAME.npz, as tests/onnx.rs writes them
    check.py run BINARY FOLDER      trains `digits` in FOLDER, exports it, and classifies its test images

Files must pass the checker of the `onnx` package, shape inference included. Probabilities must be within
1e-5 of verigrad's. In 8 bits, rounding may put an activation on the next level, from where on numbers differ
by a step: what most images must be within is the same, what all must be within is larger.
"""

import csv
import json
import pathlib
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime

# How far probabilities may be off: the rounding of f32 sums in another order.
TOLERANCE = 1e-5
# In 8 bits: for all images, and the share of images that must be within TOLERANCE.
OF_A_LEVEL = 0.02
WITHIN = 0.8


def session(path, optimized=True):
    """A model, checked and loaded."""
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimized else levels.ORT_DISABLE_ALL
    return model, onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def outputs(loaded, images):
    """Logits and probabilities of images [n, height, width, channels] from 0 to 255."""
    pixels = np.ascontiguousarray(images.astype(np.float32).transpose(0, 3, 1, 2))
    return loaded.run(["logits", "probabilities"], {"image": pixels})


def check_case(path):
    """What is wrong with a file; nothing if nothing is."""
    arrays = np.load(path.with_suffix(".npz"))
    images, expected = arrays["images"], arrays["probabilities"]
    is_int8 = path.stem.endswith("-int8")
    worst = 0.0
    # As it is written, and as a runtime rearranges it.
    for optimized in (False, True):
        _, loaded = session(path, optimized)
        logits, found = outputs(loaded, images)
        if found.shape != expected.shape or logits.shape != expected.shape:
            return f"shape {found.shape}, expected {expected.shape}", 0.0
        # The batch is any number.
        _, alone = outputs(loaded, images[:1])
        off = np.abs(found - expected).max(axis=1)
        worst = max(worst, float(off.max()))
        share = float((off <= TOLERANCE).mean())
        most = OF_A_LEVEL if is_int8 else TOLERANCE
        if not worst <= most or (is_int8 and share < WITHIN and not optimized):
            return f"off by {worst:.2g}, {share:.0%} of images within {TOLERANCE}", worst
        if np.abs(alone - found[:1]).max() > most:
            return f"one image alone is off by {np.abs(alone - found[:1]).max():.2g}", worst
    return None, worst


def check_cases(folder):
    paths = sorted(folder.glob("*.onnx"))
    if not paths:
        sys.exit(f"{folder}: no files to check")
    failed, worst = 0, {False: 0.0, True: 0.0}
    for path in paths:
        try:
            problem, off = check_case(path)
        except Exception as error:
            problem, off = f"{type(error).__name__}: {error}", 0.0
        if problem:
            failed += 1
            print(f"{path.name}: {problem}")
        else:
            is_int8 = path.stem.endswith("-int8")
            worst[is_int8] = max(worst[is_int8], off)
    print(f"{len(paths)} models, {failed} failed; off by at most {worst[False]:.2g}, in 8 bits {worst[True]:.2g}")
    return failed


# A run of a few seconds, and its data.
SETTINGS = ["--set", "epochs=3", "--set", "data.train_size=4000", "--set", "data.test_size=1000"]


def check_run(binary, folder):
    """From training to classified images, by the commands that a user would type."""

    def verigrad(*arguments):
        command = [binary, *arguments]
        return subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout

    verigrad("train", "digits", "--device", "cpu", *SETTINGS)
    run, test = "runs/digits-1", "test.csv"
    verigrad("data", "export", "digits", *SETTINGS, "--split", "test", "-o", test)
    verigrad("weights", "export", run, "--format", "onnx", "-o", "digits.onnx")
    verigrad("eval", run, "--device", "cpu", "--csv", "predictions.csv")
    told = verigrad("analyze", "quantize", run, "--device", "cpu")
    verigrad("weights", "export", run, "--format", "onnx", "--int8", "-o", "digits-int8.onnx")

    table = np.loadtxt(folder / test, delimiter=",", skiprows=1, dtype=np.int64)
    labels, images = table[:, 0], table[:, 1:].reshape(-1, 28, 28, 1)
    with open(folder / "predictions.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    expected = np.array([[row[f"p{i}"] for i in range(10)] for row in rows], dtype=np.float64)

    model, loaded = session(folder / "digits.onnx")
    facts = {fact.key: fact.value for fact in model.metadata_props}
    assert json.loads(facts["classes"]) == [str(digit) for digit in range(10)], facts
    _, found = outputs(loaded, images)
    off = np.abs(found - expected).max()
    print(f"digits: {(found.argmax(1) == labels).mean():.2%} of {len(labels)} images, off by at most {off:.2g}")

    # The row of the table that analyze quantize printed: accuracy in percent, loss.
    row = next(line for line in told.splitlines() if line.startswith("8-bit weights and activations"))
    accuracy, loss = float(row.split()[4]), float(row.split()[6])
    failed = not off <= TOLERANCE
    for optimized in (False, True):
        _, loaded = session(folder / "digits-int8.onnx", optimized)
        logits, found = outputs(loaded, images)
        ours = 100 * (found.argmax(1) == labels).mean()
        our_loss = -np.log(found[np.arange(len(labels)), labels].astype(np.float64)).mean()
        how = "rearranged" if optimized else "as written"
        print(f"digits in 8 bits, {how}: accuracy {ours:.2f} %, measured {accuracy:.2f} %; "
              f"loss {our_loss:.4f}, measured {loss}")
        # One of a thousand images may lie on the border; losses are told in four digits.
        failed |= abs(ours - accuracy) > 0.11 or abs(our_loss - loss) > 0.002 * max(loss, 0.1)
    return failed


def main():
    match sys.argv[1:]:
        case ["run", binary, folder]:
            sys.exit(1 if check_run(binary, pathlib.Path(folder)) else 0)
        case ["cases", folder]:
            sys.exit(1 if check_cases(pathlib.Path(folder)) else 0)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
