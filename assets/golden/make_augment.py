"""Writes augment.safetensors: augmented images by float64 formulas and PyTorch's bilinear sampling.

Random decisions are made from words of philox.py, in the order that src/ops/batch/augment/decision.rs
documents; the affine map is the inverse matrix of torchvision's
RandomAffine (torchvision.transforms.functional._get_inverse_affine_matrix), sampled by
torch.nn.functional.grid_sample from an image that numpy.pad has made large enough: what Keras and SciPy
call "reflect" is numpy's "symmetric". The crop is numpy.pad, too.

    python assets/golden/make_augment.py
"""

import json
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file

from philox import philox4x32

SEED, STEP = 1234, 7
KEY_HIGH = 0x6175676D
CASES = {
    "crop_zero": {"crop_padding": 4, "crop_mode": "zero"},
    "crop_reflect_flip": {"crop_padding": 6, "crop_mode": "reflect", "flip": "random"},
    "rotation": {"rotation": 21.6},
    "half_turns": {"rotation": 179.0},
    "translation": {"translation": 0.25},
    "zoom": {"zoom": 0.4},
    "shear": {"shear": 35.0},
    "reflect": {"fill": "reflect", "rotation": 30.0, "translation": 0.5, "zoom": 0.5},
    "nearest": {"fill": "nearest", "rotation": 30.0, "translation": 0.5, "zoom": 0.5},
    "wrap": {"fill": "wrap", "rotation": 30.0, "translation": 0.5, "zoom": 0.5},
    "reflect_far": {"fill": "reflect", "translation": 1.0, "zoom": 0.9, "shear": 50.0},
    "wrap_far": {"fill": "wrap", "translation": 1.0, "zoom": 0.9, "shear": 50.0},
    "colour": {"brightness": 0.5, "contrast": 0.7},
    "all": {
        "crop_padding": 3,
        "crop_mode": "reflect",
        "flip": "random",
        "rotation": 30.0,
        "translation": 0.1,
        "zoom": 0.2,
        "shear": 10.0,
        "cutout": 5,
        "brightness": 0.3,
        "contrast": 0.4,
    },
}
MEAN = [0.5, 0.25, 0.375]


def symmetric(word, limit):
    """A uniform real number in [-limit, limit]."""
    return (word / 2**32 * 2 - 1) * limit


def augmented(image, options, example):
    height, width, _ = image.shape
    counters = [[example, STEP, draw, 0] for draw in range(3)]
    words = philox4x32(counters, (SEED, KEY_HIGH)).tolist()
    x = image.astype(np.float64)

    padding = options.get("crop_padding", 0)
    if padding:
        mode = {"zero": "constant", "reflect": "reflect"}[options["crop_mode"]]
        x = np.pad(x, [(padding, padding), (padding, padding), (0, 0)], mode=mode)
        top, left = [int(words[0][i] * (2 * padding + 1) >> 32) for i in (0, 1)]
        x = x[top : top + height, left : left + width]
    if options.get("flip") == "random" and words[0][2] >> 31:
        x = x[:, ::-1]

    if any(options.get(key) for key in ("rotation", "translation", "zoom", "shear")):
        angle = np.radians(symmetric(words[0][3], options.get("rotation", 0)))
        limit = options.get("translation", 0)
        shift = [symmetric(words[1][0], limit * width), symmetric(words[1][1], limit * height)]
        zoom = 1 + symmetric(words[1][2], options.get("zoom", 0))
        shear = np.radians(symmetric(words[1][3], options.get("shear", 0)))
        # torchvision's matrix for shear = (sx, 0) and scale = 1, from which the inverse is read off.
        a, b = np.cos(angle), -np.cos(angle) * np.tan(shear) - np.sin(angle)
        c, d = np.sin(angle), -np.sin(angle) * np.tan(shear) + np.cos(angle)
        inverse = np.array([[d, -b], [-c, a]]) * zoom
        rows, columns = np.mgrid[0:height, 0:width].astype(np.float64)
        centered = np.stack([columns - (width - 1) / 2, rows - (height - 1) / 2], -1)
        source = centered @ inverse.T - shift + [(width - 1) / 2, (height - 1) / 2]
        margin = 6 * max(height, width)
        mode = {"constant": "constant", "reflect": "symmetric", "nearest": "edge", "wrap": "wrap"}
        x = np.pad(x, [(margin, margin)] * 2 + [(0, 0)], mode=mode[options.get("fill", "constant")])
        source = source + margin
        assert (source >= 0).all() and (source <= np.array(x.shape[1::-1]) - 1).all()
        grid = (2 * source + 1) / np.array(x.shape[1::-1]) - 1
        sampled = torch.nn.functional.grid_sample(
            torch.from_numpy(x.copy()).permute(2, 0, 1)[None],
            torch.from_numpy(grid)[None],
            mode="bilinear",
            padding_mode="zeros",
            align_corners=False,
        )
        x = sampled[0].permute(1, 2, 0).numpy()

    x = x / 255
    if options.get("brightness"):
        x = np.minimum(x * (1 + symmetric(words[2][2], options["brightness"])), 1)
    if options.get("contrast"):
        factor = 1 + symmetric(words[2][3], options["contrast"])
        x = np.clip(np.array(MEAN) + (x - MEAN) * factor, 0, 1)
    x = x - MEAN
    side = options.get("cutout", 0)
    if side:
        top = int(words[2][0] * height >> 32) - side // 2
        left = int(words[2][1] * width >> 32) - side // 2
        x[max(top, 0) : max(top + side, 0), max(left, 0) : max(left + side, 0)] = 0
    return x


def main():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (4, 17, 20, 3), dtype=np.uint8)
    # One image of a smooth gradient, one of bars: errors of the geometry show on them.
    rows, columns = np.mgrid[0:17, 0:20]
    images[2] = (rows * 8 + columns * 6)[..., None] + np.array([0, 3, 7])
    images[3] = ((columns // 3 % 2) * 200 + rows * 2)[..., None]
    examples = np.array([0, 1, 77_777, 4_000_000_000], dtype=np.uint32)
    tensors = {"images": images, "examples": examples}
    for name, options in CASES.items():
        outputs = [augmented(*pair) for pair in zip(images, [options] * 4, examples.tolist())]
        # The writer takes memory as it lies.
        tensors[name] = np.ascontiguousarray(np.stack(outputs), dtype=np.float32)
    metadata = {"augment": json.dumps(CASES)}
    path = Path(__file__).with_name("augment.safetensors")
    save_file(tensors, path, metadata=metadata)
    print(path, path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
