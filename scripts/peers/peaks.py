"""What PyTorch reaches on a CUDA device: matrix products, a copy, convolutions. A JSON row each.

    python3 scripts/peers/peaks.py [--device cuda|cpu] [--small]
"""

import argparse
import json
import time

import torch
from torch.nn import grad


def seconds_of(run, device):
    """Median seconds of one run."""
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    run()
    wait()
    samples = []
    for _ in range(5):
        runs, start = 0, time.perf_counter()
        while time.perf_counter() - start < 0.03 or runs == 0:
            run()
            runs += 1
            if runs % 8 == 0:
                wait()
        wait()
        samples.append((time.perf_counter() - start) / runs)
    return sorted(samples)[2]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda")
    parser.add_argument("--small", action="store_true", help="sizes for a CPU")
    args = parser.parse_args()
    device = args.device

    def row(**values):
        print(json.dumps(values), flush=True)

    sizes = [256] if args.small else [1024, 2048, 4096, 8192]
    for mode in ["f32"] if device == "cpu" else ["f32", "tf32", "f16"]:
        torch.backends.cuda.matmul.allow_tf32 = mode == "tf32"
        dtype = torch.float16 if mode == "f16" else torch.float32
        for n in sizes:
            a = torch.randn(n, n, device=device, dtype=dtype)
            spent = seconds_of(lambda a=a: a @ a, device)
            row(peak="matmul", mode=mode, n=n, tflops=2 * n**3 / spent / 1e12)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    x = torch.zeros(1 << (22 if args.small else 28), device=device)
    y = torch.empty_like(x)
    spent = seconds_of(lambda: y.copy_(x), device)
    row(peak="copy", gbs=2 * 4 * x.numel() / spent / 1e9)
    shapes = [(8, 8, 16, 16)] if args.small else [
        (128, 13, 32, 64), (64, 8, 192, 384), (64, 8, 384, 256), (64, 16, 64, 192),
        (128, 32, 64, 64), (128, 16, 128, 128), (128, 8, 256, 256), (128, 4, 512, 512),
    ]  # fmt: skip
    for n, side, inputs, outputs in shapes:
        x = torch.randn(n, inputs, side, side, device=device)
        w = torch.randn(outputs, inputs, 3, 3, device=device)
        dy = torch.randn(n, outputs, side, side, device=device)
        flop = 2 * 9 * n * side * side * inputs * outputs / 1e12
        forward = seconds_of(lambda: torch.conv2d(x, w, padding=1), device)
        by_input = seconds_of(lambda: grad.conv2d_input(x.shape, w, dy, padding=1), device)
        by_weight = seconds_of(lambda: grad.conv2d_weight(x, w.shape, dy, padding=1), device)
        row(peak="conv", shape=[n, side, inputs, outputs], forward=flop / forward,
            input_grad=flop / by_input, weight_grad=flop / by_weight)  # fmt: skip


if __name__ == "__main__":
    main()
