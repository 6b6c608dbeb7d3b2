"""Writes files as Keras and h5py write them, into assets/golden/keras: a sequential model and one with a model
within it, each in the three formats, and arrays of other types. The `k`-th number of tensor `j` of layer `i`, both
from 0 and counted over layers with weights, is 1000 * (i + 1) + 100 * j + k.

Run in this folder, with keras, h5py and jax: python make_keras_files.py
"""

import os
import pathlib

os.environ["KERAS_BACKEND"] = "jax"

import h5py
import keras
import numpy as np
from keras import layers

folder = pathlib.Path(__file__).parent / "keras"
folder.mkdir(exist_ok=True)


def numbered(flat):
    """Gives the weights of layers their numbers."""
    for i, layer in enumerate(layer for layer in flat if layer.weights):
        for j, weight in enumerate(layer.weights):
            numbers = np.arange(np.prod(weight.shape)) + 1000 * (i + 1) + 100 * j
            weight.assign(numbers.reshape(weight.shape))


def save(model, name):
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.optimizer.build(model.trainable_variables)
    model.save_weights(folder / f"{name}.weights.h5")
    model.save(folder / f"{name}.h5")
    model.save(folder / f"{name}.keras")


def sequential():
    model = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            layers.Conv2D(2, 2),
            layers.DepthwiseConv2D(2, depth_multiplier=2),
            layers.BatchNormalization(),
            layers.GlobalAveragePooling2D(),
            layers.Dropout(0.5),
            layers.Dense(4),
            layers.Dense(3, activation="softmax", use_bias=False),
        ]
    )
    numbered(model.layers)
    save(model, "sequential")


def nested():
    base = keras.Sequential(
        [keras.Input((6, 6, 1)), layers.Conv2D(2, 2), layers.BatchNormalization()], name="base"
    )
    normalization = layers.Normalization(axis=None)
    normalization.adapt(np.array([0.0, 2.0]))
    image = keras.Input((6, 6, 1))
    x = base(normalization(image))
    x = layers.SeparableConv2D(3, 2)(x)
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(image, layers.Dense(3, activation="softmax")(x))
    numbered(base.layers + [layer for layer in model.layers[3:]])
    save(model, "nested")


def types(name, **options):
    """One layer, whose arrays have every type and storage."""
    with h5py.File(folder / name, "w", **options) as file:
        group = file.create_group("layers/dense/vars")
        numbers = np.arange(6.0).reshape(2, 3)
        for i, dtype in enumerate(["<f2", ">f2", "<f4", ">f4", "<f8", ">f8"]):
            group.create_dataset(str(i), data=numbers.astype(dtype))
        packed = {"compression": "gzip", "shuffle": True, "chunks": (1, 2), "fletcher32": True}
        group.create_dataset("6", data=numbers.astype(">f4"), **packed)
        group.create_dataset("7", data=np.float32(2.5))
        group.create_dataset("8", data=np.arange(3))
        group.create_dataset("9", data=np.array([True, False]))
        group.create_dataset("10", data=numbers, dtype="<f4", chunks=(2, 2), maxshape=(None, 3))


sequential()
nested()
types("types.h5")
types("types_v114.h5", libver="v114")
