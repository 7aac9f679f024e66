from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from actors.parts import commit
from actors.samples import SAMPLE_SCHEMA
from engine.progress import Progress
from tests.actors.fakes import run_directory
from tests.engine.rows import grid


class Clock:
    """Time that stands still until it is moved."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr("engine.progress.time.monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def _progress(directory: Path, *, terminal: bool = False, total: int = 1_200_000) -> tuple[Progress, StringIO]:
    out = StringIO()
    console = Console(file=out, width=80, force_terminal=terminal, color_system=None, legacy_windows=False)
    title = f"codeassay  run7--step-1200 · standard · {'x' * 60} · isolation full"
    return Progress(directory, num_generate=total, num_execute=total, console=console, title=title), out


def _commit(directory: Path, kind: str, rows: int, tokens: int = 0) -> None:
    commit(directory / kind, grid({f"{kind}{rows}": 0}, rows), SAMPLE_SCHEMA, tokens=tokens)


def test_without_a_terminal_there_is_a_line_every_ten_seconds(tmp_path: Path, clock: Clock) -> None:
    """Counts of both stages, the rate of tokens, the time left and the verdicts, on one line."""
    progress, out = _progress(run_directory(tmp_path), total=40)
    with progress:
        _commit(tmp_path, "generations", 20, tokens=1000)
        _commit(tmp_path, "samples", 10)
        progress.add(["passed"] * 7 + ["timeout"] * 3)
        clock.now += 9
        progress.update()
        assert out.getvalue() == ""
        clock.now += 1
        progress.update()
        clock.now += 5
        progress.update()
    assert out.getvalue() == "generate 20/40  execute 10/40  100 tokens/s  eta 30 s  passed 7  timeout 3\n"


def test_the_block_fits_a_terminal_of_80_columns(tmp_path: Path, clock: Clock) -> None:
    """Counts of millions, a long title and a note stay within the width."""
    progress, _ = _progress(run_directory(tmp_path), terminal=True)
    progress.note = "SIGINT: finishing what is in flight; once more to leave at once"
    _commit(tmp_path, "generations", 20, tokens=10_000_000)
    _commit(tmp_path, "samples", 10)
    progress.add(["wrong_answer", "passed"])
    clock.now += 60
    progress.update()
    plain = Console(file=StringIO(), width=80, color_system=None)
    with plain.capture() as capture:
        plain.print(progress._block())
    lines = [line.rstrip() for line in capture.get().splitlines()]
    assert max(map(len, lines)) <= 80
    assert any("generate" in line and "20/1,200,000" in line and "tokens/s" in line for line in lines)
    assert any("execute" in line and "10/1,200,000" in line and "eta" in line for line in lines)
    assert any("wrong_answer 1  passed 1" in line for line in lines)
    assert any("once more to leave" in line for line in lines)


def test_parts_of_earlier_attempts_are_not_counted(tmp_path: Path, clock: Clock) -> None:
    """Progress is that of what was left; files that are no parts are passed over."""
    _commit(run_directory(tmp_path), "samples", 5)
    progress, _ = _progress(tmp_path)
    _commit(tmp_path, "samples", 3)
    (tmp_path / "samples" / ".part-0.parquet.1.tmp").write_text("half")
    clock.now += 1
    progress.update()
    assert progress.num_executed == 3


def test_a_stall_is_the_time_since_anything_was_committed_or_judged(tmp_path: Path, clock: Clock) -> None:
    """A new part or a verdict ends it; looking does not."""
    progress, _ = _progress(run_directory(tmp_path))
    clock.now += 50
    progress.update()
    assert progress.stalled_seconds == 50
    _commit(tmp_path, "generations", 2)
    clock.now += 1
    progress.update()
    assert progress.stalled_seconds == 0
    clock.now += 7
    assert progress.stalled_seconds == 7
    progress.add(["passed"])
    assert progress.stalled_seconds == 0


def test_the_stage_that_rows_wait_for_is_named(tmp_path: Path, clock: Clock) -> None:
    """Generate until all completions are there, then Execute."""
    progress, _ = _progress(run_directory(tmp_path), total=2)
    assert progress.slow_stage == "Generate"
    _commit(tmp_path, "generations", 2)
    clock.now += 1
    progress.update()
    assert progress.slow_stage == "Execute"
