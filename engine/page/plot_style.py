"""How the page's plots look: matplotlib figures turned into inline SVG whose colours follow the page."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import StringIO
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from xml.etree import ElementTree

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

FG, MUTED, GRID, BG = "#010101", "#020202", "#030303", "#040404"
SERIES = tuple(f"#0{digit}0a0b" for digit in range(7))
"""Stand-ins that become CSS variables: the page knows whether it is light or dark, matplotlib does not."""
VARIABLES = {
    FG: "var(--fg)",
    MUTED: "var(--muted)",
    GRID: "var(--grid)",
    BG: "var(--panel)",
    **{colour: f"var(--s{number})" for number, colour in enumerate(SERIES)},
}
Item = TypeVar("Item")
Sharing = bool | Literal["row", "col"]
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))
MOST_CHARS = 26
LEGEND_CHARS = 22
"""Of a name, so that three stand side by side."""
SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
KEPT = {
    *("fill", "fill-opacity", "fill-rule", "opacity", "text-anchor", "font-size", "font-weight", "font-style"),
    *("stroke", "stroke-width", "stroke-opacity", "stroke-dasharray", "stroke-dashoffset", "stroke-linecap"),
    "stroke-linejoin",
}
"""Style properties that become attributes: a strict Content-Security-Policy allows no style attribute."""
STYLE: Any = {
    "font.size": 9,
    "text.color": FG,
    "text.parse_math": False,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.titlesize": 9,
    "axes.titlecolor": FG,
    "axes.titlelocation": "left",
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "legend.labelcolor": FG,
    "hatch.color": BG,
    "hatch.linewidth": 1.0,
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "svg.fonttype": "none",
    "svg.hashsalt": "codeassay",
}


@contextmanager
def styled() -> Iterator[None]:
    """Draw in the page's style."""
    import matplotlib as mpl

    with mpl.rc_context(STYLE):
        yield


def drawing(
    rows: int = 1,
    columns: int = 1,
    *,
    width: float = 6.4,
    height: float = 3.4,
    sharex: Sharing = False,
    sharey: Sharing = False,
) -> tuple[Drawing, list[Axes]]:
    """A figure of its own, without pyplot, and its axes row by row; sizes in inches of 72 units."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Drawing

    figure = Drawing(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, list(figure.subplots(rows, columns, squeeze=False, sharex=sharex, sharey=sharey).ravel())


class Tips(dict[str, tuple[str, ...]]):
    """Texts that appear over parts of a plot, by the id of the part."""

    def add(self, artist: Artist, *texts: str) -> None:
        """Name a part; several texts are those of a line's markers, in order."""
        name = f"tip-{len(self)}"
        artist.set_gid(name)
        self[name] = tuple(short(text, 160) for text in texts)


def to_svg(figure: Drawing, key: str, label: str, tips: Mapping[str, tuple[str, ...]] | None = None) -> str:
    """The figure as an `<svg>` element without styles, scripts, fixed size or ids of another figure.

    Args:
        figure: what was drawn.
        key: stands before every id.
        label: what the plot shows, for those who do not see it.
        tips: texts of parts.
    """
    text = StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    root = ElementTree.fromstring(text.getvalue())  # noqa: S314 - written by matplotlib one line above
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{SVG}}}metadata", f"{{{SVG}}}style"):
                parent.remove(child)
    for element in list(root.iter()):
        _tell(element, (tips or {}).get(element.get("id", ""), ()))
        _plain(element, key)
    for name in ("width", "height"):
        root.attrib.pop(name, None)
    root.set("role", "img")
    root.set("aria-label", label)
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", XLINK)
    return ElementTree.tostring(root, encoding="unicode")


def _tell(element: ElementTree.Element, texts: Sequence[str]) -> None:
    """A `<title>`, which browsers show under the pointer, in the part or in each of its markers."""
    markers = element.findall(f".//{{{SVG}}}use")
    parts = markers if len(texts) > 1 else [element]
    if texts and len(parts) == len(texts):  # markers beyond the axes are not drawn, so cannot be told apart
        for part, text in zip(parts, texts, strict=True):
            title = ElementTree.Element(f"{{{SVG}}}title")
            title.text = text
            part.insert(0, title)


def _plain(element: ElementTree.Element, key: str) -> None:
    """Style properties as attributes, colours as variables, ids with the figure's key."""
    for part in element.attrib.pop("style", "").split(";"):
        name, _, value = (piece.strip() for piece in part.partition(":"))
        if name == "font":  # the short form that matplotlib writes for texts
            size = re.search(r"([\d.]+)px", value)
            name, value = "font-size", size[1] if size else "9"
        if name in KEPT:
            element.set(name, value)
    for name, value in list(element.attrib.items()):
        if name == "id":
            element.set(name, f"{key}-{value}")
        elif name == f"{{{XLINK}}}href":
            element.set(name, value.replace("#", f"#{key}-"))
        elif "url(#" in value:
            element.set(name, value.replace("url(#", f"url(#{key}-"))
        elif value.lower() in VARIABLES:
            element.set(name, VARIABLES[value.lower()])


def short(text: str, most: int = MOST_CHARS) -> str:
    """A name that fits: its middle is left out, control characters too."""
    clean = "".join(char if char.isprintable() else " " for char in text)
    if len(clean) <= most:
        return clean
    return f"{clean[: most // 2 - 1]}…{clean[-(most - most // 2) :]}"


def series(number: int) -> dict[str, Any]:
    """Colour, marker and line of one series, so that they differ without colour too."""
    index = number % len(SERIES)
    return {"color": SERIES[index], "marker": MARKERS[index], "linestyle": LINES[index]}


def pair_label(first: str, second: str) -> str:
    """Two names on one line of an axis."""
    return f"{short(first, 20)} · {short(second, 18)}"


def last(items: Sequence[Item], most: int, what: str) -> tuple[list[Item], str]:
    """The last items, as many as a plot has room for, and a sentence about those left out; empty if none is."""
    note = f" Of {len(items)} {what} the last {most} are drawn." if len(items) > most else ""
    return list(items[-most:]), note


def lines_of_bars(axis: Axes, labels: Sequence[str]) -> None:
    """Name the lines of a plot from top to bottom; only the other axis has a grid."""
    axis.set_yticks(range(len(labels)), labels)
    axis.set_ylim(len(labels) - 0.4, -0.6)
    axis.grid(visible=False, axis="y")


def log_axis(axis: Axes, low: float, high: float) -> None:
    """A logarithmic x axis with plain numbers, at least two of them."""
    from matplotlib.ticker import LogLocator, NullFormatter

    axis.set_xscale("log")
    axis.set_xlim(low / 1.15, high * 1.15)
    if high < low * 30:
        axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high > low * 3 else tuple(range(1, 10))))
    axis.xaxis.set_major_formatter("{x:g}")
    axis.xaxis.set_minor_formatter(NullFormatter())


def shared_legend(figure: Drawing, axes: Sequence[Axes], columns: int = 3) -> None:
    """One legend above all panels, with every series of any of them, each once; lines in the order of series."""
    from matplotlib.lines import Line2D

    found: dict[tuple[int, str], Artist] = {}
    for axis in axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            number = SERIES.index(str(handle.get_color())) if isinstance(handle, Line2D) else 0
            found.setdefault((number, label), handle)
    ordered = sorted(found, key=lambda each: each[0])
    if ordered:
        handles, labels = [found[each] for each in ordered], [label for _, label in ordered]
        figure.legend(handles, labels, loc="outside upper left", ncols=min(columns, len(labels)))
