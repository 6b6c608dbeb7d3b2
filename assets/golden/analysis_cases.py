"""Cases of the ops that analyze trained models."""

import numpy as np
import torch

from family import Family, f32


def analysis():
    family = Family("analysis")
    add_attacks(family)
    add_fake_quantize(family)
    family.save()


def add_attacks(family):
    """The step of FGSM and PGD, as the code of both papers writes it in PyTorch."""
    for name, shape, epsilon, step_size in [
        ("fgsm", (2, 5, 5, 1), 0.1, 0.1), ("pgd", (3, 4, 4, 3), 0.25, 0.0625),
        ("no_ball", (7,), 0.0, 0.5), ("far", (33,), 10.0, 3.0), ("no_step", (9,), 0.3, 0.0),
    ]:
        (g,) = family.normal(name, shape)
        rng = family.rng(f"{name}/images")
        x, original = (rng.random(shape, dtype=np.float32) for _ in range(2))
        g.flat[0] = 0.0

        def forward(x, g, original, epsilon, step_size):
            x = x + step_size * torch.sign(g)
            x = torch.max(torch.min(x, original + epsilon), original - epsilon)
            return torch.clamp(x, 0.0, 1.0)

        numbers = [np.array([f32(number)], np.float32) for number in (epsilon, step_size)]
        family.add(name, "attack_step", {}, [x, g, original, *numbers], forward)


def add_fake_quantize(family):
    """Grids of 256 levels. PyTorch's own op computes in f32; its formula is evaluated in f64 here,
    after a check that both say the same of these inputs."""
    for name, shape, scale, zero_point in [
        ("grid_normal", (5, 13), 0.02, 128), ("grid_not_negative", (4, 4, 3), 1 / 64, 0),
        ("grid_not_positive", (31,), 0.0137, 255), ("grid_coarse", (3, 40), 0.5, 17),
    ]:
        scale = f32(scale)
        inverse = f32(np.float32(1.0) / np.float32(scale))
        (x,) = family.normal(name, shape)
        # Halves, where they are halves in both precisions, and what lies beyond the grid.
        halves = [1.5 * scale, -2.5 * scale] if np.log2(scale) % 1 == 0 else []
        x.flat[:len(halves) + 1] = [*halves, 1000.0]

        def forward(x, grid):
            scale, inverse, zero_point = grid
            level = torch.clamp(torch.round(x * inverse) + zero_point, 0, 255)
            return (level - zero_point) * scale

        grid = np.array([scale, inverse, zero_point], np.float32)
        said = torch.fake_quantize_per_tensor_affine(torch.from_numpy(x), scale, zero_point, 0, 255)
        ours = forward(torch.from_numpy(x.astype(np.float64)), grid.astype(np.float64))
        assert torch.allclose(said.double(), ours, rtol=1e-6, atol=0.0), name
        family.add(name, "fake_quantize", {}, [x, grid], forward)


FAMILIES = [analysis]
