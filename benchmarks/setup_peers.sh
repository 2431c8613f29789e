#!/usr/bin/env bash
# The environment of the peers that `benchmarks.peers` measures beside us: transformers, llama.cpp.
#
#   bash benchmarks/setup_peers.sh                 # into benchmarks/.venv
#   bash benchmarks/setup_peers.sh FOLDER          # or elsewhere (--peers-python)
#
# llama-cpp-python compiles llama.cpp for this machine: a C++ compiler, and several minutes.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-$here/.venv}
python=${PYTHON:-python3}

command -v "$python" >/dev/null || { echo "There is no $python here; set PYTHON." >&2; exit 1; }
command -v c++ >/dev/null || { echo "llama.cpp needs a C++ compiler (c++)." >&2; exit 1; }

[ -x "$folder/bin/python" ] || "$python" -m venv "$folder"
pip=("$folder/bin/python" -m pip --disable-pip-version-check install)
"${pip[@]}" -c "$here/../constraints.txt" torch transformers gguf accelerate
# The cmake of the package index may be newer than the system's, and pip fetches it by itself.
"${pip[@]}" -c "$here/../constraints.txt" llama-cpp-python==0.3.36
echo "The peers live in $folder."
