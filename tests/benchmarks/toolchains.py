"""Skip tests that run a language which this machine lacks."""

from __future__ import annotations

import pytest

from runners.languages import LANGUAGES
from runners.tools import missing


def skip_without(language: str) -> None:
    """Skip the calling test where programs of the language cannot be run; says what is not here."""
    lacking = missing(LANGUAGES[language]) if language in LANGUAGES else ()
    if lacking:
        pytest.skip(f"{language}: {', '.join(lacking)} is not here")
