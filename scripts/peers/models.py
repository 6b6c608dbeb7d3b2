"""The models of the comparison in PyTorch, layer by layer as in assets/recipes, and their speed.

    python3 scripts/peers/models.py RECIPE SECONDS [--device cpu|cuda] [--mode f32|tf32|amp]
                                    [--graph] [--channels-last]
"""

import argparse
import json
import time

import torch
from torch import nn

THREADS = 2
CLASSES = 10


def mnist_cnn():
    return nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(1600, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(),
        nn.Linear(64, CLASSES),
    )  # fmt: skip


def mnist_mlp():
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 512), nn.ReLU(), nn.Dropout(0.2),
        nn.Linear(512, 128), nn.ReLU(), nn.Dropout(0.2), nn.Linear(128, CLASSES),
    )  # fmt: skip


def cifar10_alexnet():
    return nn.Sequential(
        nn.Conv2d(3, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(64, 192, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(0.5), nn.Linear(4096, 1024), nn.ReLU(),
        nn.Dropout(0.5), nn.Linear(1024, 512), nn.ReLU(), nn.Linear(512, CLASSES),
    )  # fmt: skip


def normalized(inputs, outputs, kernel=3, stride=1):
    """A convolution without bias, and its batch norm."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return [conv, nn.BatchNorm2d(outputs)]


def cifar10_custom():
    layers = []
    for inputs, outputs, dropout in ((3, 32, 0.2), (32, 64, 0.3), (64, 128, 0.4)):
        layers += [*normalized(inputs, outputs), nn.ReLU()]
        layers += [*normalized(outputs, outputs), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(dropout)]
    return nn.Sequential(
        *layers, nn.Flatten(), nn.Linear(2048, 384), nn.BatchNorm1d(384), nn.ReLU(),
        nn.Dropout(0.5), nn.Linear(384, CLASSES),
    )  # fmt: skip


class Residual(nn.Module):
    """A basic block of a residual network."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        first = [*normalized(inputs, outputs, 3, stride), nn.ReLU()]
        self.body = nn.Sequential(*first, *normalized(outputs, outputs))
        same = inputs == outputs and stride == 1
        projection = [] if same else normalized(inputs, outputs, 1, stride)
        self.shortcut = nn.Sequential(*projection)

    def forward(self, x):
        return torch.relu(self.body(x) + self.shortcut(x))


def cifar10_resnet18():
    blocks, inputs = [], 64
    for outputs, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        blocks += [Residual(inputs, outputs, stride), Residual(outputs, outputs, 1)]
        inputs = outputs
    return nn.Sequential(
        *normalized(3, 64), nn.ReLU(), *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(512, CLASSES),
    )  # fmt: skip


def alexnet():
    return nn.Sequential(
        nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.AdaptiveAvgPool2d(6), nn.Flatten(),
        nn.Dropout(0.5), nn.Linear(9216, 4096), nn.ReLU(),
        nn.Dropout(0.5), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, CLASSES),
    )  # fmt: skip


def adam(parameters, capturable):
    return torch.optim.Adam(parameters, lr=1e-3, capturable=capturable)


def momentum(parameters, _capturable):
    return torch.optim.SGD(parameters, lr=0.01, momentum=0.9, weight_decay=5e-4)


# Recipe: model, image as channels, height, width, images of a step, and optimizer.
MODELS = {
    "mnist-cnn": (mnist_cnn, (1, 28, 28), 128, adam),
    "mnist-mlp-torch": (mnist_mlp, (1, 28, 28), 128, adam),
    "cifar10-alexnet": (cifar10_alexnet, (3, 32, 32), 64, adam),
    "cifar10-custom": (cifar10_custom, (3, 32, 32), 64, adam),
    "cifar10-resnet18": (cifar10_resnet18, (3, 32, 32), 128, momentum),
    "alexnet": (alexnet, (3, 224, 224), 128, momentum),
}


class Training:
    """A model with its data. As in verigrad, images are bytes that the step gathers and scales."""

    def __init__(self, name, device, mode, graph, channels_last):
        build, image, batch, optimizer = MODELS[name]
        torch.manual_seed(1)
        self.device, self.batch, self.amp = device, batch, mode == "amp"
        self.examples = 10_000 if image[1] < 100 else 1_000
        self.format = torch.channels_last if channels_last else torch.contiguous_format
        size = (self.examples, *image)
        self.images = torch.randint(0, 256, size, dtype=torch.uint8, device=device)
        self.labels = torch.randint(0, CLASSES, (self.examples,), device=device)
        self.order = torch.randperm(self.examples, device=device)
        self.chosen = torch.zeros(batch, dtype=torch.int64, device=device)
        self.model = build().to(device).to(memory_format=self.format)
        self.loss_of = nn.CrossEntropyLoss()
        self.optimizer = optimizer(self.model.parameters(), graph)
        self.scaler = torch.amp.GradScaler(device, enabled=self.amp)
        self.replay = None

    def compute(self):
        """One step on the chosen examples."""
        x = (self.images[self.chosen].float() / 255.0 - 0.5) / 0.5
        x = x.contiguous(memory_format=self.format)
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self.device, torch.float16, enabled=self.amp):
            loss = self.loss_of(self.model(x), self.labels[self.chosen])
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()

    def step(self, number):
        first = number * self.batch % (self.examples - self.batch)
        self.chosen.copy_(self.order[first : first + self.batch])
        if self.replay is None:
            self.compute()
        else:
            self.replay.replay()

    def capture(self):
        """Records a step as a CUDA graph, after a few on a stream of their own."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for number in range(3):
                self.step(number)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        # A scaler asks the host whether the gradients are finite, which no graph can.
        if self.amp:
            self.scaler = torch.amp.GradScaler(self.device, enabled=False)
        with torch.cuda.graph(graph):
            self.compute()
        self.replay = graph


def measure(name, seconds, device="cpu", mode="f32", graph=False, channels_last=False):
    """Seconds of one step."""
    torch.set_num_threads(THREADS)
    torch.backends.cuda.matmul.allow_tf32 = mode == "tf32"
    torch.backends.cudnn.allow_tf32 = mode == "tf32"
    torch.backends.cudnn.benchmark = True

    def wait():
        if device == "cuda":
            torch.cuda.synchronize()

    training = Training(name, device, mode, graph, channels_last)
    if graph:
        training.capture()
    for number in range(2 if device == "cpu" else 20):
        training.step(number)
    wait()
    # Steps are waited for in groups, so that waiting takes no part in their time.
    group, steps, start = 1 if device == "cpu" else 20, 0, time.perf_counter()
    while time.perf_counter() - start < seconds or steps < 2:
        for _ in range(group):
            training.step(2 + steps)
            steps += 1
        wait()
    return (time.perf_counter() - start) / steps


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model", choices=MODELS)
    parser.add_argument("seconds", type=float)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--mode", choices=["f32", "tf32", "amp"], default="f32")
    parser.add_argument("--graph", action="store_true")
    parser.add_argument("--channels-last", action="store_true")
    args = parser.parse_args()
    if args.device == "cpu" and (args.graph or args.mode != "f32"):
        parser.error("--graph and --mode are for --device cuda")
    spent = measure(
        args.model, args.seconds, args.device, args.mode, args.graph, args.channels_last
    )
    row = {"model": args.model, "device": args.device, "mode": args.mode, "graph": args.graph,
           "channels_last": args.channels_last, "seconds": spent,
           "torch": torch.__version__}  # fmt: skip
    if args.device == "cuda":
        row["device_name"] = torch.cuda.get_device_name()
    print(json.dumps(row))


if __name__ == "__main__":
    main()
