#!/usr/bin/env python3
"""Makes assets/golden/mnist_cnn_training.safetensors: 50 training steps of PyTorch on MNIST.

    pip install torch safetensors numpy
    python assets/golden/make_training.py FOLDER_WITH_THE_IDX_FILES

Model: conv 1-32 3x3 valid, ReLU, max pool 2, conv 32-64 3x3 valid, ReLU, max pool 2, flatten,
dense 1600-128, ReLU, dense 128-64, ReLU, dense 64-10. Loss: mean cross entropy. Adam: learning
rate 1e-3, betas 0.9 and 0.999, epsilon 1e-8, no weight decay. Batches of 128 images in the order
of the training file, x = byte / 255 (in float32), no shuffling.

The initial parameters are not stored; both sides draw them. Element i of parameter t, in the
engine's layout (HWIO, [in, out], the rows of dense1 ordered by h, w, c), is

    f32(bound * (2 u - 1)),  bound = 1 / sqrt(fan_in),
    u = uniform(philox4x32(counter = [i / 4, t, 0, 0], key = [SEED, INIT])[i % 4])

in float64, with t the position in PARAMETERS. `<parameter>.sum` is their sum in float64 (of
|element|, over all), as a check of the drawing.

Tensors: `losses_f32` and `losses_f64`, the loss before each step, computed in either precision
from the same parameters; `<parameter>.sum`; `<parameter>.trained_sum`: the sum of |element| after
the 50 steps in float64.
"""

import gzip
import json
import math
import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save

from philox import uniforms

BATCH, STEPS, SEED, INIT = 128, 50, 2026, 0x696E6974
# name, shape in the engine's layout, fan-in
PARAMETERS = [
    ("conv1.weight", (3, 3, 1, 32), 9), ("conv1.bias", (32,), 9),
    ("conv2.weight", (3, 3, 32, 64), 288), ("conv2.bias", (64,), 288),
    ("dense1.weight", (1600, 128), 1600), ("dense1.bias", (128,), 1600),
    ("dense2.weight", (128, 64), 128), ("dense2.bias", (64,), 128),
    ("dense3.weight", (64, 10), 64), ("dense3.bias", (10,), 64),
]


def read_idx(folder, name, header):
    """The bytes of an IDX file, gzipped or not, after its header."""
    path = pathlib.Path(folder) / name
    if path.exists():
        return np.frombuffer(path.read_bytes(), np.uint8, offset=header)
    data = gzip.decompress(path.with_name(name + ".gz").read_bytes())
    return np.frombuffer(data, np.uint8, offset=header)


def initial_parameters():
    """f32 arrays by name, in the engine's layout."""
    parameters = {}
    for t, (name, shape, fan_in) in enumerate(PARAMETERS):
        u = uniforms(math.prod(shape), (t, 0, 0), (SEED, INIT))
        values = (1.0 / math.sqrt(fan_in)) * (2.0 * u - 1.0)
        parameters[name] = values.astype(np.float32).reshape(shape)
    return parameters


def forward(p, x):
    """Logits of NHWC images, for parameters in the engine's layout."""
    x = x.permute(0, 3, 1, 2)
    for conv in ("conv1", "conv2"):
        weight = p[f"{conv}.weight"].permute(3, 2, 0, 1)
        x = F.max_pool2d(F.relu(F.conv2d(x, weight, p[f"{conv}.bias"])), 2)
    x = x.permute(0, 2, 3, 1).flatten(1)
    x = F.relu(x @ p["dense1.weight"] + p["dense1.bias"])
    x = F.relu(x @ p["dense2.weight"] + p["dense2.bias"])
    return x @ p["dense3.weight"] + p["dense3.bias"]


def train(images, labels, dtype):
    """The losses before each of the steps, and the trained parameters."""
    p = {name: torch.from_numpy(value).to(dtype).requires_grad_()
         for name, value in initial_parameters().items()}
    optimiser = torch.optim.Adam(p.values(), lr=1e-3, betas=(0.9, 0.999), eps=1e-8)
    losses = []
    for step in range(STEPS):
        rows = slice(step * BATCH, (step + 1) * BATCH)
        x = torch.from_numpy(images[rows].astype(np.float32) / np.float32(255.0)).to(dtype)
        optimiser.zero_grad()
        loss = F.cross_entropy(forward(p, x), torch.from_numpy(labels[rows].astype(np.int64)))
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return np.array(losses), {name: value.detach().numpy() for name, value in p.items()}


def main():
    torch.set_num_threads(1)
    images = read_idx(sys.argv[1], "train-images-idx3-ubyte", 16).reshape(-1, 28, 28, 1)
    labels = read_idx(sys.argv[1], "train-labels-idx1-ubyte", 8)
    losses_f32, _ = train(images, labels, torch.float32)
    losses_f64, trained = train(images, labels, torch.float64)
    tensors = {"losses_f32": losses_f32.astype(np.float32), "losses_f64": losses_f64}
    for name, value in initial_parameters().items():
        tensors[f"{name}.sum"] = np.array([np.abs(value.astype(np.float64)).sum()])
        tensors[f"{name}.trained_sum"] = np.array([np.abs(trained[name]).sum()])
    # One entry: the library would order several at random.
    about = json.dumps({"script": "assets/golden/make_training.py", "pytorch": torch.__version__,
                        "batch": BATCH, "steps": STEPS, "seed": SEED})
    path = pathlib.Path(__file__).parent / "mnist_cnn_training.safetensors"
    path.write_bytes(save(tensors, {"training": about}))
    print(f"{path.name}: {path.stat().st_size} bytes; loss {losses_f64[0]} to {losses_f64[-1]}, "
          f"largest difference of the precisions {np.abs(losses_f32 - losses_f64).max():.2e}")


if __name__ == "__main__":
    main()
