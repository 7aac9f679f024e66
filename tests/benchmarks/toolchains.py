"""Skip tests that run a language which this machine lacks."""

from __future__ import annotations

import pytest

from runners.environments import find_environment
from runners.languages import LANGUAGES
from runners.tools import missing


def skip_without(language: str, environment: str = "") -> None:
    """Skip the calling test where programs of the language or environment cannot be run; says what is not here."""
    if environment and not find_environment(environment).built:
        pytest.skip(f"environment {environment} is not built: make environments")
    lacking = missing(LANGUAGES[language]) if language in LANGUAGES else ()
    if lacking:
        pytest.skip(f"{language}: {', '.join(lacking)} is not here")
