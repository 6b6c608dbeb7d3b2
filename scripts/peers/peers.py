"""Times verigrad and PyTorch in turns; see scripts/peers/run."""

import argparse
import datetime
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile

from random_data import write_data

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODELS = ["mnist-cnn", "mnist-mlp-torch", "cifar10-alexnet"]
# Both sides compute on two threads: verigrad's CPU executor, software GPUs, and PyTorch.
THREADS = "2"
ENVIRONMENT = {
    **os.environ,
    "RAYON_NUM_THREADS": THREADS,
    "LP_NUM_THREADS": THREADS,
    "OMP_NUM_THREADS": THREADS,
}


def run(command):
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")
    return done.stdout


def time_verigrad(args, model, device, data):
    output = run([
        args.binary, "bench", model, "--device", device, "--data-dir", str(data),
        "--seconds", str(args.seconds), "--repetitions", "1", "--json",
    ])  # fmt: skip
    row = json.loads(output)
    return row["timing"]["seconds"], row


def time_torch(args, model):
    worker = str(pathlib.Path(__file__).with_name("models.py"))
    command = [sys.executable, worker, model, str(args.seconds), "--device", args.torch_device]
    row = json.loads(run(command))
    return row["seconds"], row


def measure(args, data):
    """Samples in seconds per step, by model and contender."""
    contenders = ["torch", *(f"verigrad {device}" for device in args.devices)]
    results = {model: {name: [] for name in contenders} for model in args.models}
    facts = {}
    for model in args.models:
        for number in range(args.rounds):
            for name in contenders:
                if name == "torch":
                    seconds, row = time_torch(args, model)
                    facts["torch"] = row["torch"]
                else:
                    seconds, row = time_verigrad(args, model, name.split(" ", 1)[1], data)
                    facts[name] = row["device"]
                    facts[f"{model} batch"] = row["batch"]
                results[model][name].append(seconds)
                print(f"{model} round {number + 1}: {name} {1e3 * seconds:.2f} ms", file=sys.stderr)
    return results, facts


def table(results, facts):
    lines = [f"{'model':<18}{'contender':<20}{'ms/step':>10}{'fastest':>10}{'slowest':>10}"
             f"{'images/s':>10}{'speed':>8}"]  # fmt: skip
    for model, contenders in results.items():
        batch = facts[f"{model} batch"]
        reference = statistics.median(contenders["torch"])
        for name, samples in contenders.items():
            median = statistics.median(samples)
            lines.append(
                f"{model:<18}{name:<20}{1e3 * median:>10.2f}{1e3 * min(samples):>10.2f}"
                f"{1e3 * max(samples):>10.2f}{batch / median:>10.0f}{reference / median:>7.2f}x"
            )
    return "\n".join(lines)


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="of one turn")
    parser.add_argument("--models", type=lambda text: text.split(","), default=MODELS)
    parser.add_argument("--devices", type=lambda text: text.split(","), default=["llvmpipe", "cpu"])
    parser.add_argument("--torch-device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--out", type=pathlib.Path)
    args = parser.parse_args()
    load = [os.getloadavg()[0]]
    if load[0] > 0.5:
        print("this machine is busy: times of both sides are worth little", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        write_data(pathlib.Path(folder))
        results, facts = measure(args, folder)
    load.append(os.getloadavg()[0])
    text = table(results, facts)
    print(text)
    now = datetime.datetime.now(datetime.timezone.utc)
    out = args.out or ROOT / "benches" / "results" / f"peers-{now:%Y-%m-%d}.json"
    commit = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=40"]
    report = {
        "command": "scripts/peers/run " + " ".join(sys.argv[3:]),
        "commit": run(commit).strip(),
        "date": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "host": f"{platform.system()} {platform.release()}, {processor()}, {os.cpu_count()} cores",
        "load_average_before_and_after": load,
        "threads": int(THREADS),
        "python": platform.python_version(),
        "torch": facts["torch"],
        "torch_device": args.torch_device,
        "devices": json.loads(run([args.binary, "devices", "--json"])),
        "seconds_per_step": results,
        "table": text.splitlines(),
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(report, indent=1) + "\n")
    print(f"\n{out}")


if __name__ == "__main__":
    main()
