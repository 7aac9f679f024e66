"""Re-exported for readers of runs: the columns live in actors.samples, where they are written."""

from actors.samples import GENERATION_SCHEMA, SAMPLE_SCHEMA

__all__ = ["GENERATION_SCHEMA", "SAMPLE_SCHEMA"]
