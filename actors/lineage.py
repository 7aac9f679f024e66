"""What a checkpoint's name tells: the family it belongs to, its own name, and its training step."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import PurePosixPath

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
"""`org/name` on the model hub."""

STEP = re.compile(
    r"(?:^|[-_.=])(?:global[-_]?step|step|checkpoint|ckpt|iteration|iter)[-_=]?(\d+)(?=$|[-_.])", re.IGNORECASE
)
REVISION = re.compile(r"[0-9a-f]{40}")

CONTAINERS = frozenset(
    {
        "checkpoints",
        "checkpoint",
        "ckpts",
        "ckpt",
        "snapshots",
        "models",
        "outputs",
        "output",
        "runs",
        "samples",
        "weights",
    }
)
"""Folders that say nothing about what is in them: not taken for a family."""

WRAPPERS = frozenset({"hf", "huggingface", "actor"})
"""Last folders that only say in which format a checkpoint lies (`global_step_500/actor/huggingface`)."""

MAX_NAME = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """A model's place among others."""

    family: str
    last: str

    @property
    def step(self) -> int | None:
        """Training step named in `last`; the last one if there are several; None if there is none."""
        found = STEP.findall(self.last)
        return int(found[-1]) if found else None

    @property
    def name(self) -> str:
        """`<family>--<last>` (once if they are alike), safe as a folder name, at most 100 characters."""
        alike = self.family.rpartition("/")[2] == self.last
        text = self.family if alike else f"{self.family}--{self.last}"
        safe = re.sub(r"[^A-Za-z0-9._-]+", "-", text.replace("/", "--")).strip(".-")
        return safe[-MAX_NAME:].lstrip(".-") or "model"


def lineage_of_path(path: str) -> Lineage:
    """Lineage of a directory or of a samples file; reads the text only, relative paths from the working directory.

    A checkpoint's family is its parent folder, further up past folders such as `checkpoints`; a model that lies
    directly in such a folder and has no step is its own family.
    """
    full = PurePosixPath(os.path.abspath(os.path.expanduser(path)))  # noqa: PTH100, PTH111 - must not touch the disk
    return _lineage([part for part in full.parts if part != "/"])


def lineage_of_url(url: str) -> Lineage:
    """Lineage of a checkpoint behind `scheme://bucket/path`, as of a directory; the bucket is the topmost folder."""
    return _lineage([part for part in url.partition("://")[2].split("/") if part])


def _lineage(parts: list[str]) -> Lineage:
    while len(parts) > 1 and parts[-1] in WRAPPERS:
        parts.pop()
    last = re.sub(r"\.jsonl(\.gz)?$", "", parts[-1]) if parts else "model"
    return Lineage(family=_family(parts[:-1], last), last=last)


def lineage_of_id(model: str) -> Lineage:
    """Lineage of a hub id, or of a model's name on a server (which is often the path that the server loaded)."""
    if not HUB_ID.fullmatch(model):
        parts = [part for part in PurePosixPath(model).parts if part != "/"] or ["model"]
        return Lineage(family=_family(parts[:-1], parts[-1]), last=parts[-1])
    org, _, last = model.partition("/")
    step = STEP.search(last)
    stem = last[: step.start()] if step else last
    return Lineage(family=f"{org}/{stem}" if stem else org, last=last)


def _family(parents: list[str], last: str) -> str:
    """The nearest folder above that says something."""
    if not (STEP.search(last) or REVISION.fullmatch(last)):
        return parents[-1] if parents and parents[-1] not in CONTAINERS else last
    telling = [part for part in parents if part not in CONTAINERS]
    return (telling or parents or [last])[-1]
