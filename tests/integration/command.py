"""Run the installed command as a user does, in its own process group and with its own places."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CODEASSAY = Path(sys.executable).parent / "codeassay"


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a finished command left."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The object that --json printed."""
        result: dict[str, Any] = json.loads(self.out)
        return result


def start(
    arguments: Sequence[str], places: Path, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """Start `codeassay ARGUMENTS`; runs and caches go below `places`."""
    own = {"CODEASSAY_RUNS": str(places / "runs"), "CODEASSAY_CACHE": str(places / "cache")}
    inherited = {
        name: value for name, value in os.environ.items() if name not in ("RAY_ADDRESS", "MLFLOW_TRACKING_URI")
    }
    return subprocess.Popen(
        [str(CODEASSAY), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=places,
        env={**inherited, **own, **(environment or {})},
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str]) -> Done:
    """Wait for a started command."""
    out, err = process.communicate(timeout=900)
    return Done(code=process.returncode, out=out, err=err)


def codeassay(*arguments: str, places: Path, environment: Mapping[str, str] | None = None) -> Done:
    """Run `codeassay ARGUMENTS` to its end."""
    return finish(start(arguments, places, environment))
