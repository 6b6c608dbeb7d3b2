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
