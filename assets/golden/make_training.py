#!/usr/bin/env python3
"""Makes assets/golden/mnist_cnn_training.safetensors: training steps of PyTorch.

    pip install torch safetensors numpy
    python assets/golden/make_training.py FOLDER_WITH_THE_IDX_FILES_OF_MNIST

Model: conv 1-32 3x3 valid, ReLU, max pool 2, conv 32-64 3x3 valid, ReLU, max pool 2, flatten,
dense 1600-128, ReLU, dense 128-64, ReLU, dense 64-10. Loss: mean cross entropy. Batches of 128
images in a fixed order, x = byte / 255 (in float32). Two runs:

`mnist`: the first 50 batches of the training file, by Adam with learning rate 1e-3, betas 0.9 and
0.999, epsilon 1e-8, no weight decay.
`drawn`: 5 batches of images that need no file, by SGD with learning rate 0.05 and momentum 0.9,
whose parameters show a wrong gradient as large as it is.

The initial parameters and the drawn images are not stored; both sides draw them. Element i of
parameter t, in the engine's layout (HWIO, [in, out], the rows of dense1 ordered by h, w, c), is

    f32(bound * (2 u - 1)),  bound = 1 / sqrt(fan_in),
    u = uniform(philox4x32(counter = [i / 4, t, 0, 0], key = [SEED, INIT])[i % 4])

in float64, with t the position in PARAMETERS. With word(i, s) = philox4x32(counter =
[i / 4, s, 0, 0], key = [SEED, DATA])[i % 4], the label of drawn image i is word(i, 1) % 10, and its
pixel p is word(784 i + p, 0) >> 26, plus 160 in the 7x7 block of the label: where
4 (y / 7) + x / 7 is the label, with y = p / 28 and x = p % 28.

Tensors, computed in either precision from the same parameters: `<run>.losses_f32` and
`<run>.losses_f64`, the loss before each step; `<run>.<parameter>_f32` and `_f64`, the trained
parameter, every STRIDE-th element where it has more than 1000. `<parameter>.sum`, the sum of
|element| of the initial parameter in float64.
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

from philox import uniforms, words

SEED, INIT, DATA = 2026, 0x696E6974, 0x64617461
BATCH, STRIDE = 128, 97
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


def mnist(folder, count):
    """The first images [count, 28, 28, 1] and labels of the training set."""
    images = read_idx(folder, "train-images-idx3-ubyte", 16).reshape(-1, 28, 28, 1)
    return images[:count], read_idx(folder, "train-labels-idx1-ubyte", 8)[:count]


def drawn(count):
    """Images [count, 28, 28, 1] and labels that need no file."""
    labels = words(count, (1, 0, 0), (SEED, DATA)) % 10
    noise = words(784 * count, (0, 0, 0), (SEED, DATA)).reshape(count, 784) >> np.uint32(26)
    block = 4 * (np.arange(784) // 28 // 7) + np.arange(784) % 28 // 7
    signal = np.where(block == labels[:, None], 160, 0)
    return (noise + signal).astype(np.uint8).reshape(-1, 28, 28, 1), labels


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


def adam(parameters):
    return torch.optim.Adam(parameters, lr=1e-3, betas=(0.9, 0.999), eps=1e-8)


def sgd(parameters):
    return torch.optim.SGD(parameters, lr=0.05, momentum=0.9)


def train(images, labels, make_optimizer, dtype):
    """One pass: the losses before each of the steps, and the trained parameters."""
    p = {name: torch.from_numpy(value).to(dtype).requires_grad_()
         for name, value in initial_parameters().items()}
    optimizer = make_optimizer(p.values())
    losses = []
    for start in range(0, len(images), BATCH):
        rows = slice(start, start + BATCH)
        x = torch.from_numpy(images[rows].astype(np.float32) / np.float32(255.0)).to(dtype)
        optimizer.zero_grad()
        loss = F.cross_entropy(forward(p, x), torch.from_numpy(labels[rows].astype(np.int64)))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return np.array(losses), {name: value.detach().numpy() for name, value in p.items()}


def main():
    torch.set_num_threads(1)
    tensors = {}
    for name, value in initial_parameters().items():
        tensors[f"{name}.sum"] = np.array([np.abs(value.astype(np.float64)).sum()])
    runs = {"mnist": (mnist(sys.argv[1], 50 * BATCH), adam), "drawn": (drawn(5 * BATCH), sgd)}
    for run, ((images, labels), optimizer) in runs.items():
        losses = {}
        for suffix, dtype in {"f32": torch.float32, "f64": torch.float64}.items():
            losses[suffix], trained = train(images, labels, optimizer, dtype)
            tensors[f"{run}.losses_{suffix}"] = losses[suffix].astype(suffix.replace("f", "float"))
            for name, value in trained.items():
                value = value.reshape(-1)[::STRIDE if value.size > 1000 else 1]
                tensors[f"{run}.{name}_{suffix}"] = np.ascontiguousarray(value)
        print(f"{run}: loss {losses['f64'][0]} to {losses['f64'][-1]}, largest difference of the "
              f"precisions {np.abs(losses['f32'] - losses['f64']).max():.2e}")
    # One entry: the library would order several at random.
    about = json.dumps({"script": "assets/golden/make_training.py", "pytorch": torch.__version__,
                        "seed": SEED})
    path = pathlib.Path(__file__).parent / "mnist_cnn_training.safetensors"
    path.write_bytes(save(tensors, {"training": about}))
    print(f"{path.name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
