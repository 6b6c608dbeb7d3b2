"""Cases of the layers: matmul, element-wise functions, convolution, pooling, normalization."""

import numpy as np
import torch
import torch.nn.functional as F

from family import Family, f32
from philox import uniforms

ACTIVATIONS = {
    "identity": lambda x: x,
    "relu": F.relu,
    "relu6": F.relu6,
    "leaky_relu": lambda x: F.leaky_relu(x, 0.01),
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "silu": F.silu,
}
# The gradient of these is a function of the output, so that they can end a matmul or convolution.
FUSED = ["identity", "relu", "relu6", "leaky_relu", "sigmoid", "tanh"]


def nchw(x):
    return x.permute(0, 3, 1, 2)


def nhwc(x):
    return x.permute(0, 2, 3, 1)


def pad(x, padding, value=0.0):
    """Pads NCHW by top, bottom, left, right; F.pad counts from the last dimension."""
    top, bottom, left, right = padding
    return F.pad(x, (left, right, top, bottom), value=value)


def matmul():
    family = Family("matmul")

    def forward(ta, tb, activation):
        def run(a, b, bias=None):
            y = (a.T if ta else a) @ (b.T if tb else b)
            return ACTIVATIONS[activation](y if bias is None else y + bias)
        return run

    def attributes(ta, tb, bias, activation):
        return {"transpose_a": ta, "transpose_b": tb, "bias": bias, "activation": activation}

    for ta in (False, True):
        for tb in (False, True):
            for m, k, n in [(1, 1, 1), (5, 7, 3), (2, 65, 9)]:
                name = f"{'t' if ta else 'n'}{'t' if tb else 'n'}_{m}x{k}x{n}"
                inputs = family.normal(name, (k, m) if ta else (m, k), (n, k) if tb else (k, n))
                family.add(name, "matmul", attributes(ta, tb, False, "identity"), inputs,
                           forward(ta, tb, "identity"), gradients=(0, 1))
    for activation in ACTIVATIONS:
        inputs = family.normal(activation, (4, 6), (6, 5), (5,))
        family.add(f"bias_{activation}", "matmul", attributes(False, False, True, activation),
                   inputs, forward(False, False, activation),
                   gradients=(0, 1, 2) if activation in FUSED else ())
    inputs = family.normal("bias_transposed", (6, 4), (5, 6), (5,))
    family.add("bias_transposed", "matmul", attributes(True, True, True, "tanh"), inputs,
               forward(True, True, "tanh"), gradients=(0, 1, 2))
    family.save()


def elementwise():
    family = Family("elementwise")
    # The kinks, where PyTorch has a convention of its own, and both tails of the exponentials.
    extremes = np.array([0.0, -0.0, 1e-30, -1e-30, 20.0, -20.0, 90.0, -90.0, 1e4, -1e4], np.float32)
    for name, function in ACTIVATIONS.items():
        (x,) = family.normal(name, (3, 13))
        family.add(name, "activate", {"function": name}, [3.0 * x], function, gradients=(0,))
        family.add(f"{name}_extremes", "activate", {"function": name}, [extremes], function,
                   gradients=(0,))
    functions = {"add": torch.add, "subtract": torch.sub, "multiply": torch.mul,
                 "divide": torch.div}
    shapes = {"same": (4, 3, 5), "columns": (5,), "rows": (12, 1), "one": (1,)}
    for name, function in functions.items():
        for kind, shape in shapes.items():
            case = f"{name}_{kind}"
            a, b = family.normal(case, (4, 3, 5), shape)
            b = (np.sign(b) * (0.5 + np.abs(b))).astype(np.float32)

            def forward(a, b, function=function, kind=kind):
                return function(a, b.reshape(4, 3, 1) if kind == "rows" else b)

            family.add(case, "binary", {"function": name, "per_column": kind == "columns"}, [a, b],
                       forward, gradients=(0, 1))
    family.save()


# name: (x [n, h, w, c], [kh, kw, oc], stride, padding top bottom left right, dilation, groups)
CONVOLUTIONS = {
    "one_element": ((1, 1, 1, 1), (1, 1, 1), (1, 1), (0, 0, 0, 0), (1, 1), 1),
    "pointwise": ((2, 3, 4, 5), (1, 1, 7), (1, 1), (0, 0, 0, 0), (1, 1), 1),
    "valid_3x3": ((2, 6, 5, 3), (3, 3, 4), (1, 1), (0, 0, 0, 0), (1, 1), 1),
    "same_3x3": ((2, 5, 4, 2), (3, 3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 1),
    "asymmetric_padding": ((1, 4, 5, 2), (3, 2, 3), (1, 1), (1, 2, 0, 3), (1, 1), 1),
    "same_stride_2": ((2, 6, 6, 2), (3, 3, 3), (2, 2), (0, 1, 0, 1), (1, 1), 1),
    "padding_beyond_kernel": ((1, 3, 3, 2), (2, 2, 2), (1, 1), (3, 0, 2, 4), (1, 1), 1),
    "stride_beyond_kernel": ((1, 8, 7, 2), (2, 1, 3), (3, 2), (0, 0, 0, 0), (1, 1), 1),
    "stride_leaves_a_rest": ((1, 9, 8, 2), (3, 3, 2), (4, 3), (0, 0, 0, 0), (1, 1), 1),
    "dilation": ((1, 7, 9, 2), (3, 3, 2), (1, 1), (0, 0, 0, 0), (2, 3), 1),
    "even_kernel": ((1, 5, 6, 3), (4, 2, 2), (1, 1), (1, 2, 0, 1), (1, 1), 1),
    "kernel_is_image": ((3, 4, 3, 2), (4, 3, 5), (1, 1), (0, 0, 0, 0), (1, 1), 1),
    "image_within_padding": ((2, 1, 1, 3), (3, 3, 2), (1, 1), (1, 1, 1, 1), (1, 1), 1),
    "groups": ((2, 4, 5, 6), (3, 2, 4), (1, 1), (1, 0, 0, 1), (1, 1), 2),
    "depthwise": ((1, 5, 4, 5), (3, 3, 5), (1, 1), (1, 1, 1, 1), (1, 1), 5),
    "depthwise_multiplier": ((1, 5, 5, 3), (3, 3, 6), (2, 2), (1, 0, 1, 0), (1, 1), 3),
    "everything": ((2, 9, 8, 4), (3, 2, 6), (2, 3), (2, 1, 0, 3), (2, 3), 2),
    "many_channels": ((1, 4, 4, 17), (3, 3, 5), (1, 1), (1, 1, 1, 1), (1, 1), 1),
    "one_row": ((1, 1, 11, 3), (1, 5, 2), (1, 2), (0, 0, 2, 1), (1, 1), 1),
}


def conv2d():
    family = Family("conv2d")

    def add(name, geometry, bias, activation):
        x_shape, (kh, kw, oc), stride, padding, dilation, groups = geometry
        c = x_shape[3]
        shapes = [x_shape, (kh, kw, c // groups, oc)] + ([(oc,)] if bias else [])

        def forward(x, w, b=None):
            y = F.conv2d(pad(nchw(x), padding), w.permute(3, 2, 0, 1), b, stride=stride,
                         dilation=dilation, groups=groups)
            return ACTIVATIONS[activation](nhwc(y))

        family.add(name, "conv2d", {
            "geometry": {"stride": stride, "padding": padding, "dilation": dilation,
                         "groups": groups},
            "bias": bias, "activation": activation,
        }, family.normal(name, *shapes), forward,
            gradients=tuple(range(len(shapes))) if activation in FUSED else ())

    for name, geometry in CONVOLUTIONS.items():
        add(name, geometry, False, "identity")
    for activation in ACTIVATIONS:
        add(f"bias_{activation}", ((2, 4, 5, 3), (3, 3, 4), (1, 1), (1, 0, 0, 1), (1, 1), 1), True,
            activation)
    add("bias_everything", CONVOLUTIONS["everything"], True, "relu")
    family.save()


# name: (x [n, h, w, c], window, stride, padding height width): windows that reach beyond the image
CEIL_POOLS = {
    "ceil": ((2, 6, 7, 3), (3, 3), (2, 2), (0, 0)),
    "ceil_padded": ((1, 6, 7, 2), (3, 3), (2, 2), (1, 1)),
    "ceil_starts_behind": ((1, 4, 5, 2), (2, 2), (2, 3), (1, 1)),
    "ceil_side_by_side": ((1, 5, 7, 3), (2, 3), (2, 3), (0, 0)),
    "ceil_beyond_input": ((1, 3, 2, 4), (5, 4), (4, 3), (0, 1)),
}

# name: (x [n, h, w, c], window, stride, padding top bottom left right)
POOLS = {
    "one_element": ((1, 1, 1, 1), (1, 1), (1, 1), (0, 0, 0, 0)),
    "halve": ((2, 4, 6, 3), (2, 2), (2, 2), (0, 0, 0, 0)),
    "halve_odd": ((1, 5, 7, 2), (2, 2), (2, 2), (0, 0, 0, 0)),
    "overlapping": ((1, 7, 6, 3), (3, 3), (2, 2), (0, 0, 0, 0)),
    "overlapping_padded": ((2, 5, 4, 2), (3, 3), (1, 1), (1, 1, 1, 1)),
    "stride_beyond_window": ((1, 8, 9, 2), (2, 2), (3, 4), (0, 0, 0, 0)),
    "asymmetric_padding": ((1, 4, 5, 2), (3, 2), (2, 1), (0, 1, 1, 0)),
    "not_square": ((1, 6, 5, 1), (2, 3), (1, 2), (1, 0, 0, 1)),
    "wide_padding": ((1, 5, 6, 2), (4, 5), (3, 2), (2, 1, 0, 2)),
    "window_is_image": ((2, 3, 4, 5), (3, 4), (1, 1), (0, 0, 0, 0)),
}


def pool():
    family = Family("pool")

    def geometry(window, stride, padding):
        return {"window": window, "stride": stride, "padding": padding}

    def max_pool(window, stride, padding):
        def forward(x):
            padded = pad(nchw(x), padding, -torch.inf)
            y, flat = F.max_pool2d(padded, window, stride, return_indices=True)
            # PyTorch counts in the padded image, the engine within the window.
            width = padded.shape[3]
            oy = torch.arange(y.shape[2]).reshape(1, 1, -1, 1)
            ox = torch.arange(y.shape[3]).reshape(1, 1, 1, -1)
            ky, kx = flat // width - oy * stride[0], flat % width - ox * stride[1]
            return nhwc(y), nhwc(ky * window[1] + kx)
        return forward

    def avg_pool(window, stride, padding, count_include_pad):
        top, bottom, left, right = padding
        def forward(x):
            x = nchw(x)
            if top == bottom and left == right:
                return nhwc(F.avg_pool2d(x, window, stride, (top, left),
                                         count_include_pad=count_include_pad))
            y = F.avg_pool2d(pad(x, padding), window, stride)
            if not count_include_pad:
                y = y / F.avg_pool2d(pad(torch.ones_like(x), padding), window, stride)
            return nhwc(y)
        return forward

    for name, (shape, *where) in POOLS.items():
        x = family.normal(name, shape)
        family.add(f"max_{name}", "max_pool2d", {"geometry": geometry(*where)}, x,
                   max_pool(*where), gradients=(0,))
        for include in (False, True):
            family.add(f"avg_{name}_{'with' if include else 'without'}_padding", "avg_pool2d",
                       {"geometry": geometry(*where), "count_include_pad": include}, x,
                       avg_pool(*where, include), gradients=(0,))
    for name, (shape, window, stride, (high, wide)) in CEIL_POOLS.items():
        x = family.normal(name, shape)
        where = {**geometry(window, stride, (high, high, wide, wide)), "ceil_mode": True}

        def largest(x, window=window, stride=stride, padding=(high, wide)):
            y, flat = F.max_pool2d(nchw(x), window, stride, padding, ceil_mode=True,
                                   return_indices=True)
            oy = torch.arange(y.shape[2]).reshape(1, 1, -1, 1)
            ox = torch.arange(y.shape[3]).reshape(1, 1, 1, -1)
            width = x.shape[2]
            ky = flat // width + padding[0] - oy * stride[0]
            kx = flat % width + padding[1] - ox * stride[1]
            return nhwc(y), nhwc(ky * window[1] + kx)

        family.add(f"max_{name}", "max_pool2d", {"geometry": where}, x, largest, gradients=(0,))
        for include in (False, True):
            def mean(x, window=window, stride=stride, padding=(high, wide), include=include):
                return nhwc(F.avg_pool2d(nchw(x), window, stride, padding, ceil_mode=True,
                                         count_include_pad=include))
            family.add(f"avg_{name}_{'with' if include else 'without'}_padding", "avg_pool2d",
                       {"geometry": where, "count_include_pad": include}, x, mean, gradients=(0,))
    overlapping, padded = ((3, 3), (2, 2), (0, 0, 0, 0)), ((2, 2), (1, 1), (1, 1, 1, 1))
    (x,) = family.normal("ties", (2, 7, 7, 3))
    # Few distinct values: the first of the largest wins, and it alone gets the gradient.
    family.add("max_ties", "max_pool2d", {"geometry": geometry(*overlapping)}, [np.round(x)],
               max_pool(*overlapping), gradients=(0,))
    (x,) = family.normal("negative", (1, 4, 4, 2))
    # Were padding zero, it would win.
    family.add("max_negative", "max_pool2d", {"geometry": geometry(*padded)},
               [-1.0 - np.abs(x)], max_pool(*padded), gradients=(0,))
    (x,) = family.normal("non_finite", (1, 7, 7, 2))
    x[0, 2, 2, 0], x[0, 4, 5, 1], x[0, 1, 1, 1] = np.nan, np.inf, -np.inf
    family.add("max_non_finite", "max_pool2d", {"geometry": geometry(*overlapping)}, [x],
               max_pool(*overlapping))
    for shape in [(1, 1, 1, 1), (2, 3, 5, 4), (3, 1, 7, 1)]:
        name = "global_" + "x".join(map(str, shape))
        family.add(name, "global_avg_pool2d", {}, family.normal(name, shape),
                   lambda x: F.adaptive_avg_pool2d(nchw(x), 1).flatten(1), gradients=(0,))
    for shape, output in [((2, 6, 4, 3), (3, 2)), ((2, 7, 5, 4), (3, 2)), ((1, 3, 1, 2), (7, 6)),
                          ((1, 9, 10, 2), (6, 7))]:
        name = "adaptive_" + "x".join(map(str, shape + output))
        family.add(name, "adaptive_avg_pool2d", {"output": output}, family.normal(name, shape),
                   lambda x: nhwc(F.adaptive_avg_pool2d(nchw(x), output)), gradients=(0,))
    family.save()


def resize():
    family = Family("resize")
    for shape, factor in [((1, 1, 1, 1), (1, 1)), ((2, 3, 4, 3), (1, 1)), ((2, 3, 4, 2), (2, 2)),
                          ((1, 5, 3, 2), (3, 2)), ((2, 1, 1, 3), (4, 3)), ((1, 2, 3, 2), (7, 5)),
                          ((1, 6, 1, 2), (1, 4))]:
        name = "bilinear_" + "x".join(map(str, shape + factor))
        family.add(name, "resize_bilinear", {"factor": factor}, family.normal(name, shape),
                   lambda x, factor=factor: nhwc(F.interpolate(
                       nchw(x), scale_factor=factor, mode="bilinear", align_corners=False)),
                   gradients=(0,))
    family.save()


def batch_norm():
    family = Family("batch_norm")

    def channels_second(x):
        return x.movedim(-1, 1)

    def train(epsilon):
        def forward(x, gamma, beta):
            y = F.batch_norm(channels_second(x), None, None, gamma, beta, training=True,
                             eps=epsilon)
            rows = x.reshape(-1, x.shape[-1])
            return y.movedim(1, -1), rows.mean(0), rows.var(0, unbiased=False)
        return forward

    def infer(epsilon):
        def forward(x, gamma, beta, mean, variance):
            y = F.batch_norm(channels_second(x), mean, variance, gamma, beta, training=False,
                             eps=epsilon)
            return y.movedim(1, -1)
        return forward

    shapes = {"rows": (5, 7), "image": (2, 3, 4, 5), "one_channel": (3, 2, 2, 1), "two": (2, 1)}
    for name, shape in shapes.items():
        for epsilon in (f32(1e-5), f32(1e-3)):
            case = f"{name}_{epsilon:.0e}"
            x, gamma, beta, mean = family.normal(case, shape, *[shape[-1:]] * 3)
            variance = (0.1 + np.abs(family.normal(case + "/variance", shape[-1:])[0]))
            family.add(case, "batch_norm", {"epsilon": epsilon}, [x, gamma, beta], train(epsilon),
                       gradients=(0, 1, 2))
            family.add(f"{case}_inference", "batch_norm_inference", {"epsilon": epsilon},
                       [x, gamma, beta, mean, variance.astype(np.float32)], infer(epsilon),
                       gradients=(0, 1, 2))
    x, gamma, beta = family.normal("far_from_zero", (4, 3, 3, 2), (2,), (2,))
    family.add("far_from_zero", "batch_norm", {"epsilon": f32(1e-5)}, [x + 1000, gamma, beta],
               train(f32(1e-5)), gradients=(0, 1, 2))
    x, gamma, beta = family.normal("constant_channel", (6, 3), (3,), (3,))
    x[:, 1] = 2.0
    family.add("constant_channel", "batch_norm", {"epsilon": f32(1e-5)}, [x, gamma, beta],
               train(f32(1e-5)), gradients=(0, 1, 2))

    # PyTorch keeps the unbiased variance: n / (n - 1) times the batch's. The engine takes that
    # factor as an f32, so the numbers of rows are chosen such that it is exact.
    for rows, momentum in [(3, 0.1), (9, 0.1), (65, 0.25), (5, 1.0)]:
        momentum = f32(momentum)
        x, running_mean, running = family.normal(f"running_{rows}", (rows, 3), (3,), (3,))
        running_variance = 0.1 + np.abs(running)
        wide = torch.from_numpy(x.astype(np.float64))
        mean, variance = wide.mean(0).numpy(), wide.var(0, unbiased=False).numpy()

        def update(which, wide=wide, momentum=momentum):
            def forward(running, _value):
                state = [torch.zeros(3, dtype=torch.float64), torch.ones(3, dtype=torch.float64)]
                state[which] = running.clone()
                F.batch_norm(wide, *state, training=True, momentum=momentum)
                return state[which]
            return forward

        scale = rows / (rows - 1)
        assert f32(scale) == scale
        family.add(f"running_mean_{rows}", "running_average",
                   {"momentum": momentum, "scale": 1.0}, [running_mean, mean], update(0))
        family.add(f"running_variance_{rows}", "running_average",
                   {"momentum": momentum, "scale": scale}, [running_variance, variance], update(1))
    family.save()


def lrn():
    family = Family("lrn")
    for name, shape, size, alpha, beta, k in [
        ("alexnet", (2, 2, 3, 9), 5, 1e-4, 0.75, 2.0),
        ("strong", (2, 3, 2, 7), 3, 2.0, 0.75, 1.0),
        ("even_window", (1, 2, 2, 8), 4, 1.0, 0.5, 0.5),
        ("window_of_one", (1, 2, 2, 3), 1, 1.5, 0.75, 1.0),
        ("window_beyond_channels", (1, 2, 3, 3), 9, 1.0, 0.6, 1.0),
        ("one_channel", (2, 2, 1, 1), 5, 1.0, 1.0, 1.0),
    ]:
        attributes = {"size": size, "alpha": f32(alpha), "beta": f32(beta), "k": f32(k)}
        family.add(name, "local_response_norm", attributes, family.normal(name, shape),
                   lambda x, a=attributes: nhwc(F.local_response_norm(nchw(x), **a)),
                   gradients=(0,))
    # The paper does not divide alpha by the size: the op, as PyTorch, does.
    attributes = {"size": 5, "alpha": f32(5 * f32(1e-4)), "beta": 0.75, "k": 2.0}

    def paper(x):
        squares = F.pad(x**2, (2, 2)).unfold(-1, 5, 1).sum(-1)
        return x / (2 + 1e-4 * squares) ** 0.75

    family.add("paper", "local_response_norm", attributes,
               [30 * x for x in family.normal("paper", (2, 2, 3, 9))],
               lambda x: nhwc(F.local_response_norm(nchw(x), **attributes)), gradients=(0,))
    # Both are one function, up to the rounding of alpha to f32.
    x = torch.from_numpy(30 * family.normal("paper", (2, 2, 3, 9))[0]).double()
    theirs = nhwc(F.local_response_norm(nchw(x), 5, alpha=5e-4, beta=0.75, k=2.0))
    assert torch.allclose(paper(x), theirs, rtol=1e-12)
    family.save()


def dropout():
    """PyTorch draws other numbers; the mask is drawn by the Philox of philox.py, and PyTorch
    applies it."""
    family = Family("dropout")
    for name, shape, rate, seed, stream, step in [
        ("half", (3, 7), 0.5, 1, 0, 0), ("few", (2, 5, 3), 0.1, 7, 2, 3),
        ("most", (67,), 0.9, 2**32 - 1, 2**31, 2**32 - 1), ("none", (9,), 0.0, 3, 1, 1),
    ]:
        rate = f32(rate)
        keep = uniforms(int(np.prod(shape)), (stream, step, 0), (seed, 0x64726F70)) >= rate
        keep = torch.from_numpy(keep.reshape(shape))
        inputs = [*family.normal(name, shape), np.array([step], np.uint32)]
        family.add(name, "dropout", {"rate": rate, "seed": seed, "stream": stream}, inputs,
                   lambda x, _step, keep=keep, rate=rate: x * keep / (1.0 - rate),
                   gradients=(0,))
    family.save()


FAMILIES = [matmul, elementwise, conv2d, pool, resize, batch_norm, lrn, dropout]
