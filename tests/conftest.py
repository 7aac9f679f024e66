"""Fixtures that all test packages share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runners.tools import cache_folder

os.environ.setdefault("CODEASSAY_TOOLCHAINS", str(cache_folder()))
"""Tests have caches of their own, but compilers' libraries are prepared and installed once (`make toolchains`)."""


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real benchmark files beside the repository; tests that need it are skipped without it."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"real benchmark files are not here: {folder} does not exist")
    return folder
