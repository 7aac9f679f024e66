#!/usr/bin/env bash
# What a machine with a GPU tells about us: runs wherever `vllm` and this checkout are installed in one environment.
#
#   benchmarks_perf/gpu_check.sh [python] [size]      e.g. benchmarks_perf/gpu_check.sh .venv/bin/python 7b
#
# Compares the pipeline with LLM.generate on a random-weight model of that size, then runs the vLLM tests. The result
# file in benchmarks_perf/results names the GPU.
set -euo pipefail
cd "$(dirname "$0")/.."

python="${1:-python3}"
size="${2:-7b}"

command -v nvidia-smi >/dev/null || { echo "no NVIDIA GPU here (nvidia-smi is missing)"; exit 2; }
nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv,noheader
"$python" -c 'import vllm; print("vllm", vllm.__version__)'

"$python" -m benchmarks_perf.generation --only vllm --size "$size" --dtype bfloat16 --no-eager \
  --n 16 --max-tokens 256 --rounds 3
"$python" -m pytest -q -m vllm tests/actors tests/integration/test_vllm.py
