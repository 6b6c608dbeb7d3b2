#!/usr/bin/env python3
"""Makes assets/golden/models.safetensors: PyTorch's forward pass and training step of well-known models.

    pip install torch safetensors numpy
    python assets/golden/make_models.py

The models are written here as torchvision writes them, with the same names in their state dicts, so
that torchvision need not be installed; a factor on all channels and small images keep them small.
Neither weights nor images are stored; both sides draw them. Element i of tensor t of a model, in
PyTorch's layout and with t its position in the list of names that the fixture holds, is made of

    v = 2 u - 1,  u = uniform(philox4x32(counter = [i / 4, t, m, 0], key = [SEED, INIT])[i % 4])

in float64, with m the model's position in MODELS, and rounded to f32. The factor s is 0.6 in residual
networks, whose sums would else grow from block to block, and 1 in others:

    weights of two or four dimensions       v sqrt(6 / fan_in)
    running_var                             1 + v / 2
    weights of one dimension (norms)        s (1 + v / 5)
    all others (biases, running means)      v / 10

Pixel i of the images [n, h, w, c] is word(i, 0, m) >> 24 and the label of image i is
word(i, 1, m) % CLASSES, with word(i, s, m) = philox4x32(counter = [i / 4, s, m, 0],
key = [SEED, DATA])[i % 4]; x = byte / 255 in float32.

For each model: `<model>.probabilities`, the softmax of the forward pass with running statistics; and
for one step on the same images with batch statistics, by SGD (rate 0.05, momentum 0.9, weight decay
1e-3 on weights) and by Adam (rate 1e-3, epsilon 1e-3, so that a gradient near zero shows as it is):
`<model>.<optimizer>.loss` before the step, and `<model>.<optimizer>.state` after it: of every tensor,
one after the other, every stride-th element such that at most 48 are left. Each in both precisions, `_f32` and `_f64`, from the same numbers.
"""

import json
import math
import pathlib

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save
from torch import nn

from philox import uniforms, words

SEED, INIT, DATA = 2027, 0x696E6974, 0x64617461
CLASSES, KEPT = 7, 48


def alexnet(width):
    c = lambda channels: int(channels * width)
    features = nn.Sequential(
        nn.Conv2d(3, c(64), 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(c(64), c(192), 5, 1, 2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(c(192), c(384), 3, 1, 1), nn.ReLU(),
        nn.Conv2d(c(384), c(256), 3, 1, 1), nn.ReLU(),
        nn.Conv2d(c(256), c(256), 3, 1, 1), nn.ReLU(), nn.MaxPool2d(3, 2),
    )  # fmt: skip
    classifier = nn.Sequential(
        nn.Dropout(0.0), nn.Linear(c(256) * 36, c(4096)), nn.ReLU(),
        nn.Dropout(0.0), nn.Linear(c(4096), c(4096)), nn.ReLU(), nn.Linear(c(4096), CLASSES),
    )  # fmt: skip
    return Parts(features, nn.AdaptiveAvgPool2d(6), classifier)


def alexnet_2012(width):
    def c(channels):
        channels = int(channels * width)
        return channels + channels % 2

    lrn = lambda: nn.LocalResponseNorm(5, 5e-4, 0.75, 2.0)
    features = nn.Sequential(
        nn.Conv2d(3, c(96), 11, 4, 2), nn.ReLU(), lrn(), nn.MaxPool2d(3, 2),
        nn.Conv2d(c(96), c(256), 5, 1, 2, groups=2), nn.ReLU(), lrn(), nn.MaxPool2d(3, 2),
        nn.Conv2d(c(256), c(384), 3, 1, 1), nn.ReLU(),
        nn.Conv2d(c(384), c(384), 3, 1, 1, groups=2), nn.ReLU(),
        nn.Conv2d(c(384), c(256), 3, 1, 1, groups=2), nn.ReLU(), nn.MaxPool2d(3, 2),
    )  # fmt: skip
    units = int(4096 * width)
    classifier = nn.Sequential(
        nn.Linear(c(256) * 4, units), nn.ReLU(), nn.Dropout(0.0),
        nn.Linear(units, units), nn.ReLU(), nn.Dropout(0.0), nn.Linear(units, CLASSES),
    )  # fmt: skip
    return Parts(features, nn.Identity(), classifier)


class Parts(nn.Module):
    def __init__(self, features, pool, classifier):
        super().__init__()
        self.features, self.pool, self.classifier = features, pool, classifier

    def forward(self, x):
        return self.classifier(self.pool(self.features(x)).flatten(1))


def vgg(width):
    """VGG-11 with batch norm."""
    layers, channels = [], 3
    for out in (64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"):
        if out == "M":
            layers.append(nn.MaxPool2d(2, 2))
            continue
        out = int(out * width)
        layers += [nn.Conv2d(channels, out, 3, padding=1), nn.BatchNorm2d(out), nn.ReLU()]
        channels = out
    units = int(4096 * width)
    classifier = nn.Sequential(
        nn.Linear(channels * 49, units), nn.ReLU(), nn.Dropout(0.0),
        nn.Linear(units, units), nn.ReLU(), nn.Dropout(0.0), nn.Linear(units, CLASSES),
    )  # fmt: skip
    return Parts(nn.Sequential(*layers), nn.AdaptiveAvgPool2d(7), classifier)


class Block(nn.Module):
    """A basic block, or a bottleneck."""

    def __init__(self, incoming, inner, outgoing, stride, bottleneck):
        super().__init__()
        sizes = [(incoming, inner, 1, 1), (inner, inner, 3, stride), (inner, outgoing, 1, 1)]
        if not bottleneck:
            sizes = [(incoming, inner, 3, stride), (inner, inner, 3, 1)]
        for i, (a, b, kernel, stride_here) in enumerate(sizes, 1):
            conv = nn.Conv2d(a, b, kernel, stride_here, kernel // 2, bias=False)
            setattr(self, f"conv{i}", conv)
            setattr(self, f"bn{i}", nn.BatchNorm2d(b))
        self.convolutions = len(sizes)
        self.downsample = None
        if stride != 1 or incoming != outgoing:
            self.downsample = nn.Sequential(
                nn.Conv2d(incoming, outgoing, 1, stride, bias=False), nn.BatchNorm2d(outgoing)
            )

    def forward(self, x):
        y = x
        for i in range(1, self.convolutions + 1):
            y = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(y))
            y = F.relu(y) if i < self.convolutions else y
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    def __init__(self, blocks, channels, bottleneck, imagenet):
        super().__init__()
        self.imagenet, self.stages = imagenet, len(blocks)
        kernel, stride = (7, 2) if imagenet else (3, 1)
        self.conv1 = nn.Conv2d(3, channels, kernel, stride, kernel // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        incoming = channels
        for stage, count in enumerate(blocks):
            inner = channels << stage
            outgoing = inner * 4 if bottleneck else inner
            layers = []
            for block in range(count):
                stride = 2 if stage > 0 and block == 0 else 1
                layers.append(Block(incoming, inner, outgoing, stride, bottleneck))
                incoming = outgoing
            setattr(self, f"layer{stage + 1}", nn.Sequential(*layers))
        self.fc = nn.Linear(incoming, CLASSES)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.max_pool2d(x, 3, 2, 1) if self.imagenet else x
        for stage in range(self.stages):
            x = getattr(self, f"layer{stage + 1}")(x)
        return self.fc(x.mean((2, 3)))


class Separable(nn.Module):
    def __init__(self, incoming, outgoing, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(incoming, incoming, 3, stride, 1, groups=incoming, bias=False)
        self.bn1 = nn.BatchNorm2d(incoming)
        self.conv2 = nn.Conv2d(incoming, outgoing, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outgoing)

    def forward(self, x):
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))


class MobileNet(nn.Module):
    def __init__(self, width):
        super().__init__()
        sizes = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)]
        sizes += [(512, 1)] * 5 + [(1024, 2), (1024, 1)]
        incoming = int(32 * width)
        self.conv1 = nn.Conv2d(3, incoming, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(incoming)
        layers = []
        for channels, stride in sizes:
            layers.append(Separable(incoming, int(channels * width), stride))
            incoming = int(channels * width)
        self.layers = nn.Sequential(*layers)
        self.linear = nn.Linear(incoming, CLASSES)

    def forward(self, x):
        x = self.layers(F.relu(self.bn1(self.conv1(x))))
        return self.linear(x.mean((2, 3)))


def eight(channels, width):
    exact = int(channels * width)
    rounded = max(8, (exact + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * exact else rounded


def conv_norm(a, b, kernel=3, stride=1, groups=1):
    conv = nn.Conv2d(a, b, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(b), nn.ReLU6())


class Inverted(nn.Module):
    def __init__(self, incoming, outgoing, stride, expansion):
        super().__init__()
        hidden = incoming * expansion
        layers = [conv_norm(incoming, hidden, 1)] if expansion != 1 else []
        layers += [conv_norm(hidden, hidden, 3, stride, hidden),
                   nn.Conv2d(hidden, outgoing, 1, bias=False), nn.BatchNorm2d(outgoing)]
        self.conv = nn.Sequential(*layers)
        self.adds = stride == 1 and incoming == outgoing

    def forward(self, x):
        return x + self.conv(x) if self.adds else self.conv(x)


class MobileNetV2(nn.Module):
    """With the strides of small images."""

    def __init__(self, width):
        super().__init__()
        sizes = [(1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
                 (6, 160, 3, 2), (6, 320, 1, 1)]
        incoming = eight(32, width)
        layers = [conv_norm(3, incoming)]
        for expansion, channels, count, stride in sizes:
            for block in range(count):
                outgoing = eight(channels, width)
                layers.append(Inverted(incoming, outgoing, stride if block == 0 else 1, expansion))
                incoming = outgoing
        layers.append(conv_norm(incoming, 1280, 1))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(0.0), nn.Linear(1280, CLASSES))

    def forward(self, x):
        return self.classifier(self.features(x).mean((2, 3)))


# Name: model, the options of a recipe that make it, images [n, h, w, c].
MODELS = {
    "alexnet": (lambda: alexnet(0.0625), 'type = "alexnet"\nwidth = 0.0625\ndropout = 0.0',
                (4, 96, 96, 3)),
    "alexnet_2012": (lambda: alexnet_2012(0.0625),
                     'type = "alexnet_2012"\nwidth = 0.0625\ndropout = 0.0', (4, 95, 95, 3)),
    "vgg": (lambda: vgg(0.0625), 'type = "vgg"\ndepth = 11\nwidth = 0.0625\ndropout = 0.0',
            (6, 64, 64, 3)),
    "resnet20": (lambda: ResNet([3, 3, 3], 16, False, False), 'type = "resnet"\ndepth = 20',
                 (8, 16, 16, 3)),
    "resnet18": (lambda: ResNet([2, 2, 2, 2], 8, False, True),
                 'type = "resnet"\ndepth = 18\nwidth = 0.125', (8, 64, 64, 3)),
    "resnet50": (lambda: ResNet([3, 4, 6, 3], 4, True, False),
                 'type = "resnet"\ndepth = 50\nwidth = 0.0625\nform = "small"', (8, 16, 16, 3)),
    "mobilenet": (lambda: MobileNet(0.25),
                  'type = "mobilenet"\nform = "small"\nwidth = 0.25\ndropout = 0.0', (8, 32, 32, 3)),
    "mobilenet_v2": (lambda: MobileNetV2(0.25),
                     'type = "mobilenet"\nversion = 2\nform = "small"\nwidth = 0.25\ndropout = 0.0',
                     (8, 24, 24, 3)),
}  # fmt: skip


def names_of(model):
    return [name for name in model.state_dict() if not name.endswith("num_batches_tracked")]


def scale_of(name):
    return 0.6 if name.startswith("resnet") else 1.0


def draw(model, m, scale):
    """Fills the state of a model in float64."""
    state = model.state_dict()
    for t, name in enumerate(names_of(model)):
        tensor = state[name]
        v = 2.0 * uniforms(tensor.numel(), (t, m, 0), (SEED, INIT)) - 1.0
        if tensor.ndim > 1:
            values = v * math.sqrt(6.0 / (tensor.numel() // tensor.shape[0]))
        elif name.endswith("running_var"):
            values = 1.0 + v / 2.0
        elif name.endswith("weight"):
            values = scale * (1.0 + v / 5.0)
        else:
            values = v / 10.0
        values = values.astype(np.float32).astype(np.float64)
        tensor.copy_(torch.from_numpy(values.reshape(tuple(tensor.shape))))


def images(shape, m):
    n = math.prod(shape)
    pixels = (words(n, (0, m, 0), (SEED, DATA)) >> np.uint32(24)).astype(np.uint8).reshape(shape)
    return pixels, (words(shape[0], (1, m, 0), (SEED, DATA)) % CLASSES).astype(np.int64)


def optimizer_of(kind, model):
    named = list(model.named_parameters())
    decayed = [p for _, p in named if p.ndim > 1]
    others = [p for _, p in named if p.ndim == 1]
    if kind == "adam":
        return torch.optim.Adam(decayed + others, lr=1e-3, eps=1e-3)
    groups = [{"params": decayed, "weight_decay": 1e-3}, {"params": others}]
    return torch.optim.SGD(groups, lr=0.05, momentum=0.9)


def run(build, m, scale, pixels, labels, kind, dtype):
    """Probabilities of the fresh model, the loss, and the state after one step."""
    model = build().double()
    draw(model, m, scale)
    model = model.to(dtype)
    x = torch.from_numpy(pixels.astype(np.float32) / np.float32(255.0)).to(dtype)
    x, labels = x.permute(0, 3, 1, 2).contiguous(), torch.from_numpy(labels)
    model.eval()
    with torch.no_grad():
        probabilities = F.softmax(model(x), 1)
    model.train()
    optimizer = optimizer_of(kind, model)
    loss = F.cross_entropy(model(x), labels)
    loss.backward()
    optimizer.step()
    state = model.state_dict()
    return probabilities, loss.detach(), {name: state[name] for name in names_of(model)}


def main():
    torch.set_num_threads(1)
    tensors, about = {}, {}
    for m, (name, (build, options, shape)) in enumerate(MODELS.items()):
        pixels, labels = images(shape, m)
        about[name] = {"options": options, "images": shape, "classes": CLASSES, "scale": scale_of(name),
                       "names": names_of(build())}
        for kind in ("sgd", "adam"):
            for suffix, dtype in (("f32", torch.float32), ("f64", torch.float64)):
                numpy = lambda tensor: np.ascontiguousarray(tensor.numpy().reshape(-1))
                probabilities, loss, state = run(
                    build, m, scale_of(name), pixels, labels, kind, dtype)
                tensors[f"{name}.probabilities_{suffix}"] = numpy(probabilities)
                tensors[f"{name}.{kind}.loss_{suffix}"] = numpy(loss)
                kept = [numpy(value)[:: -(-value.numel() // KEPT)] for value in state.values()]
                tensors[f"{name}.{kind}.state_{suffix}"] = np.concatenate(kept)
        spread = tensors[f"{name}.probabilities_f64"].reshape(-1, CLASSES)[0]
        print(f"{name}: loss {loss.item():.4f}, probabilities {np.round(spread, 3)}")
    # One entry: the library would order several at random.
    text = json.dumps({"script": "assets/golden/make_models.py", "pytorch": torch.__version__,
                       "seed": SEED, "kept": KEPT, "models": about})
    path = pathlib.Path(__file__).parent / "models.safetensors"
    path.write_bytes(save(tensors, {"models": text}))
    print(f"{path.name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
