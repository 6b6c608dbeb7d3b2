#!/usr/bin/env python3
"""Makes assets/golden/callbacks.json: what Keras' callbacks do with series of metrics.

    pip install keras torch
    KERAS_BACKEND=torch python assets/golden/make_callbacks.py

Unit tests of src/train/run/callbacks/ compare with it. Epochs are counted from one.
"""

import json
import pathlib
import random

import keras
import numpy as np

MONITORS = {"validation_loss": ("val_loss", "min"), "validation_accuracy": ("val_accuracy", "max")}
SERIES = {
    "falls_then_rises": [1.0, 0.8, 0.7, 0.65, 0.66, 0.7, 0.64, 0.9, 0.95, 1.0, 1.1, 1.2],
    "flat": [0.5] * 9,
    "creeps": [1.0 - 0.0005 * i for i in range(12)],
    "alternates": [0.6, 0.5, 0.6, 0.5, 0.6, 0.49, 0.6, 0.5, 0.6, 0.5, 0.6, 0.5],
    "one": [0.3],
}
for seed in range(4):
    generator = random.Random(seed)
    SERIES[f"random_{seed}"] = [round(generator.uniform(0.2, 1.0), 6) for _ in range(20)]


def model():
    """A model of one weight, which tells the epoch."""
    result = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    result.compile(optimizer=keras.optimizers.SGD(0.1), loss="mse")
    return result


def early_stopping(name, values, patience, min_delta):
    key, mode = MONITORS[name]
    callback = keras.callbacks.EarlyStopping(key, min_delta, patience, mode=mode,
                                             restore_best_weights=True)
    owner = model()
    callback.set_model(owner)
    callback.on_train_begin()
    stopped = None
    for epoch, value in enumerate(values):
        owner.set_weights([np.array([[epoch + 1.0]])])
        callback.on_epoch_end(epoch, {key: value})
        if owner.stop_training:
            stopped = epoch + 1
            break
    callback.on_train_end()
    (weight,) = owner.get_weights()
    return {"callback": "early_stopping", "monitor": name, "values": values, "patience": patience,
            "min_delta": min_delta, "stopped_epoch": stopped, "best_epoch": int(weight[0, 0])}


def plateau(name, values, patience, min_delta, factor, cooldown, min_rate):
    key, mode = MONITORS[name]
    callback = keras.callbacks.ReduceLROnPlateau(key, factor, patience, mode=mode,
                                                 min_delta=min_delta, cooldown=cooldown,
                                                 min_lr=min_rate)
    owner = model()
    callback.set_model(owner)
    callback.on_train_begin()
    rates = []
    for epoch, value in enumerate(values):
        callback.on_epoch_end(epoch, {key: value})
        rates.append(float(owner.optimizer.learning_rate.cpu().detach().numpy()
                           if hasattr(owner.optimizer.learning_rate, "cpu")
                           else owner.optimizer.learning_rate))
    return {"callback": "plateau", "monitor": name, "values": values, "patience": patience,
            "min_delta": min_delta, "factor": factor, "cooldown": cooldown, "min_rate": min_rate,
            "base_rate": 0.1, "rates": rates}


cases = []
for name in MONITORS:
    for values in SERIES.values():
        for patience, min_delta in [(1, 0.0), (3, 0.0), (3, 0.001), (5, 0.05)]:
            cases.append(early_stopping(name, values, patience, min_delta))
        for patience, min_delta, factor, cooldown, min_rate in [
            (1, 1e-4, 0.5, 0, 0.0), (2, 0.0, 0.1, 2, 0.005), (3, 0.02, 0.5, 1, 0.03),
        ]:
            cases.append(plateau(name, values, patience, min_delta, factor, cooldown, min_rate))
path = pathlib.Path(__file__).parent / "callbacks.json"
path.write_text("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")
print(f"{path.name}: {len(cases)} cases, Keras {keras.__version__}")
