"""Cases of what surrounds the layers: losses, reductions, data movement, optimizers, batches."""

import numpy as np
import torch
import torch.nn.functional as F

from family import IGNORED_LABEL, Family, f32

TORCH_IGNORED = -100


def loss():
    family = Family("loss")
    shapes = {"one": (1, 1), "one_column": (3, 1), "rows": (5, 7), "rank_3": (2, 3, 4)}
    for op, function in [("softmax", F.softmax), ("log_softmax", F.log_softmax)]:
        for kind, shape in shapes.items():
            name = f"{op}_{kind}"
            family.add(name, op, {}, family.normal(name, shape), lambda x, f=function: f(x, -1),
                       gradients=(0,))
        (x,) = family.normal(f"{op}_large", (4, 6))
        family.add(f"{op}_large", op, {}, [50.0 * x + 1000.0], lambda x, f=function: f(x, -1),
                   gradients=(0,))

    def with_residual(rows):
        """The loss of each row and its derivative by the logits (or the prediction)."""
        def forward(logits, target):
            free = logits if logits.requires_grad else logits.clone().requires_grad_()
            value = rows(free, target)
            (residual,) = torch.autograd.grad(value.sum(), free, retain_graph=True)
            return value, residual.detach()
        return forward

    def cross_entropy(smoothing):
        def rows(logits, labels):
            labels = torch.where(labels == IGNORED_LABEL, TORCH_IGNORED, labels)
            return F.cross_entropy(logits, labels, reduction="none", ignore_index=TORCH_IGNORED,
                                   label_smoothing=smoothing)
        return with_residual(rows)

    for name, (n, c), ignored, factor in [
        ("plain", (6, 10), [], 1.0), ("one_class", (2, 1), [], 1.0), ("one_row", (1, 3), [], 1.0),
        ("ignored", (7, 5), [0, 3, 6], 1.0), ("all_ignored", (2, 4), [0, 1], 1.0),
        ("large", (5, 6), [2], 100.0),
    ]:
        for smoothing in (0.0, f32(0.1)):
            case = f"cross_entropy_{name}_{smoothing:.1f}"
            (logits,) = family.normal(case, (n, c))
            labels = family.rng(case + "/labels").integers(0, c, n).astype(np.uint32)
            labels[ignored] = IGNORED_LABEL
            family.add(case, "softmax_cross_entropy", {"label_smoothing": smoothing},
                       [np.float32(factor) * logits, labels], cross_entropy(smoothing),
                       gradients=(0,))
    for name, shape in [("rows", (5, 7)), ("one", (1, 2))]:
        # Multiples of 1/64: the targets sum to one exactly.
        case = f"soft_cross_entropy_{name}"
        counts = family.rng(case + "/targets").multinomial(64, [1 / shape[1]] * shape[1], shape[0])
        family.add(case, "soft_cross_entropy", {},
                   [*family.normal(case, shape), (counts / 64.0).astype(np.float32)],
                   with_residual(lambda x, t: F.cross_entropy(x, t, reduction="none")),
                   gradients=(0,))
    for name, shape in [("rows", (5, 7)), ("one", (1, 1)), ("column", (4, 1))]:
        case = f"mean_squared_error_{name}"
        family.add(case, "mean_squared_error", {}, family.normal(case, shape, shape),
                   with_residual(lambda p, t: F.mse_loss(p, t, reduction="none").mean(-1)),
                   gradients=(0,))
    for name, n, ignored in [("all", 5, []), ("some", 7, [0, 2, 6]), ("one", 1, []),
                             ("none", 3, [0, 1, 2])]:
        case = f"masked_mean_{name}"
        labels = np.arange(n, dtype=np.uint32)
        labels[ignored] = IGNORED_LABEL

        def masked_mean(rows, labels):
            valid = rows[labels != IGNORED_LABEL]
            # PyTorch's mean of nothing is NaN; the engine's is zero.
            return valid.mean().reshape(1) if len(valid) else (0.0 * rows).sum().reshape(1)

        family.add(case, "masked_mean", {}, [*family.normal(case, (n,)), labels], masked_mean,
                   gradients=(0,))
    for name, n, ignored, weights in [
        ("uneven", 9, [0, 4], [0.25, 3.0, 0.0, 7.5, 1.0]), ("one_class", 3, [1], [2.0]),
        ("no_labels", 2, [0, 1], [0.5, 2.0]),
    ]:
        for normalized in (True, False):
            case = f"class_weights_{name}_{normalized}".lower()
            labels = family.rng(case + "/labels").integers(0, len(weights), n).astype(np.uint32)
            labels[ignored] = IGNORED_LABEL

            def class_weights(labels, weights=weights, normalized=normalized):
                """Minus the derivative of PyTorch's weighted loss by the log probabilities of the labels:
                of the mean times the number of labels, or of the sum."""
                labels = torch.where(labels == IGNORED_LABEL, TORCH_IGNORED, labels)
                count = int((labels != TORCH_IGNORED).sum())
                if count == 0:
                    return torch.zeros(len(labels), dtype=torch.float64)
                log_p = -torch.ones(len(labels), len(weights), dtype=torch.float64, requires_grad=True)
                weight = torch.tensor(weights, dtype=torch.float64)
                value = F.nll_loss(log_p, labels, weight=weight, ignore_index=TORCH_IGNORED,
                                   reduction="mean" if normalized else "sum")
                (gradient,) = torch.autograd.grad(value, log_p)
                return -gradient.sum(1) * (count if normalized else 1)

            family.add(case, "class_weights", {"weights": weights, "normalized": normalized},
                       [labels], class_weights)
    family.save()


def movement():
    """Ops that only move elements."""
    family = Family("movement")
    for name, axis, shapes in [
        ("last", 1, [(3, 2), (3, 5), (3, 1)]), ("first", 0, [(2, 3), (1, 3)]),
        ("channels", 3, [(2, 3, 2, 4), (2, 3, 2, 1)]), ("middle", 1, [(2, 1, 3), (2, 4, 3)]),
        ("one_input", 0, [(4,)]),
    ]:
        family.add(f"concat_{name}", "concat", {"axis": axis},
                   family.normal(f"concat_{name}", *shapes),
                   lambda *x, axis=axis: torch.cat(x, axis), gradients=tuple(range(len(shapes))))
    for name, shape, axis, start, length in [
        ("last", (3, 7), 1, 2, 4), ("first", (5, 2), 0, 0, 1), ("middle", (2, 5, 3), 1, 3, 2),
        ("all", (4,), 0, 0, 4),
    ]:
        family.add(f"slice_{name}", "slice", {"axis": axis, "start": start, "len": length},
                   family.normal(f"slice_{name}", shape),
                   lambda x, a=axis, s=start, n=length: x.narrow(a, s, n), gradients=(0,))
    for name, shape, axis, before, after in [
        ("last", (3, 4), 1, 2, 1), ("first", (2, 3), 0, 0, 3), ("middle", (2, 2, 3), 1, 1, 0),
    ]:
        def pad_zeros(x, axis=axis, before=before, after=after):
            from_last = [0, 0] * (x.dim() - 1 - axis) + [before, after]
            return F.pad(x, from_last)

        family.add(f"pad_zeros_{name}", "pad_zeros",
                   {"axis": axis, "before": before, "after": after},
                   family.normal(f"pad_zeros_{name}", shape), pad_zeros)
    family.add("view_flatten", "view", {"offset": 0, "shape": [2, 24]},
               family.normal("view_flatten", (2, 3, 2, 4)), lambda x: x.flatten(1), gradients=(0,))
    family.add("view_part", "view", {"offset": 5, "shape": [2, 3]},
               family.normal("view_part", (13,)), lambda x: x[5:11].reshape(2, 3))
    family.add("pack", "pack", {"offsets": [0, 6, 7], "elements": 11},
               family.normal("pack", (2, 3), (1,), (4,)),
               lambda *x: torch.cat([x.flatten() for x in x]), gradients=(0, 1, 2))
    family.save()


class Steps:
    """One optimizer case per step of a PyTorch optimizer. Later steps start from the float64
    state that PyTorch has reached."""

    def __init__(self, family, name, op, attributes, make, state_names):
        self.family, self.name, self.op, self.attributes = family, name, op, attributes
        self.make, self.state_names = make, state_names

    def add(self, elements, decayed, weight_decay, learning_rate, steps, checked_state,
            with_step):
        (start,) = self.family.normal(self.name, (elements,))
        wide = torch.from_numpy(start.astype(np.float64))
        parts = [torch.nn.Parameter(part.clone()) for part in (wide[:decayed], wide[decayed:])]
        optimizer = self.make([
            {"params": [parts[0]], "weight_decay": weight_decay},
            {"params": [parts[1]], "weight_decay": 0.0},
        ], learning_rate)

        def arena(state_name):
            tensors = [optimizer.state.get(part, {}).get(state_name) for part in parts]
            tensors = [torch.zeros_like(part) if tensor is None else tensor
                       for part, tensor in zip(parts, tensors)]
            return torch.cat(tensors).detach().clone()

        params, state = start, [np.zeros(elements, np.float32) for _ in self.state_names]
        for step in range(steps):
            case = f"{self.name}_step_{step}"
            (grads,) = self.family.normal(case, (elements,))
            tail = [np.array([learning_rate], np.float32)]
            tail += [np.array([step], np.uint32)] if with_step else []

            def forward(*inputs):
                given = inputs[1].detach()
                parts[0].grad, parts[1].grad = given[:decayed].clone(), given[decayed:].clone()
                optimizer.step()
                return (torch.cat(parts).detach().clone(), *map(arena, self.state_names))

            self.family.add(case, self.op, {**self.attributes, "decayed": decayed},
                            [params, grads, *state, *tail], forward, checked=checked_state)
            params = torch.cat(parts).detach().numpy().copy()
            state = [arena(name).numpy() for name in self.state_names]


def optimizer():
    family = Family("optimizer")
    lr = f32(0.01)
    for name, make, decoupled, weight_decay, elements, decayed in [
        ("adam", torch.optim.Adam, False, 0.0, 7, 7),
        ("adam_decay", torch.optim.Adam, False, 0.1, 9, 5),
        ("adamw", torch.optim.AdamW, True, 0.1, 9, 5),
        ("adamw_none_decayed", torch.optim.AdamW, True, 0.1, 3, 0),
        ("adamw_all_decayed", torch.optim.AdamW, True, 0.1, 1, 1),
    ]:
        betas, epsilon, decay = (f32(0.9), f32(0.99)), f32(1e-8), f32(weight_decay)
        attributes = {"beta1": betas[0], "beta2": betas[1], "epsilon": epsilon,
                      "weight_decay": decay, "decoupled": decoupled}
        Steps(family, name, "adam", attributes,
              lambda p, lr, m=make, b=betas, e=epsilon: m(p, lr=lr, betas=b, eps=e),
              ["exp_avg", "exp_avg_sq"]).add(elements, decayed, decay, lr, 4, [0, 1, 2], True)
    for name, momentum, dampening, nesterov, weight_decay, elements, decayed in [
        ("sgd", 0.0, 0.0, False, 0.0, 5, 5), ("sgd_decay", 0.0, 0.0, False, 0.1, 7, 3),
        ("sgd_momentum", 0.9, 0.0, False, 0.0, 7, 7),
        ("sgd_dampening", 0.9, 0.25, False, 0.1, 7, 4),
        ("sgd_nesterov", 0.9, 0.0, True, 0.1, 7, 4),
    ]:
        attributes = {"momentum": f32(momentum), "dampening": dampening, "nesterov": nesterov,
                      "weight_decay": f32(weight_decay)}
        Steps(family, name, "sgd", attributes,
              lambda p, lr, a=attributes: torch.optim.SGD(
                  p, lr=lr, momentum=a["momentum"], dampening=a["dampening"],
                  nesterov=a["nesterov"]),
              ["momentum_buffer"]).add(elements, decayed, f32(weight_decay), lr, 3,
                                       # Without momentum PyTorch keeps no velocity.
                                       [0, 1] if momentum else [0], True)
    for name, momentum, weight_decay, elements, decayed in [
        ("rms_prop", 0.0, 0.0, 5, 5), ("rms_prop_momentum", 0.9, 0.0, 7, 7),
        ("rms_prop_decay", 0.5, 0.1, 7, 4),
    ]:
        attributes = {"alpha": f32(0.99), "epsilon": f32(1e-8), "momentum": f32(momentum),
                      "weight_decay": f32(weight_decay)}
        Steps(family, name, "rms_prop", attributes,
              lambda p, lr, a=attributes: torch.optim.RMSprop(
                  p, lr=lr, alpha=a["alpha"], eps=a["epsilon"], momentum=a["momentum"]),
              ["square_avg", "momentum_buffer"]).add(
                  elements, decayed, f32(weight_decay), lr, 3,
                  [0, 1, 2] if momentum else [0, 1], False)

    # Parameter groups with rates of their own.
    def in_groups(make, **options):
        def optimizer(groups, lr):
            groups[0]["lr"] = f32(0.25) * lr
            return make(groups, lr=lr, **options)
        return optimizer

    rates = [{"end": 4, "factor": 0.25}]
    decay = f32(0.1)
    Steps(family, "adamw_rates", "adam",
          {"beta1": f32(0.9), "beta2": f32(0.99), "epsilon": f32(1e-8), "weight_decay": decay,
           "decoupled": True, "rates": rates},
          in_groups(torch.optim.AdamW, betas=(f32(0.9), f32(0.99)), eps=f32(1e-8)),
          ["exp_avg", "exp_avg_sq"]).add(9, 4, decay, lr, 3, [0, 1, 2], True)
    Steps(family, "sgd_rates", "sgd",
          {"momentum": f32(0.9), "dampening": 0.0, "nesterov": True, "weight_decay": decay,
           "rates": rates},
          in_groups(torch.optim.SGD, momentum=f32(0.9), nesterov=True),
          ["momentum_buffer"]).add(9, 4, decay, lr, 3, [0, 1], True)
    Steps(family, "rms_prop_rates", "rms_prop",
          {"alpha": f32(0.99), "epsilon": f32(1e-8), "momentum": 0.5, "weight_decay": decay,
           "rates": rates},
          in_groups(torch.optim.RMSprop, alpha=f32(0.99), eps=f32(1e-8), momentum=0.5),
          ["square_avg", "momentum_buffer"]).add(9, 4, decay, lr, 3, [0, 1, 2], False)

    # After enough steps, torch's average of weights, which forgets at one pace.
    for name, elements, average_decay in [("weight_average", 67, 0.9), ("weight_average_one", 1, 0.5)]:
        average, params = family.normal(name, (elements,), (elements,))

        def averaged(a, p, _step, d=average_decay):
            update = torch.optim.swa_utils.get_ema_avg_fn(d)
            return update(a, p, torch.tensor(1))

        family.add(name, "weight_average", {"decay": average_decay},
                   [average, params, np.array([1000], np.uint32)], averaged)

    # The derivative by the learning rate, of a loss whose curvature is not the same everywhere.
    for name, elements, strength in [("hypergradient", 67, 1e-3), ("hypergradient_one", 1, 0.1)]:
        previous, direction = family.normal(name, (elements,), (elements,))
        curvature = torch.arange(1, elements + 1, dtype=torch.float64) / elements
        rate = f32(0.05)
        theta = previous.astype(np.float64) - rate * direction.astype(np.float64)
        grads = (curvature * torch.from_numpy(theta)).numpy()

        def learned(_grads, params, previous, rate, _step, s=strength, c=curvature):
            direction = (previous - params) / rate
            free = rate.clone().requires_grad_()
            loss = 0.5 * (c * (previous - free * direction) ** 2).sum()
            (derivative,) = torch.autograd.grad(loss, [free])
            return params, rate - s * derivative

        family.add(name, "hypergradient", {"strength": strength, "floor": 0.0},
                   [grads, theta, previous, np.array([rate], np.float32),
                    np.array([3], np.uint32)], learned)

    def clipped(grads, max_norm):
        parameter = torch.nn.Parameter(torch.zeros_like(grads))
        parameter.grad = grads.clone()
        norm = torch.nn.utils.clip_grad_norm_([parameter], max_norm)
        return parameter.grad, norm.reshape(1)

    for name, elements, max_norm in [("clipped", 67, 1.0), ("within", 5, 100.0), ("one", 1, 0.01),
                                     ("zero", 4, 1.0)]:
        (grads,) = family.normal(f"clip_{name}", (elements,))
        grads = grads * 0 if name == "zero" else grads
        max_norm = f32(max_norm)
        family.add(f"global_norm_{name}", "global_norm", {}, [grads],
                   lambda g, m=max_norm: clipped(g, m)[1])
        norm = clipped(torch.from_numpy(grads.astype(np.float64)), max_norm)[1].numpy()
        family.add(f"clip_by_norm_{name}", "clip_by_norm", {"max_norm": max_norm}, [grads, norm],
                   lambda g, _norm, m=max_norm: clipped(g, m)[0])

    def clip_value(grads):
        parameter = torch.nn.Parameter(torch.zeros_like(grads))
        parameter.grad = grads.clone()
        torch.nn.utils.clip_grad_value_([parameter], 0.5)
        return parameter.grad

    family.add("clip_by_value", "clip_by_value", {"limit": 0.5},
               family.normal("clip_by_value", (33,)), clip_value)
    family.save()


def reduce():
    family = Family("reduce")
    shapes = {"one": (1, 1), "column": (5, 1), "row": (1, 7), "matrix": (5, 13),
              "image": (2, 3, 5, 4)}

    def rows(x):
        return x.reshape(-1, x.shape[-1])

    functions = {
        "sum_rows": lambda x: rows(x).sum(0), "sum_columns": lambda x: rows(x).sum(1),
    }
    for op, function in functions.items():
        for kind, shape in shapes.items():
            name = f"{op}_{kind}"
            family.add(name, op, {}, family.normal(name, shape), function, gradients=(0,))
    def largest(x, axis):
        return x.max() if axis is None else x.max(axis).values

    functions = {
        "sum": lambda x, axis: x.sum() if axis is None else x.sum(axis),
        "mean": lambda x, axis: x.mean() if axis is None else x.mean(axis),
        "max": largest,
    }
    for name, function in functions.items():
        for over, axis in {"all": None, "rows": 0, "columns": 1}.items():
            for kind, shape in shapes.items():
                case = f"{over}_{name}_{kind}"
                family.add(case, "reduce", {"function": name, "over": over},
                           family.normal(case, shape),
                           lambda x, f=function, axis=axis: f(rows(x), axis).reshape(-1),
                           gradients=(0,))
    for kind, shape in shapes.items():
        (x,) = family.normal(f"argmax_{kind}", shape)
        # Few distinct values: the first of the largest wins.
        family.add(f"argmax_{kind}", "argmax", {}, [np.round(x)], lambda x: rows(x).argmax(1))
    family.add("accumulate", "accumulate", {}, family.normal("accumulate", (7,), (7,)), torch.add)
    for name, n, c, ignored in [("all", 9, 3, []), ("some", 9, 3, [0, 4]), ("none", 2, 3, [0, 1])]:
        case = f"correct_count_{name}"
        labels = family.rng(case + "/labels").integers(0, c, n).astype(np.uint32)
        labels[ignored] = IGNORED_LABEL
        family.add(case, "correct_count", {}, [*family.normal(case, (n, c)), labels],
                   lambda x, y: torch.stack([(x.argmax(1) == y).sum(),
                                             (y != IGNORED_LABEL).sum()]))
    family.save()


def batch():
    """The batch that a data loader with a fixed order and normalization would give."""
    family = Family("batch")
    for name, n, image, size, step, channels, shards in [
        ("first", 10, (3, 2, 1), 4, 0, 1, 1), ("tail", 10, (3, 2, 1), 4, 2, 1, 1),
        ("second_epoch", 10, (3, 2, 1), 4, 4, 1, 1), ("colours", 5, (2, 2, 3), 5, 0, 3, 1),
        ("shards", 11, (1, 3, 3), 4, 1, 3, 3), ("one_mean_for_all", 3, (2, 1, 2), 2, 0, 1, 1),
    ]:
        rng = family.rng(name)
        steps_per_epoch, shard_len = -(-n // size), -(-n // shards)
        images = rng.integers(0, 256, (n, *image)).astype(np.uint8)
        labels = rng.integers(0, 10, n).astype(np.uint32)
        order = rng.permutation(n).astype(np.uint32)
        mean = [f32(x) for x in rng.uniform(0.1, 0.9, channels)]
        std = [f32(x) for x in rng.uniform(0.1, 0.9, channels)]
        attributes = {"batch": size, "steps_per_epoch": steps_per_epoch, "mean": mean, "std": std,
                      "shard_len": shard_len}

        def forward(labels, order, step, *shards, size=size, per_epoch=steps_per_epoch, mean=mean,
                    std=std):
            chosen = order.split(size)[int(step) % per_epoch]
            every = torch.cat(shards).to(torch.float64) / 255.0
            every = (every - torch.tensor(mean, dtype=torch.float64)) \
                / torch.tensor(std, dtype=torch.float64)
            missing = size - len(chosen)
            x = F.pad(every[chosen], (0, 0) * 3 + (0, missing))
            return x, F.pad(labels[chosen], (0, missing), value=IGNORED_LABEL)

        parts = [images[i:i + shard_len] for i in range(0, n, shard_len)]
        family.add(name, "gather_batch", attributes,
                   [labels, order, np.array([step], np.uint32), *parts], forward)
    family.save()


def rates(scheduler, optimizer, steps):
    """The learning rates of the steps under a scheduler."""
    result = []
    for step in range(steps):
        result.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if step + 1 < steps:
            scheduler.step()
    return result


def schedule():
    """The learning rate of single steps, with and without a linear warmup."""
    family = Family("schedule")
    schedulers = torch.optim.lr_scheduler
    base, total = f32(0.1), 20
    factor, floor = f32(0.3), f32(0.05)

    def one_cycle(anneal, pct_start, div_factor, final_div_factor):
        attributes = {"pct_start": pct_start, "div_factor": div_factor,
                      "final_div_factor": final_div_factor, "anneal": anneal}
        return {"one_cycle": attributes}, lambda o, n: schedulers.OneCycleLR(
            o, base, n, pct_start=pct_start, div_factor=div_factor, cycle_momentum=False,
            final_div_factor=final_div_factor, anneal_strategy=anneal[:3].replace("lin", "linear"))

    for name, attributes, make in [
        ("constant", "constant", lambda o, _n: schedulers.ConstantLR(o, 1.0)),
        ("step", {"step": {"every": 4, "factor": factor}},
         lambda o, _n: schedulers.StepLR(o, 4, factor)),
        ("multi_step", {"multi_step": {"milestones": [3, 4, 9], "factor": factor}},
         lambda o, _n: schedulers.MultiStepLR(o, [3, 4, 9], factor)),
        ("exponential", {"exponential": {"factor": factor}},
         lambda o, _n: schedulers.ExponentialLR(o, factor)),
        ("cosine", {"cosine": {"final_factor": floor}},
         lambda o, n: schedulers.CosineAnnealingLR(o, n, eta_min=floor * base)),
        ("one_cycle", *one_cycle("cosine", 0.3, 25.0, 1e4)),
        ("one_cycle_linear", *one_cycle("linear", 0.45, 10.0, 100.0)),
        ("one_cycle_falls", *one_cycle("cosine", 0.0, 4.0, 50.0)),
    ]:
        for warmup in (0, 5):
            def optimizer():
                return torch.optim.SGD([torch.zeros(1)], lr=base)

            # The rise and the schedule each have an optimizer of their own: one_cycle changes the
            # rate that other schedulers start from.
            o = optimizer()
            rise = schedulers.LinearLR(o, 1.0 / max(warmup, 1), 1.0, max(warmup - 1, 1))
            steps = rates(rise, o, warmup)
            o = optimizer()
            steps += rates(make(o, total - warmup), o, total - warmup)
            for step in (0, 1, 3, 4, 5, 8, 9, 12, 18, 19):
                rate = torch.tensor([steps[step]], dtype=torch.float64)
                family.add(f"{name}_warmup_{warmup}_step_{step}", "learning_rate",
                           {"base": base, "warmup": warmup, "schedule": attributes,
                            "total": total},
                           [np.array([step], np.uint32)], lambda _step, rate=rate: rate)
    family.save()


FAMILIES = [loss, movement, optimizer, reduce, batch, schedule]
