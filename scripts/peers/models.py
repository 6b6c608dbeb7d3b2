"""The models of the comparison in PyTorch, layer by layer as in assets/recipes, and their speed."""

import json
import sys
import time

import torch
from torch import nn

THREADS = 2


def mnist_cnn():
    return nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(1600, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(),
        nn.Linear(64, 10),
    )  # fmt: skip


def mnist_mlp():
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 512), nn.ReLU(), nn.Dropout(0.2),
        nn.Linear(512, 128), nn.ReLU(), nn.Dropout(0.2), nn.Linear(128, 10),
    )  # fmt: skip


def cifar10_alexnet():
    return nn.Sequential(
        nn.Conv2d(3, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(64, 192, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(0.5), nn.Linear(4096, 1024), nn.ReLU(),
        nn.Dropout(0.5), nn.Linear(1024, 512), nn.ReLU(), nn.Linear(512, 10),
    )  # fmt: skip


# Recipe: model, image as channels, height, width, and images of a step.
MODELS = {
    "mnist-cnn": (mnist_cnn, (1, 28, 28), 128),
    "mnist-mlp-torch": (mnist_mlp, (1, 28, 28), 128),
    "cifar10-alexnet": (cifar10_alexnet, (3, 32, 32), 64),
}


def measure(name, seconds, examples=10_000):
    """Seconds of one step. As in verigrad, images are bytes that the step gathers and scales."""
    build, image, batch = MODELS[name]
    torch.set_num_threads(THREADS)
    torch.manual_seed(1)
    images = torch.randint(0, 256, (examples, *image), dtype=torch.uint8)
    labels = torch.randint(0, 10, (examples,))
    model = build()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    loss_of = nn.CrossEntropyLoss()
    order = torch.randperm(examples)

    def step(number):
        first = number * batch % (examples - batch)
        chosen = order[first : first + batch]
        x = (images[chosen].float() / 255.0 - 0.5) / 0.5
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(model(x), labels[chosen])
        loss.backward()
        optimizer.step()

    step(0)
    step(1)
    steps, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds or steps < 2:
        step(2 + steps)
        steps += 1
    return (time.perf_counter() - start) / steps


if __name__ == "__main__":
    spent = measure(sys.argv[1], float(sys.argv[2]))
    print(json.dumps({"seconds": spent, "torch": torch.__version__}))
