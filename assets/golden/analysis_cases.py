"""Cases of the ops that analyse trained models."""

import numpy as np
import torch

from family import Family, f32


def analysis():
    family = Family("analysis")
    add_attacks(family)
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


FAMILIES = [analysis]
