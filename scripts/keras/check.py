#!/usr/bin/env python3
"""Compares models in Keras with verigrad's, by weights that go from each to the other.

    check.py BINARY FOLDER      trains small models in FOLDER

Probabilities must be within 1e-5 of each other.
"""

import csv
import os
import pathlib
import subprocess
import sys

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
from keras import layers

# How far probabilities may be off: the rounding of f32 sums in another order.
TOLERANCE = 1e-5
MEAN, STD = 0.2, 0.3
HEAD = f"""
epochs = 1
batch_size = 32
[data]
dataset = "synthetic-digits"
train_size = 320
test_size = 100
mean = [{MEAN}]
std = [{STD}]
[optimizer]
type = "adam"
learning_rate = 0.01
"""
SEQUENTIAL = """
[[layers]]
type = "conv2d"
out_channels = 6
kernel_size = 3
activation = "relu"
[[layers]]
type = "conv2d"
out_channels = 12
kernel_size = 3
groups = 6
bias = false
[[layers]]
type = "batch_norm"
[[layers]]
type = "activation"
function = "relu"
[[layers]]
type = "max_pool2d"
window = 2
[[layers]]
type = "conv_transpose2d"
out_channels = 4
kernel_size = 2
stride = 2
[[layers]]
type = "conv2d"
out_channels = 8
kernel_size = 3
stride = 3
[[layers]]
type = "flatten"
[[layers]]
type = "dense"
units = 20
activation = "relu"
[[layers]]
type = "dropout"
rate = 0.2
[[layers]]
type = "dense"
"""
RESIDUAL = """
[[layers]]
type = "conv2d"
out_channels = 4
kernel_size = 3
stride = 2
[[layers]]
type = "residual"
activation = "relu"
layers = [
  { type = "conv2d", out_channels = 8, kernel_size = 3, padding = "same", bias = false },
  { type = "batch_norm" },
  { type = "activation", function = "relu" },
  { type = "conv2d", out_channels = 8, kernel_size = 3, padding = "same", bias = false },
  { type = "batch_norm" },
]
shortcut = [{ type = "conv2d", out_channels = 8, kernel_size = 1 }, { type = "batch_norm" }]
[[layers]]
type = "global_avg_pool2d"
[[layers]]
type = "dense"
"""


def norm(**named):
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, **named)


def sequential(named):
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(6, 3, activation="relu"),
            layers.DepthwiseConv2D(3, depth_multiplier=2, use_bias=False),
            norm(),
            layers.ReLU(),
            layers.MaxPooling2D(2),
            layers.Conv2DTranspose(4, 2, strides=2),
            layers.Conv2D(8, 3, strides=3),
            layers.Flatten(),
            layers.Dense(20, activation="relu"),
            layers.Dropout(0.2),
            layers.Dense(10, activation="softmax"),
        ]
    )


def residual(named):
    """With the names of the recipe's layers, or those that Keras gives."""

    def name(ours):
        return {"name": ours} if named else {}

    block = "residual1"
    same = {"padding": "same", "use_bias": False}
    image = keras.Input((28, 28, 1))
    x = layers.Conv2D(4, 3, strides=2, **name("conv1"))(image)
    main = layers.Conv2D(8, 3, **same, **name(f"{block}_conv1"))(x)
    main = layers.ReLU()(norm(**name(f"{block}_norm1"))(main))
    main = layers.Conv2D(8, 3, **same, **name(f"{block}_conv2"))(main)
    main = norm(**name(f"{block}_norm2"))(main)
    shortcut = layers.Conv2D(8, 1, **name(f"{block}_shortcut_conv1"))(x)
    shortcut = norm(**name(f"{block}_shortcut_norm1"))(shortcut)
    x = layers.ReLU()(layers.Add()([main, shortcut]))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Dense(10, activation="softmax", **name("dense1"))(x))


def probabilities(path):
    """What `eval --csv` wrote."""
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    return np.array([[row[f"p{i}"] for i in range(10)] for row in rows], dtype=np.float64)


def check(binary, folder, name, recipe, build):
    def verigrad(*arguments):
        command = [binary, *arguments]
        done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            sys.exit(f"{' '.join(command)}\n{done.stdout}")
        return done.stdout

    file = f"{name}.toml"
    (folder / file).write_text(f'name = "{name}"\n{HEAD}{recipe}')
    verigrad("train", file, "--device", "cpu")
    run = f"runs/{name}-1"
    verigrad("data", "export", file, "--split", "test", "-o", "test.csv")
    table = np.loadtxt(folder / "test.csv", delimiter=",", skiprows=1, dtype=np.int64)
    images = (table[:, 1:].reshape(-1, 28, 28, 1).astype(np.float32) / 255 - MEAN) / STD
    failed = False

    def compare(what, found, expected):
        nonlocal failed
        off = np.abs(found - expected).max() if found.shape == expected.shape else np.inf
        print(f"{what}: off by at most {off:.2g}")
        failed |= not off <= TOLERANCE

    verigrad("eval", run, "--device", "cpu", "--csv", "predictions.csv")
    expected = probabilities(folder / "predictions.csv")
    for ending in ("weights.h5", "h5"):
        exported = f"{name}-exported.{ending}"
        verigrad("weights", "export", run, "--format", "keras", "-o", exported)
        # Keras has branches side by side, which names tell apart in the older format.
        by_name = {"by_name": True} if ending == "h5" and name == "residual" else {}
        model = build(named=bool(by_name))
        model.load_weights(folder / exported, **by_name)
        compare(exported, np.asarray(model(images, training=False)), expected)

    # Other numbers, and those of an optimizer beside them.
    model = build(named=False)
    random = np.random.default_rng(7)
    for weight in model.weights:
        change = 0.2 * random.standard_normal(weight.shape)
        if "variance" in weight.path:
            change = np.abs(change)
        weight.assign(np.asarray(weight) + change.astype(np.float32))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.optimizer.build(model.trainable_variables)
    expected = np.asarray(model(images, training=False))
    for ending in ("weights.h5", "h5", "keras"):
        saved = f"{name}-saved.{ending}"
        save = model.save_weights if ending == "weights.h5" else model.save
        save(folder / saved)
        verigrad("eval", saved, "--recipe", file, "--device", "cpu", "--csv", "predictions.csv")
        compare(saved, probabilities(folder / "predictions.csv"), expected)
        verigrad("weights", "import", saved, "--recipe", file, "-o", "imported.safetensors")
        command = ["eval", "imported.safetensors", "--recipe", file, "--device", "cpu"]
        verigrad(*command, "--csv", "predictions.csv")
        compare(f"{saved}, imported", probabilities(folder / "predictions.csv"), expected)
    return failed


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    binary, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    failed = check(binary, folder, "sequential", SEQUENTIAL, sequential)
    failed |= check(binary, folder, "residual", RESIDUAL, residual)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
