"""Fixtures of the benchmark tests: real files by name, and one sandbox for the session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.registry import AnyBenchmark, load_benchmark
from runners.errors import SandboxUnavailable
from runners.sandbox import Sandbox, open_sandbox

FILES = {
    "humaneval": "humaneval/HumanEval.jsonl.gz",
    "mbpp": "mbpp/mbpp.jsonl.gz",
    "mbpp:sanitized": "mbpp/sanitized-mbpp.json.gz",
    "humaneval_plus": "evalplus/HumanEvalPlus.jsonl.gz",
    "mbpp_plus": "evalplus/MbppPlus.jsonl.gz",
}


class Loader:
    """Loads a benchmark from the real files."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder = folder
        self.cache = cache

    def __call__(self, spec: str, **options: object) -> AnyBenchmark:
        """Load `name` or `name:subset` with options."""
        name, _, subset = spec.partition(":")
        if subset:
            options["subset"] = subset
        return load_benchmark(name, {"data": self.folder / FILES[spec], **options}, self.cache)


@pytest.fixture(scope="session")
def real(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Loader:
    """Load a benchmark by spec from the real files; skipped without them."""
    return Loader(shared_data, tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """The strongest sandbox of this machine; tests that need one are skipped where there is none."""
    try:
        opened = open_sandbox()
    except SandboxUnavailable as error:
        pytest.skip(f"no sandbox here: {error}")
    yield opened
    opened.close()
