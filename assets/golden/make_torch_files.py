"""Writes files as torch.save writes them, into assets/golden/torch: state dicts in both formats and several
protocols, a checkpoint, and a whole module. Values are small integers, so that every type holds them.

Run in this folder with PyTorch: python make_torch_files.py
"""

import collections
import pathlib

import torch

folder = pathlib.Path(__file__).parent / "torch"
folder.mkdir(exist_ok=True)


def counted(*shape, dtype=torch.float32, start=0):
    count = 1
    for size in shape:
        count *= size
    return torch.arange(start, start + count).reshape(shape).to(dtype)


def state_dict():
    storage = counted(24)
    return collections.OrderedDict(
        [
            ("conv.weight", counted(2, 3)),
            ("half", counted(3, dtype=torch.float16, start=1)),
            ("brain", counted(3, dtype=torch.bfloat16, start=2)),
            ("double", counted(2, 2, dtype=torch.float64, start=3)),
            ("counter", torch.tensor(7)),
            ("mask", torch.tensor([True, False])),
            ("transposed", counted(2, 3).t()),
            ("slice", storage[4:16].reshape(3, 4)[:, 1:3]),
            ("whole", storage),
            ("parameter", torch.nn.Parameter(counted(2, start=5))),
            ("scalar", torch.tensor(2.5)),
            ("empty", torch.zeros(0, 3)),
        ]
    )


torch.save(state_dict(), folder / "state_dict.pt")
torch.save(state_dict(), folder / "protocol_5.pt", pickle_protocol=5)
torch.save(state_dict(), folder / "legacy.pt", _use_new_zipfile_serialization=False)

model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
with torch.no_grad():
    model[0].weight.copy_(counted(2, 3))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
model(counted(4, 3)).sum().backward()
optimizer.step()
with torch.no_grad():
    model[0].weight.copy_(counted(2, 3))
checkpoint = {
    "epoch": 3,
    "best": 0.5,
    "arch": "net",
    "state_dict": model.state_dict(),
    "optimizer": optimizer.state_dict(),
    "dtype": torch.float32,
    "size": torch.Size([2, 3]),
}
torch.save(checkpoint, folder / "checkpoint.pt")
torch.save(model, folder / "module.pt")


def resnet18(width):
    """Names and shapes of torchvision's ResNet-18, with all channels times a width; in 16 bits."""
    torch.manual_seed(0)
    weights = collections.OrderedDict()

    def conv(name, out, incoming, size):
        deviation = (2 / (incoming * size * size)) ** 0.5
        weights[f"{name}.weight"] = deviation * torch.randn(out, incoming, size, size)

    def norm(name, channels):
        weights[f"{name}.weight"] = torch.ones(channels)
        weights[f"{name}.bias"] = torch.zeros(channels)
        weights[f"{name}.running_mean"] = torch.zeros(channels)
        weights[f"{name}.running_var"] = torch.ones(channels)
        weights[f"{name}.num_batches_tracked"] = torch.tensor(0)

    incoming = int(64 * width)
    conv("conv1", incoming, 3, 7)
    norm("bn1", incoming)
    for stage in range(4):
        channels = int(64 * width) << stage
        for block in range(2):
            name = f"layer{stage + 1}.{block}"
            conv(f"{name}.conv1", channels, incoming, 3)
            norm(f"{name}.bn1", channels)
            conv(f"{name}.conv2", channels, channels, 3)
            norm(f"{name}.bn2", channels)
            if incoming != channels:
                conv(f"{name}.downsample.0", channels, incoming, 1)
                norm(f"{name}.downsample.1", channels)
            incoming = channels
    weights["fc.weight"] = 0.1 * torch.randn(10, incoming)
    weights["fc.bias"] = torch.zeros(10)
    halves = {name: t.half() if t.is_floating_point() else t for name, t in weights.items()}
    return collections.OrderedDict(halves)


torch.save(resnet18(0.0625), folder / "resnet18_small.pth")
