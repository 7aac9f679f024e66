"""Fixtures that tests of actors share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.actors.vllm_opened import end_shared_engine


@pytest.fixture(scope="session", autouse=True)
def end_vllm() -> Iterator[None]:
    """Close vLLM's engine after the last test, if one was opened."""
    yield
    end_shared_engine()
