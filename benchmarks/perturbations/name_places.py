"""What a renaming has to know of a program: where each of its names stands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from benchmarks.perturbations.subject import Edit, edited


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """One mention of a name in a text, in characters."""

    start: int
    end: int
    lead: str = ""
    """What must stand before another name here: `{x}`, short for `{x: x}`, becomes `{x: y}`."""

    def renamed(self, new: str) -> Edit:
        """The edit that puts another name here."""
        return Edit(self.start, self.end, self.lead + new)


@dataclass(frozen=True, slots=True)
class Variable:
    """A name that means one thing, and all its mentions in order."""

    name: str
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Names:
    """The names of one program that can be renamed without changing what it does."""

    function: tuple[Place, ...] = ()
    """Mentions of the entry point; empty where it cannot be renamed."""
    parameters: tuple[Variable, ...] = field(default=())
    """Of the entry point, in the order of its head."""
    locals: tuple[Variable, ...] = field(default=())
    """Variables that the entry point's body introduces, in the order in which they appear."""


def renamings(variables: Iterable[Variable], names: Mapping[str, str]) -> Iterator[Edit]:
    """Edits at all mentions of those variables that get another name."""
    for variable in variables:
        if variable.name in names:
            yield from (place.renamed(names[variable.name]) for place in variable.places)


def renamed_at(text: str, places: Mapping[str, Iterable[Place]], names: Mapping[str, str]) -> str:
    """The text with other names at these places."""
    return edited(text, [place.renamed(new) for old, new in names.items() for place in places.get(old, ())])
