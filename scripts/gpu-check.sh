#!/usr/bin/env bash
# Checks and measures verigrad on a machine that has a GPU but no Rust and no network, in one call.
#
#   scripts/gpu-check.sh pack DIR    where Rust is: build what the check needs into DIR
#   scripts/gpu-check.sh run [OUT]   where the GPU is: measure, check, tune, compare with PyTorch;
#                                    everything goes to OUT (default: $OUT, else gpu-check)
#
# What matters most comes first, each result is written as it comes, and nothing is begun that the
# budget has no time for: a run that is ended in the middle leaves what it has. `run` reads
#   BUDGET         seconds for all of it (default: 480)
#   BIN            folder of the programs (default: .gpu-check beside this repository's files)
#   DEVICE         of verigrad (default: 0, the first GPU)
#   RECIPES        what to measure (default: those of README's table)
#   PYTHON         a Python, with torch for the comparison (default: python3)
#   TORCH_DEVICE   cuda or cpu (default: cuda where torch has it; else there is no comparison)
#   VERIGRAD_DATA  data sets (default: random images, which are as fast)
# All stages run, whatever fails; the exit status is 1 when any did.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

RECIPES_OF_THE_TABLE="mnist-cnn cifar10-resnet18 cifar10-alexnet alexnet cifar10-custom mnist-mlp-torch"

pack() {
  local bin=$1
  mkdir -p "$bin"
  cargo build --release --bin verigrad
  cp "${CARGO_TARGET_DIR:-target}/release/verigrad" "$bin/"
  git describe --always --dirty --abbrev=40 >"$bin/COMMIT"
  echo "packed $(cat "$bin/COMMIT") into $bin, $(du -sh "$bin" | cut -f1)"
}

left() { echo $((budget - SECONDS)); }

# stage NAME SECONDS FILE COMMAND...: runs a command for at most so many seconds, with its output in
# $out/FILE, and notes how it ended in summary.jsonl. Skipped where the budget has no third of them left.
stage() {
  local name=$1 limit=$2 file=$3 status=0 start=$SECONDS
  shift 3
  if (($(left) < limit / 3 + 2)); then
    note "$name" "$file" skipped 0 "$*"
    return
  fi
  if ((limit > $(left))); then
    limit=$(left)
  fi
  { echo "== $name: $*"; } >>"$out/stderr.log"
  timeout -k 5 "$limit" "$@" >>"$out/$file" 2>>"$out/stderr.log" </dev/null || status=$?
  note "$name" "$file" "$status" $((SECONDS - start)) "$*"
  if [[ $status != 0 ]]; then
    failed=1
  fi
}

# note NAME FILE STATUS SECONDS COMMAND: one line for people, one for programs.
note() {
  local command=${5//\\/\\\\}
  command=${command//\"/\\\"}
  printf '{"stage": "%s", "file": "%s", "status": "%s", "seconds": %d, "at": %d, "command": "%s"}\n' \
    "$1" "$2" "$3" "$4" "$SECONDS" "$command" >>"$out/summary.jsonl"
  echo "$SECONDS s  $1: status $3 after $4 s"
}

machine() {
  echo "commit: $(cat "$bin/COMMIT" 2>/dev/null || echo unknown)"
  echo "date:   $(date -u +%Y-%m-%dT%H:%M:%SZ)"
  echo "host:   $(uname -srm), $(nproc) CPU cores"
  echo "budget: $budget s"
  if command -v nvidia-smi >/dev/null; then
    nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm --format=csv,noheader || true
  fi
  "$bin/verigrad" devices || true
}

# Where a recipe finds its data, as arguments.
data_of() {
  data_args=(--data-dir "$data")
  if [[ $1 == alexnet ]]; then
    data_args+=(--set "data.path=$data/images")
  fi
}

# Speed of the training step of each recipe: bench_recipes NAME FILE SECONDS ARGUMENTS...
bench_recipes() {
  local name=$1 file=$2 seconds=$3 recipe
  shift 3
  for recipe in "${recipes[@]}"; do
    data_of "$recipe"
    stage "$name $recipe" $((seconds + 40)) "${file%.jsonl}.txt" "$bin/verigrad" bench "$recipe" \
      --device "$device" "${data_args[@]}" --seconds "$seconds" --repetitions 3 \
      --jsonl "$out/$file" "$@"
  done
}

# The ops in processes of their own, as many at once as there are cores, a file each as it ends.
doctor() {
  local op
  mkdir -p "$out/doctor"
  # Those that take longest first.
  local ops=(conv2d product_statistics conv2d_input_grad conv2d_weight_grad matmul)
  for op in $("$bin/verigrad" doctor --list); do
    [[ " ${ops[*]} " == *" $op "* ]] || ops+=("$op")
  done
  # shellcheck disable=SC2016 # the inner shell expands them
  printf '%s\n' "${ops[@]}" | xargs -P "$(nproc)" -I{} sh -c \
    '"$1/verigrad" doctor "$4" --exact --jobs 2 --json --device "$2" >"$3/doctor/$4.json.part"
     status=$?; mv "$3/doctor/$4.json.part" "$3/doctor/$4.json"; exit $status' \
    sh "$bin" "$device" "$out" {}
}


sha_of() {
  sed -n 's/.*"weights_sha256": "\([0-9a-f]*\)".*/\1/p' "$out/$1/digits-1/result.json"
}

# Twice the same training, and once with a SIGKILL in the middle: the weights must be the same bits.
same_bits() {
  local process run
  # A short training of a small model.
  local training=(digits --device "$device" --set epochs=2 --set checkpoint.every=20)
  for run in first second; do
    "$bin/verigrad" train "${training[@]}" --runs "$out/same/$run" || return 1
  done
  # The process itself, not a shell around it, which SIGKILL would end in its place.
  "$bin/verigrad" train "${training[@]}" --runs "$out/same/killed" >/dev/null &
  process=$!
  for _ in $(seq 200); do
    if [[ -n "$(find "$out/same/killed" -path '*checkpoint*' -type f 2>/dev/null | head -n 1)" ]]; then
      break
    fi
    sleep 0.05
  done
  kill -KILL "$process" 2>/dev/null || true
  wait "$process" || true
  if [[ ! -f "$out/same/killed/digits-1/result.json" ]]; then
    "$bin/verigrad" train --resume "$out/same/killed/digits-1" || return 1
  fi
  echo "first   $(sha_of same/first)"
  echo "second  $(sha_of same/second)"
  echo "resumed $(sha_of same/killed)"
  [[ -n "$(sha_of same/first)" && "$(sha_of same/first)" == "$(sha_of same/second)" &&
    "$(sha_of same/first)" == "$(sha_of same/killed)" ]]
}

# PyTorch on the same models: torch_steps SECONDS [--mode ...]...
torch_steps() {
  local seconds=$1 recipe
  shift
  for recipe in "${recipes[@]}"; do
    stage "torch $recipe $*" $((seconds + 25)) torch.jsonl "$python" scripts/peers/models.py \
      "$recipe" "$seconds" --device "$torch_device" "$@"
  done
}

tune() {
  local recipe=$1 seconds=$2
  data_of "$recipe"
  stage "tune $recipe" $((seconds + 30)) tune.txt "$bin/verigrad" tune "$recipe" --missing \
    --device "$device" "${data_args[@]}" --budget "$seconds" -o "$out/picks.toml"
}

readme() {
  cat <<'END'
# A check on a GPU, by scripts/gpu-check.sh

| file | what |
| --- | --- |
| `machine.txt` | commit, machine, devices |
| `summary.jsonl` | every stage with its command, status (`skipped`: no time left) and seconds |
| `bench.jsonl` | steps of the recipes by the best guesses: a row each, with the roofline of every op |
| `bench-f16.jsonl` | the same with `precision=f16` |
| `bench-checked.jsonl` | the same with wgpu's checks in every kernel, where that can be chosen |
| `picks.toml`, `tune.txt` | what the tuner picked, and what it printed |
| `bench-tuned.jsonl` | the recipes with these picks |
| `torch.jsonl`, `torch-peaks.jsonl` | PyTorch on the same card: seconds a step, and what its libraries reach |
| `same-bits.txt` | SHA-256 of the weights of the same training twice, and killed and resumed |
| `doctor/OP.json` | the verdict on each op |
| `products.jsonl`, `kernels.jsonl` | every variant of large matrix products, and of the benchmark cases |
| `stderr.log` | messages |

Every row is written as soon as it is measured.
END
}

run() {
  out=$1 failed=0 budget=${BUDGET:-480}
  bin=$(cd "${BIN:-.gpu-check}" && pwd)
  device=${DEVICE:-0} data=${VERIGRAD_DATA:-} python=${PYTHON:-python3}
  read -ra recipes <<<"${RECIPES:-$RECIPES_OF_THE_TABLE}"
  mkdir -p "$out"
  out=$(cd "$out" && pwd)
  # Mesa's device-choosing layer complains where there is no desktop session.
  export NODEVICE_SELECT=1 OUT=$out BIN=$bin DEVICE=$device
  readme >"$out/README.md"
  machine >"$out/machine.txt" 2>&1 </dev/null
  cat "$out/machine.txt"
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  if [[ -z "$data" ]]; then
    data=$scratch/data
    stage "random data" 60 data.txt "$python" scripts/peers/random_data.py "$data"
  fi
  torch_device=${TORCH_DEVICE:-}
  if [[ -z "$torch_device" ]] && "$python" -c \
    'import torch, sys; sys.exit(not torch.cuda.is_available())' 2>/dev/null; then
    torch_device=cuda
  fi

  # 1. Speed now, and what PyTorch does on the same card.
  bench_recipes bench bench.jsonl 2
  if [[ -n "$torch_device" ]]; then
    torch_steps 1
    if [[ $torch_device == cuda ]]; then
      torch_steps 1 --graph
      torch_steps 1 --graph --mode tf32 --channels-last
      torch_steps 1 --graph --mode amp --channels-last
    fi
  fi
  # 2. Is it right?
  stage "same bits" 60 same-bits.txt scripts/gpu-check.sh part same_bits
  stage doctor 120 doctor.txt scripts/gpu-check.sh part doctor
  # 3. Tuned, and with wgpu's checks.
  local recipe
  for recipe in "${recipes[@]}"; do
    tune "$recipe" 30
  done
  if [[ -f "$out/picks.toml" ]]; then
    bench_recipes "bench tuned" bench-tuned.jsonl 2 --picks "$out/picks.toml"
  fi
  if "$bin/verigrad" bench --help | grep -q -- --checked; then
    bench_recipes "bench checked" bench-checked.jsonl 2 --checked
  fi
  bench_recipes "bench f16" bench-f16.jsonl 2 --set precision=f16
  # 4. What a later look needs.
  local size sizes=${PRODUCTS:-4096 2048 1024} op
  for size in $sizes; do
    stage "products $size" 40 products.txt "$bin/verigrad" bench --device "$device" \
      --products "${size}x${size}x${size}" --jsonl "$out/products.jsonl"
  done
  if [[ -n "$torch_device" ]]; then
    local small=()
    [[ $torch_device == cpu ]] && small=(--small)
    stage "torch peaks" 40 torch-peaks.jsonl "$python" scripts/peers/peaks.py \
      --device "$torch_device" "${small[@]}"
  fi
  for op in conv2d matmul product_statistics batch_norm ""; do
    stage "kernels $op" 90 kernels.txt "$bin/verigrad" bench "$op" --device "$device" \
      --jsonl "$out/kernels.jsonl"
  done
  echo "done in $SECONDS s of $budget; results are in $out"
  exit "$failed"
}

case "${1:-}" in
  pack) pack "${2:?pack needs a folder}" ;;
  run) run "${2:-${OUT:-gpu-check}}" ;;
  part) # of `run`, in a process of its own, which can be ended
    out=$OUT bin=$BIN device=$DEVICE
    "$2"
    ;;
  *)
    sed -n '2,20s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 2
    ;;
esac
