"""The catalogue: all perturbations by name, family by family, and named choices among them."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable
from functools import cache

from benchmarks.perturbations.perturbation import Perturbation
from runners.errors import UserError

MODULES = (
    "noise",
    "lexical",
    "sentences",
    "rewording",
    "chinese",
    "names",
    "syntax",
    "layout",
    "form",
    "prefix",
    "recode",
)
"""Modules of this package that hold a TABLE of perturbations."""
PROFILES: dict[str, tuple[str, ...]] = {
    "smoke": ("keyboard_typos", "synonyms", "function_camel_case", "parameters_neutral", "dead_code", "comment_noise"),
    "core": (
        "keyboard_typos",
        "letter_case",
        "whitespace_noise",
        "synonyms",
        "tense",
        "distractor_sentence",
        "reordered_sentences",
        "function_camel_case",
        "function_random",
        "parameters_neutral",
        "locals_random",
        "dead_code",
        "operand_swap",
        "comment_noise",
        "docstring_to_comments",
        "instruction_wording",
    ),
    "full": (),
}
"""Choices: a quick look, the most telling, and `full`: all but ReCode's recipes and what needs a language model."""


@cache
def catalogue() -> dict[str, Perturbation]:
    """Every perturbation by name, in the table's order.

    Raises:
        AssertionError: two have one name, which is our own fault.
    """
    found: dict[str, Perturbation] = {}
    for module in MODULES:
        for entry in importlib.import_module(f"benchmarks.perturbations.{module}").TABLE:
            assert entry.name not in found, f"two perturbations are called {entry.name}"
            found[entry.name] = entry
    return found


def families() -> tuple[str, ...]:
    """Names of the families, in the table's order."""
    return tuple(dict.fromkeys(entry.family for entry in catalogue().values()))


def catalogue_of(names: Iterable[str]) -> tuple[Perturbation, ...]:
    """The perturbations of these names, families or profiles, each once, in the catalogue's order.

    Raises:
        UserError: none is called so; names the nearest.
    """
    chosen: set[str] = set()
    for name in names:
        chosen |= set(_resolved(name))
    return tuple(entry for entry in catalogue().values() if entry.name in chosen)


def profile(name: str) -> tuple[str, ...]:
    """Names of a profile's perturbations."""
    every = catalogue().values()
    whole = tuple(entry.name for entry in every if entry.family != "recode" and not entry.needs_llm)
    return PROFILES[name] or whole


def _resolved(name: str) -> tuple[str, ...]:
    entries = catalogue()
    if name in entries:
        return (name,)
    if name in PROFILES:
        return profile(name)
    if name in families():
        return tuple(entry.name for entry in entries.values() if entry.family == name)
    known = [*PROFILES, *families(), *entries]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    raise UserError(
        f"There is no perturbation, family or profile '{name}'.{hint} `codeassay list perturbations` names all of them."
    )
