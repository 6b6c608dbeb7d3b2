"""The cases of one fixture file: runs PyTorch in float64 and writes what it computed."""

import json
import pathlib
import zlib

import numpy as np
import torch

HERE = pathlib.Path(__file__).parent
IGNORED_LABEL = 2**32 - 1


def f32(x):
    """The number as f32 holds it: a Python float that survives JSON in either precision."""
    return float(np.float32(x))


class Family:
    """The cases of one file."""

    def __init__(self, name):
        self.name, self.tensors, self.cases = name, {}, []

    def rng(self, case):
        return np.random.Generator(np.random.PCG64(zlib.crc32(f"{self.name}/{case}".encode())))

    def normal(self, case, *shapes):
        """f32 arrays of normal numbers; the seed is the name of the case."""
        rng = self.rng(case)
        return [rng.standard_normal(shape).astype(np.float32) for shape in shapes]

    def add(self, name, op, attributes, inputs, forward, checked=None, gradients=(), cotangents=(0,)):
        """Adds a case.

        `inputs`: arrays (f32, or f64 for state that an earlier step left, u32, u8). `forward`:
        from float64 tensors (int64 for integers) to one tensor or a tuple, in the engine's
        layout; autograd through it gives the gradients. `checked`: the outputs to compare;
        `gradients`: the inputs to differentiate; `cotangents`: the outputs that get one.
        """
        assert all(case["name"] != name for case in self.cases), name
        arguments = []
        for i, value in enumerate(inputs):
            self.tensors[f"{name}/in{i}"] = np.ascontiguousarray(value)
            if value.dtype.kind == "f":
                tensor = torch.from_numpy(value.astype(np.float64)).requires_grad_(i in gradients)
            else:
                tensor = torch.from_numpy(value.astype(np.int64))
            arguments.append(tensor)
        outputs = forward(*arguments)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        checked = list(range(len(outputs))) if checked is None else list(checked)
        for o in checked:
            expected = outputs[o].detach()
            if not expected.is_floating_point():
                expected = expected.numpy().astype(np.uint32)
            self.tensors[f"{name}/out{o}"] = np.ascontiguousarray(expected)
        if gradients:
            loss = 0.0
            for o in cotangents:
                (dy,) = self.normal(f"{name}/dy{o}", tuple(outputs[o].shape))
                self.tensors[f"{name}/dy{o}"] = dy
                loss = loss + (outputs[o] * torch.from_numpy(dy.astype(np.float64))).sum()
            dxs = torch.autograd.grad(loss, [arguments[i] for i in gradients])
            for i, dx in zip(gradients, dxs):
                self.tensors[f"{name}/dx{i}"] = np.ascontiguousarray(dx.detach())
        self.cases.append({
            "name": name, "op": op, "attributes": attributes, "inputs": len(inputs),
            "outputs": len(outputs), "checked_outputs": checked, "gradients": list(gradients),
        })

    def save(self):
        """Writes the file. The format is written by hand because the library orders metadata at
        random: the same script must make the same bytes."""
        dtypes = {"<f4": "F32", "<f8": "F64", "<u4": "U32", "|u1": "U8"}
        # Wider elements first keeps every tensor aligned.
        names = sorted(self.tensors, key=lambda name: (-self.tensors[name].itemsize, name))
        header = {"__metadata__": {
            "cases": json.dumps(self.cases, separators=(",", ":")),
            "pytorch": torch.__version__,
            "script": "assets/golden/make_golden.py",
        }}
        end = 0
        for name in names:
            value = self.tensors[name]
            start, end = end, end + value.nbytes
            header[name] = {"dtype": dtypes[value.dtype.str], "shape": list(value.shape),
                            "data_offsets": [start, end]}
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        path = HERE / f"{self.name}.safetensors"
        with path.open("wb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            for name in names:
                file.write(self.tensors[name].tobytes())
        print(f"{path.name}: {len(self.cases)} cases, {path.stat().st_size} bytes")
