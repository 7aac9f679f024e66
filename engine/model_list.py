"""The models of a run as they are typed: several, and patterns such as `ckpts/step-*` that stand for checkpoints."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from actors.lineage import lineage_of_path, lineage_of_url
from actors.models import LOCAL_KINDS
from actors.remote import check_url, is_remote, names_below
from runners.errors import UserError

MAGIC = re.compile(r"[*?\[]")
SHOWN = 10


def expand_models(specs: Sequence[str], tell: Callable[[str], None] = lambda _: None) -> list[str]:
    """Model specs with each pattern replaced by what it matches, by training step and then by name; each spec once.

    A pattern stands for folders (of samples files for `replay:`). That a folder is a whole checkpoint is not looked at
    here, so that none is left out in silence.

    Args:
        specs: as typed; a pattern may follow `transformers:`, `vllm:` or `replay:`, or stand alone.
        tell: told what a pattern matches and does not stand for.

    Raises:
        UserError: a pattern matches nothing.
    """
    return list(dict.fromkeys(model for spec in specs for model in _expand(spec.strip(), tell)))


def _expand(spec: str, tell: Callable[[str], None]) -> list[str]:
    prefix, target = _split(spec)
    if prefix is None or not MAGIC.search(target):
        return [spec]
    if is_remote(target):
        found, others = _match_remote(spec, target)
    elif Path(target).expanduser().exists():
        return [spec]
    else:
        found, others = _match_local(spec, target, wants_files=prefix == "replay:")
    if others:
        shown = ", ".join(sorted(others)[:SHOWN])
        tell(f"{spec}: {len(others)} matches are passed over, since a model is no such file or folder: {shown}")
    return [f"{prefix}{path}" for path in sorted(found, key=_order)]


def _split(spec: str) -> tuple[str | None, str]:
    """The kind with its colon and the path behind it; None where a spec holds no path."""
    kind, colon, target = spec.partition(":")
    if colon and not is_remote(spec):
        return (f"{kind}:", target) if kind in LOCAL_KINDS or kind == "replay" else (None, spec)
    return "", spec


def _match_local(spec: str, target: str, *, wants_files: bool) -> tuple[list[str], list[str]]:
    """What a pattern stands for, and what else it matches."""
    pattern = Path(target).expanduser()
    root = Path(pattern.anchor)
    found = list(root.glob(str(pattern.relative_to(root))))
    taken = [str(path) for path in found if path.is_file() == wants_files]
    if not taken:
        folder = next(parent for parent in pattern.parents if not MAGIC.search(str(parent)))
        there = (
            [f"{path.name}/" if path.is_dir() else path.name for path in folder.iterdir()] if folder.is_dir() else None
        )
        raise _nothing(spec, str(folder), there)
    return taken, [str(path) for path in found if path.is_file() != wants_files]


def _match_remote(spec: str, target: str) -> tuple[list[str], list[str]]:
    """As _match_local, with the pattern in the last part of a URL."""
    check_url(target)
    folder, _, pattern = target.rstrip("/").rpartition("/")
    if MAGIC.search(folder):
        raise UserError(
            f"model '{spec}': behind a URL only the last part can be a pattern, e.g. s3://bucket/run/step-*"
        )
    names = names_below(folder)
    matched = [name for name in names if fnmatchcase(name.rstrip("/"), pattern)]
    taken = [f"{folder}/{name.rstrip('/')}" for name in matched if name.endswith("/")]
    if not taken:
        raise _nothing(spec, folder, names)
    return taken, [f"{folder}/{name}" for name in matched if not name.endswith("/")]


def _nothing(spec: str, folder: str, names: Sequence[str] | None) -> UserError:
    if names is None:
        return UserError(f"model '{spec}': matches nothing: there is no folder {folder}. Check the path.")
    shown = ", ".join(sorted(names, key=_natural)[:SHOWN]) or "nothing"
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return UserError(f"model '{spec}': matches nothing that is a model in {folder}, where there lie: {shown}{more}.")


def _order(target: str) -> tuple[bool, int, list[str | int]]:
    """By training step, those without one last; then by name, numbers by their size."""
    step = (lineage_of_url(target) if is_remote(target) else lineage_of_path(target)).step
    return step is None, step or 0, _natural(target)


def _natural(text: str) -> list[str | int]:
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", PurePosixPath(text).as_posix())]
