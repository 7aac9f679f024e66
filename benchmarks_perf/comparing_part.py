"""One part of benchmarks_perf.comparing in a process of its own: its name and the folder of its inputs are given."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from benchmarks_perf.comparing import run_part

if __name__ == "__main__":
    print(json.dumps(run_part(sys.argv[1], Path(sys.argv[2]))))
