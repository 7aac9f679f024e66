"""Content hashes: what makes two runs, two prompts or two samples the same, whatever machine they are made on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from actors.generator import Sampling
from benchmarks.problem import Problem, Prompt

IDENTITY_FORMAT = 2
"""Raised when ids of samples are made in another way: runs of before are then other runs."""

Identity = dict[str, Any]
"""Everything that decides the numbers of a run, as plain data; node count, batch sizes and tracking are not in it."""


def request_id(model_digest: str, label: str, problem: Problem, prompt: Prompt, sampling: Sampling) -> str:
    """Identity of one prompt put to one model; with an index it is the identity of a sample."""
    parts = [model_digest, label, problem.sha256(), prompt.sha256(), asdict(sampling)]
    return _digest(parts)[:32]


def run_id(identity: Identity) -> str:
    """Eight characters that name a run directory."""
    return content_hash(identity)


def content_hash(data: object) -> str:
    """Eight characters that tell apart plain data with different content."""
    return _digest(data)[:8]


def differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """Each key whose value differs, as `key: there -> here`, dotted and in order."""
    left, right = flatten(there), flatten(here)
    keys = sorted(left.keys() | right.keys())
    return [f"{key}: {left.get(key)} there, {right.get(key)} here" for key in keys if left.get(key) != right.get(key)]


def flatten(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings and lists as one level of dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in data.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{name}.")
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            flat |= flatten({str(i): item for i, item in enumerate(value)}, f"{name}.")
        else:
            flat[name] = value
    return flat


def _digest(data: object) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True, default=str).encode()).hexdigest()
