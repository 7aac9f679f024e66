"""What a plot of the report page consists of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One plot, and the same numbers as a table."""

    key: str
    """Its id in the page, such as `pass-at-k`."""
    title: str
    caption: str
    """Plain text: what is drawn, and how it is defined."""
    svg: str
    """`<svg ...>...</svg>`; colours by CSS variables, so that it follows light and dark."""
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    """For those who do not see the plot; one text per column."""
