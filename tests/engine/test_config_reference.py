from __future__ import annotations

from pathlib import Path

import engine
from engine.config import RunConfig
from engine.config_reference import reference

CONFIG = Path(engine.__file__ or "").parent / "CONFIG.md"


def test_the_reference_on_disk_is_current() -> None:
    """CONFIG.md is what the models say now; `make docs` writes it."""
    assert CONFIG.read_text() == reference()


def test_every_key_has_a_row_with_a_meaning() -> None:
    """All sections and keys are there, inherited ones included."""
    rows = [line.split(" | ") for line in reference().splitlines() if line.startswith("| `")]
    keys = {row[0].strip("| `") for row in rows}
    assert all(len(row[-1].strip(" |")) > 3 for row in rows)
    assert keys >= {"limit", "benchmarks.N.name", "generation.temperature", "model.dtype", "tracking.uri"}
    for name, field in RunConfig.model_fields.items():
        model = field.annotation
        if name != "benchmarks" and hasattr(model, "model_fields"):
            assert {f"{name}.{key}" for key in model.model_fields} <= keys
