#!/usr/bin/env bash
# Checks and measures verigrad on a machine that has a GPU but no Rust, in one call.
#
#   scripts/gpu-check.sh pack DIR    where Rust is: build what the check needs into DIR
#   scripts/gpu-check.sh run [OUT]   where the GPU is: doctor, tests, speed of kernels, roofline and
#                                    trace of a training step, training; results go to OUT
#                                    (default: $OUT, else gpu-check)
#
# `run` takes the programs from $BIN (default: .gpu-check beside this repository's files).
# DEVICE chooses the device (default: 0, the first GPU), RECIPES what to measure (default: those
# whose data are in $VERIGRAD_DATA, and digits), of which the first is trained; STAGE_SECONDS
# limits each stage (default: 150).
# All stages run, whatever fails; the exit status is 1 when any did.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Tests of kernels and of training on whatever GPUs there are.
TESTS=(contract profile training)

pack() {
  local bin=$1 executable
  mkdir -p "$bin"
  cargo build --release --bin verigrad
  cp "${CARGO_TARGET_DIR:-target}/release/verigrad" "$bin/"
  for test in "${TESTS[@]}"; do
    executable=$(cargo test --release --no-run --test "$test" --message-format=json |
      sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -n 1)
    cp "$executable" "$bin/$test"
  done
  git describe --always --dirty --abbrev=40 >"$bin/COMMIT"
  echo "packed $(cat "$bin/COMMIT") into $bin, $(du -sh "$bin" | cut -f1)"
}

# stage FILE COMMAND...: runs a command with its output in $out/FILE and its messages in
# $out/stderr.log, and notes how it ended.
stage() {
  local file=$1 status=0 start=$SECONDS messages
  shift
  echo "== $*"
  messages=$(mktemp)
  timeout "${STAGE_SECONDS:-150}" "$@" >"$out/$file" 2>"$messages" </dev/null || status=$?
  tail -n 15 "$out/$file" "$messages"
  { echo "== $*" && cat "$messages"; } >>"$out/stderr.log"
  rm "$messages"
  echo "$file: exit $status after $((SECONDS - start)) s: $*" | tee -a "$out/SUMMARY.txt"
  if [[ $status != 0 ]]; then
    failed=1
  fi
}

run() {
  out=$1
  failed=0
  local bin=${BIN:-.gpu-check} device=${DEVICE:-0} data=${VERIGRAD_DATA:-/nonexistent} recipes
  read -ra recipes <<<"${RECIPES:-}"
  if [[ ${#recipes[@]} == 0 ]]; then
    [[ -d "$data/mnist" ]] && recipes+=(mnist-cnn mnist-mlp-torch)
    [[ -d "$data/cifar-10-batches-bin" ]] && recipes+=(cifar10-alexnet)
    recipes+=(digits)
  fi
  mkdir -p "$out"
  rm -f "$out/stderr.log"
  # Mesa's device-choosing layer complains where there is no desktop session.
  export NODEVICE_SELECT=1
  {
    echo "commit: $(cat "$bin/COMMIT")"
    echo "date:   $(date -u +%Y-%m-%dT%H:%M:%SZ)"
    echo "host:   $(uname -srm), $(nproc) CPU cores"
    if command -v nvidia-smi >/dev/null; then
      nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader || true
    fi
    "$bin/verigrad" devices 2>&1 || true
  } >"$out/SUMMARY.txt" </dev/null
  cat "$out/SUMMARY.txt"

  stage doctor.json "$bin/verigrad" doctor --json --device "$device"
  for test in "${TESTS[@]}"; do
    stage "$test.log" "$bin/$test" --nocapture
  done
  stage bench.json "$bin/verigrad" bench --json --device "$device"
  for recipe in "${recipes[@]}"; do
    stage "roofline-$recipe.txt" "$bin/verigrad" bench "$recipe" --device "$device" \
      --trace "$out/trace-$recipe.json"
    stage "bench-$recipe.json" "$bin/verigrad" bench "$recipe" --device "$device" --json
  done
  stage train.log "$bin/verigrad" train "${recipes[0]}" --device "$device" --runs "$out/runs"
  if [[ -d "$out/runs" ]]; then
    tar -czf "$out/runs.tar.gz" -C "$out" runs
    rm -r "$out/runs"
  fi
  exit "$failed"
}

case "${1:-}" in
  pack) pack "${2:?pack needs a folder}" ;;
  run) run "${2:-${OUT:-gpu-check}}" ;;
  *)
    sed -n '2,14s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 2
    ;;
esac
