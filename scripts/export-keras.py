#!/usr/bin/env python3
"""Converts weights of verigrad into an HDF5 file that Keras loads.

    verigrad weights export RUN --format safetensors -o weights.safetensors
    pip install h5py numpy
    python scripts/export-keras.py weights.safetensors weights.h5

In Keras, build the same layers in the same order and call `model.load_weights("weights.h5")`. Layers
are matched by their order among those that have weights, not by name, so that names do not matter:
`Conv2D`, `DepthwiseConv2D`, `Dense` and `BatchNormalization`, with `use_bias=False` where the recipe
has `bias = false`, and `BatchNormalization(momentum=0.9, epsilon=1e-5)` for the defaults of a recipe.
In a residual block, the main branch comes before the shortcut.

Both programs store images as height, width, channels, convolutions as `[kh, kw, in, out]` and dense
weights as `[in, out]`, and flatten images in the same order: numbers are copied, bit by bit. Only
depthwise convolutions move an axis, from `[kh, kw, 1, channels]` to `[kh, kw, channels, 1]`.

The file has the layout of Keras' `save_weights` for HDF5 (`layer_names` and `weight_names` as
attributes), which versions 2 and 3 read where the name ends in `.h5` (but not `.weights.h5`).
"""

import json
import struct
import sys

import h5py
import numpy as np

# Parts of each kind of layer in the order in which Keras keeps them: our name, Keras' name.
PARTS = {
    "conv2d": [("weight", "kernel"), ("bias", "bias")],
    "depthwise_conv2d": [("weight", "depthwise_kernel"), ("bias", "bias")],
    "dense": [("weight", "kernel"), ("bias", "bias")],
    "batch_norm": [
        ("weight", "gamma"),
        ("bias", "beta"),
        ("running_mean", "moving_mean"),
        ("running_variance", "moving_variance"),
    ],
}


def read(path):
    """The f32 tensors of a safetensors file by name, and its metadata."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, info in header.items():
        start, end = info["data_offsets"]
        values = np.frombuffer(data[start:end], dtype="<f4")
        tensors[name] = values.reshape(info["shape"])
    return tensors, metadata


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: export-keras.py weights.safetensors weights.h5")
    source, target = sys.argv[1:]
    tensors, metadata = read(source)
    if "layers" not in metadata:
        sys.exit(
            f"{source} does not say which layers it holds; write it with "
            "`verigrad weights export RUN --format safetensors`"
        )
    layers = json.loads(metadata["layers"])
    with h5py.File(target, "w") as file:
        names = [name.replace(".", "_") for name, _ in layers]
        file.attrs["layer_names"] = [name.encode() for name in names]
        file.attrs["backend"] = b"verigrad"
        file.attrs["keras_version"] = b"2.0.0"
        for keras_name, (name, kind) in zip(names, layers):
            group = file.create_group(keras_name)
            written = []
            for ours, theirs in PARTS[kind]:
                if f"{name}.{ours}" not in tensors:
                    continue  # A layer without bias.
                value = tensors.pop(f"{name}.{ours}")
                if theirs == "depthwise_kernel":
                    value = value.transpose(0, 1, 3, 2)
                weight_name = f"{keras_name}/{theirs}:0"
                group.create_dataset(weight_name, data=value)
                written.append(weight_name.encode())
            group.attrs["weight_names"] = written
        if tensors:
            sys.exit(f"no layer takes {', '.join(sorted(tensors))}")
    print(f"{target}: {len(layers)} layers with weights")


if __name__ == "__main__":
    main()
