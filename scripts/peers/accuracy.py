"""Trains shortened runs of recipes for CIFAR-10 in verigrad and in PyTorch, and compares accuracies.

    scripts/peers/accuracy [--recipes NAME,...] [--epochs N] [--images N] [--seeds N] [--device NAME]

Both sides have the layers, initial distributions, augmentation, optimizer, schedule and first images
of the recipe; random numbers differ, so that runs of several seeds are compared.
"""

import argparse
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from models import cifar10_alexnet

THREADS = 2
TEST_IMAGES = 10_000


def cifar10_custom():
    def block(before, after, rate):
        return [
            nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after, 1e-5, 0.1), nn.ReLU(),
            nn.Conv2d(after, after, 3, padding=1, bias=False), nn.BatchNorm2d(after, 1e-5, 0.1), nn.ReLU(),
            nn.MaxPool2d(2), nn.Dropout(rate),
        ]  # fmt: skip

    return nn.Sequential(
        *block(3, 32, 0.2), *block(32, 64, 0.3), *block(64, 128, 0.4),
        nn.Flatten(), nn.Linear(2048, 384), nn.BatchNorm1d(384, 1e-5, 0.1), nn.ReLU(), nn.Dropout(0.5),
        nn.Linear(384, 10),
    )  # fmt: skip


# Recipe: model, whether convolutions start with He's distribution, mean and deviation of each
# channel, whether images are cropped and flipped, learning rate.
RECIPES = {
    "cifar10-custom": (
        cifar10_custom, True, ([0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616]), True, 1e-3,
    ),
    "cifar10-alexnet": (cifar10_alexnet, False, ([0.5] * 3, [0.5] * 3), False, 5e-4),
}  # fmt: skip
BATCH = 64


def read(folder, names, count):
    """The first images, as bytes `[n, 3, 32, 32]`, and labels of the binary files of CIFAR-10."""
    rows = np.concatenate([np.fromfile(folder / f"{name}.bin", np.uint8).reshape(-1, 3073) for name in names])
    rows = torch.from_numpy(rows[:count])
    return rows[:, 1:].reshape(-1, 3, 32, 32), rows[:, 0].long()


def initialize(model, he):
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d) and he:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        elif isinstance(layer, (nn.Conv2d, nn.Linear)):
            nn.init.xavier_uniform_(layer.weight)
        if isinstance(layer, (nn.Conv2d, nn.Linear)) and layer.bias is not None:
            nn.init.zeros_(layer.bias)


def crop_and_flip(x):
    padded = functional.pad(x, (4, 4, 4, 4), mode="reflect")
    rows = torch.randint(0, 9, (len(x), 1)) + torch.arange(32)
    columns = torch.randint(0, 9, (len(x), 1)) + torch.arange(32)
    columns = torch.where(torch.rand(len(x), 1) < 0.5, columns.flip(1), columns)
    example = torch.arange(len(x))[:, None, None]
    return padded[example, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def train_torch(recipe, seed, args):
    build, he, (mean, std), augmented, rate = RECIPES[recipe]
    torch.set_num_threads(THREADS)
    torch.manual_seed(seed)
    images, labels = read(args.data, [f"data_batch_{i}" for i in range(1, 6)], args.images)
    test_images, test_labels = read(args.data, ["test_batch"], TEST_IMAGES)
    mean, std = (torch.tensor(values).reshape(3, 1, 1) for values in (mean, std))
    model = build()
    initialize(model, he)
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    loss_of = nn.CrossEntropyLoss()
    steps, step = args.epochs * math.ceil(len(images) / BATCH), 0
    for _ in range(args.epochs):
        model.train()
        for chosen in torch.randperm(len(images)).split(BATCH):
            for group in optimizer.param_groups:
                group["lr"] = rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / steps)))
            x = (images[chosen].float() / 255 - mean) / std
            x = crop_and_flip(x) if augmented else x
            optimizer.zero_grad(set_to_none=True)
            loss_of(model(x), labels[chosen]).backward()
            optimizer.step()
            step += 1
    model.eval()
    with torch.no_grad():
        batches = zip(test_images.split(500), test_labels.split(500))
        right = sum(int((model((x.float() / 255 - mean) / std).argmax(1) == y).sum()) for x, y in batches)
    return right / len(test_labels)


def train_verigrad(recipe, seed, args):
    with tempfile.TemporaryDirectory() as runs:
        command = [
            args.binary, "train", recipe, "--device", args.device, "--data-dir", str(args.data), "--runs", runs,
            "--set", f"epochs={args.epochs}", "--set", f"data.first={args.images}", "--set", f"seed={seed}",
        ]  # fmt: skip
        environment = {**os.environ, "RAYON_NUM_THREADS": str(THREADS)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")
        [run] = pathlib.Path(runs).iterdir()
        return json.loads((run / "result.json").read_text())["test_accuracy"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("--recipes", type=lambda text: text.split(","), default=list(RECIPES))
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--data", type=pathlib.Path, required=True, help="folder of data_batch_1.bin ...")
    args = parser.parse_args()
    if args.seeds < 2:
        parser.error("--seeds: at least 2, to tell a difference from noise")
    agree = True
    for recipe in args.recipes:
        found = {"torch": [], "verigrad": []}
        for seed in range(1, args.seeds + 1):
            for side, train in (("torch", train_torch), ("verigrad", train_verigrad)):
                found[side].append(train(recipe, seed, args))
                print(f"{recipe} seed {seed}: {side} {100 * found[side][-1]:.2f} %", flush=True)
        means = {side: statistics.mean(values) for side, values in found.items()}
        variances = [statistics.variance(values) / args.seeds for values in found.values()]
        difference, noise = means["verigrad"] - means["torch"], math.sqrt(sum(variances))
        within = abs(difference) <= 3 * noise
        agree &= within
        print(
            f"{recipe}: torch {100 * means['torch']:.2f} %, verigrad {100 * means['verigrad']:.2f} %, "
            f"difference {100 * difference:+.2f} points, standard error {100 * noise:.2f}: "
            f"{'within' if within else 'beyond'} three of them"
        )
    sys.exit(0 if agree else 1)


if __name__ == "__main__":
    main()
