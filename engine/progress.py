"""Show how far a run is: one live block on a terminal, one line per ten seconds elsewhere."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from actors.execute import SAMPLES
from actors.generate import GENERATIONS

LINE_SECONDS = 10.0
_BAR_WIDTH = 24
_POLL_SECONDS = 0.5


class _Parts:
    """Rows and tokens of the parts that appeared in a directory since the run began, read from footers."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._known = {path.name for path in directory.glob("part-*.parquet")}
        self.num_rows = 0
        self.num_tokens = 0

    def poll(self) -> None:
        """Look for new parts."""
        for path in self._directory.glob("part-*.parquet"):
            if path.name in self._known:
                continue
            self._known.add(path.name)
            footer = pq.read_metadata(path)
            self.num_rows += footer.num_rows
            self.num_tokens += int((footer.metadata or {}).get(b"tokens", b"0"))


class Progress:
    """Counts of one pipeline and how they are shown; `update` is cheap and may be called often."""

    def __init__(self, run_dir: Path, *, num_generate: int, num_execute: int, console: Console, title: str) -> None:
        """Begin at nothing done."""
        self._generations, self._samples = _Parts(run_dir / GENERATIONS), _Parts(run_dir / SAMPLES)
        self._num_generate, self._num_execute = num_generate, num_execute
        self._console, self._title = console, title
        self._statuses: Counter[str] = Counter()
        self._started = self._last_change = time.monotonic()
        self._last_poll, self._last_line = 0.0, time.monotonic()
        self._seen = (0, 0)
        self.note = ""
        self._live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None

    def __enter__(self) -> Progress:
        """Show the block."""
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Take the block away."""
        if self._live:
            self._live.stop()

    def add(self, statuses: list[str]) -> None:
        """Count verdicts that reached the driver."""
        self._statuses.update(statuses)
        self._last_change = time.monotonic()

    def tell(self, note: str) -> None:
        """Show a note beside the counts; a later one takes its place."""
        self.note = note

    @property
    def stalled_seconds(self) -> float:
        """How long nothing has been committed or judged."""
        return time.monotonic() - self._last_change

    @property
    def slow_stage(self) -> str:
        """The stage that rows are waiting for."""
        return "Generate" if self._generations.num_rows < self._num_generate else "Execute"

    @property
    def num_executed(self) -> int:
        """Samples committed since the run began."""
        return self._samples.num_rows

    def update(self) -> None:
        """Read the counts and show them, at most every half second."""
        now = time.monotonic()
        if now - self._last_poll < _POLL_SECONDS:
            return
        self._last_poll = now
        self._generations.poll()
        self._samples.poll()
        seen = (self._generations.num_rows, self._samples.num_rows)
        if seen != self._seen:
            self._seen, self._last_change = seen, now
        if self._live:
            self._live.update(self._block(), refresh=True)
        elif now - self._last_line >= LINE_SECONDS:
            self._last_line = now
            self._console.print(self._line(), highlight=False, soft_wrap=True)

    def _block(self) -> RenderableType:
        grid = Table.grid(padding=(0, 2))
        for name, done, total in self._stages():
            bar = ProgressBar(total=max(total, 1), completed=done, width=_BAR_WIDTH)
            grid.add_row(Text(name, style="bold"), bar, f"{done:,}/{total:,}", self._rate(name))
        lines: list[RenderableType] = [Text(self._title, style="bold"), grid, Text(self._verdicts())]
        return Group(*lines, Text(self.note, style="yellow")) if self.note else Group(*lines)

    def _line(self) -> str:
        stages = [f"{name} {done:,}/{total:,}" for name, done, total in self._stages()]
        rates = [self._rate("generate"), self._rate("execute")]
        return "  ".join([*stages, *filter(None, rates), self._verdicts(), self.note]).rstrip()

    def _stages(self) -> list[tuple[str, int, int]]:
        return [
            ("generate", self._generations.num_rows, self._num_generate),
            ("execute", self._samples.num_rows, self._num_execute),
        ]

    def _rate(self, stage: str) -> str:
        seconds = max(time.monotonic() - self._started, 1e-9)
        if stage == "generate":
            tokens = self._generations.num_tokens
            return f"{tokens / seconds:,.0f} tokens/s" if tokens else ""
        done = self._samples.num_rows
        left = self._num_execute - done
        return f"eta {_duration(seconds * left / done)}" if done and left else ""

    def _verdicts(self) -> str:
        return "  ".join(f"{status} {count:,}" for status, count in self._statuses.most_common())


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} m" if hours else f"{minutes} m {rest} s" if minutes else f"{rest} s"
