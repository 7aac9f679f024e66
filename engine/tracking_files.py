"""What travels to the tracking server besides numbers: parameters, configuration and samples, without secrets."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from actors.samples import SAMPLE_SCHEMA
from runners.program import OURS

REDACTED = "[redacted]"
SECRET_NAME = re.compile(
    r"(?:^|[_\-.\s])(?:api_?key|key|token|secret|passwd|password|credentials?|authorization)$", re.I
)
"""Names that end in one of these words: `hf_token` does, `max_tokens` and `tokenizer` do not."""
SECRET_VARIABLE = re.compile(r"(?:KEY|TOKEN|SECRET|PASSWORD)$", re.I)
NOT_SECRET = frozenset({"run_key", "pad_token", "eos_token", "bos_token", "stop_token"})
SHORTEST_SECRET = 6
"""Values of secret variables shorter than this are not looked for: they would match ordinary text."""
USER_INFO = re.compile(r"(?<=://)[^/\s@]+@")
MAX_PARAM_CHARS = 6000


def redact(value: Any, environment: Mapping[str, str] | None = None) -> Any:  # noqa: ANN401 - any JSON value
    """A copy of a JSON-like value that holds no secret.

    Dropped are entries whose names look like keys, tokens, secrets or passwords; values of environment variables
    with such names, and user names and passwords inside URLs, become `[redacted]` wherever they stand.

    Args:
        value: mappings, sequences, strings, numbers; anything else is taken by its text.
        environment: where secret values are known from; the process's own if None.
    """
    known = os.environ if environment is None else environment
    secrets = {text for name, text in known.items() if SECRET_VARIABLE.search(name) and len(text) >= SHORTEST_SECRET}
    return _redact(value, sorted(secrets, key=len, reverse=True))


def flat_params(config: Mapping[str, Any]) -> dict[str, str]:
    """Nested configuration as `section.key` -> text, cut at 6,000 characters; a list of plain values is one text."""
    return {key: text[:MAX_PARAM_CHARS] for key, text in _flatten("", config)}


def write_samples(parts: Sequence[Path], target: Path) -> int:
    """Join part files of samples into one Parquet file, a row group at a time; gives the number of rows.

    Of rows with the same sample_id one is kept, as everywhere: a verdict of the program before one of ours, then the
    one that finished last.
    """
    keep_R = _latest(parts)
    start = 0
    with pq.ParquetWriter(target, SAMPLE_SCHEMA, compression="zstd") as writer:
        for part in parts:
            with pq.ParquetFile(part) as file:
                for group in range(file.num_row_groups):
                    rows = file.read_row_group(group)
                    kept = rows.filter(pa.array(keep_R[start : start + rows.num_rows]))
                    writer.write_table(kept.select(SAMPLE_SCHEMA.names).cast(SAMPLE_SCHEMA))
                    start += rows.num_rows
    return int(keep_R.sum())


def _latest(parts: Sequence[Path]) -> NDArray[np.bool_]:
    """Whether each row, in the order of the parts, is the one that speaks for its sample_id."""
    columns = ["sample_id", "finished_at", "status"]
    empty = SAMPLE_SCHEMA.empty_table().select(columns)
    tables = [pq.read_table(part, columns=columns, partitioning=None) for part in parts]
    slim = pa.concat_tables([empty, *(table.cast(empty.schema) for table in tables)])
    keep_R = np.zeros(slim.num_rows, dtype=bool)
    ours_R = np.isin(slim["status"].to_numpy(zero_copy_only=False), [status.value for status in OURS])
    best_first = np.lexsort((-slim["finished_at"].to_numpy(), ours_R))
    codes = slim["sample_id"].combine_chunks().dictionary_encode().indices.to_numpy(zero_copy_only=False)
    _, first = np.unique(codes[best_first], return_index=True)
    keep_R[best_first[first]] = True
    return keep_R


def _redact(value: Any, secrets: list[str]) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, Mapping):
        return {str(key): _redact(item, secrets) for key, item in value.items() if not _is_secret_name(str(key))}
    if isinstance(value, (list, tuple)):
        return [_redact(item, secrets) for item in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    text = str(value)
    for secret in secrets:
        text = text.replace(secret, REDACTED)
    return USER_INFO.sub(f"{REDACTED}@", text)


def _is_secret_name(name: str) -> bool:
    # camelCase is split so that apiKey is found and monkey is not.
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return words.lower() not in NOT_SECRET and SECRET_NAME.search(words) is not None


def _flatten(prefix: str, value: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - any JSON value
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _flatten(f"{prefix}.{key}" if prefix else str(key), item)
    elif isinstance(value, (list, tuple)) and any(isinstance(item, Mapping) for item in value):
        for index, item in enumerate(value):
            yield from _flatten(f"{prefix}.{index}", item)
    else:
        yield prefix, value if isinstance(value, str) else json.dumps(value, default=str)
