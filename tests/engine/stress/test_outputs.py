from __future__ import annotations

import json
import struct
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from engine.report import to_text
from engine.stress import files
from engine.stress.levels import by_value
from engine.stress.plots import OKABE_ITO, draw_plots
from engine.stress.table import Shown, render
from runners.errors import UserError
from tests.engine.stress.test_sweep import settings, sweep
from tests.engine.stress.virtual import QueueServer

pytestmark = pytest.mark.slow  # each draws plots, which takes a second

GOAL = "ttft_p99<400ms,e2e_p90<500ms"
NAMES = ("latency", "goodput", "cdf")


def _png_size(path: Path) -> tuple[int, int]:
    """Width and height as the file itself says."""
    head = path.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", head[16:24])
    return width, height


def test_plots_are_pictures_of_sensible_size(tmp_path: Path) -> None:
    """Three PNGs and three SVGs, wide enough to read and not larger than a screen."""
    levels, knee = sweep(QueueServer(), settings(rate="1,2,4,8,16", goal=GOAL, knee=True))
    drawn = draw_plots(levels, knee, "a model", tmp_path)
    assert sorted(path.name for path in drawn) == sorted(f"{name}.{kind}" for name in NAMES for kind in ("png", "svg"))
    for path in drawn:
        if path.suffix == ".png":
            width, height = _png_size(path)
            assert 800 <= width <= 2400
            assert 500 <= height <= 1000
        assert 5_000 < path.stat().st_size < 500_000


def test_plots_name_axes_units_goals_and_the_knee(tmp_path: Path) -> None:
    """The text of the SVGs; each percentile has a colour of the palette."""
    levels, knee = sweep(QueueServer(), settings(rate="1,2,4,8,16", goal=GOAL, knee=True))
    draw_plots(levels, knee, "a model", tmp_path)
    latency, goodput, cdf = ((tmp_path / f"{name}.svg").read_text() for name in NAMES)
    for text in ("latency (ms)", "offered load (requests/s)", "time to first token", "p99 goal 400 ms", "a model"):
        assert text in latency
    assert all(color.lower() in latency.lower() for color in OKABE_ITO[:3])
    assert "goodput: within all goals" in goodput
    assert "knee " in goodput
    assert "share of requests" in cdf


@pytest.mark.parametrize("rates", ["4", "1,1.5", "1,2,3,4,5,6,7,8,9,10,11"])
def test_any_number_of_levels_is_drawn(tmp_path: Path, rates: str) -> None:
    """One level, two that are near, more than there are colours; also where every request failed."""
    levels, _ = sweep(QueueServer(), settings(rate=rates, requests=20))
    failed, _ = sweep(QueueServer(fails=lambda number: True), settings(rate=rates, requests=20))
    for each in (levels, failed):
        assert len(draw_plots(each, None, "a model", tmp_path)) == 6


def test_the_table_fits_80_columns(tmp_path: Path) -> None:
    """Load, latency, spread, knee and notes: every figure is there, no line is longer, nothing is cut."""
    asked = settings(rate="1,2,4,8,16", goal=GOAL, knee=True, repeat=2)
    levels, knee = sweep(QueueServer(), asked)
    shown = Shown(
        model="openai:http://127.0.0.1:8000/v1#org/name",
        asked="humaneval: 164 prompts (chat)",
        arrivals="poisson arrivals",
        levels=levels,
        knee=knee,
        directory=tmp_path,
    )
    text = to_text(render(shown), width=80)
    table = [line for line in text.splitlines() if str(tmp_path) not in line]
    assert max(len(line) for line in table) <= 80
    assert "…" not in text
    for expected in ("TTFT", "TPOT", "ITL", "E2E", "p50", "p90", "p95", "p99", "max", "mean", "good/s", "run to run"):
        assert expected in text
    assert f"knee: {knee}" in " ".join(text.split())
    for level in by_value(levels):
        assert level.name in text


def test_every_request_is_a_row(tmp_path: Path) -> None:
    """Of every level and run, warm-up included, with its level, its times and its error."""
    levels, _ = sweep(QueueServer(fails=lambda number: number == 7), settings(repeat=2))
    files.write_requests(tmp_path, levels)
    rows = pq.read_table(tmp_path / files.REQUESTS_FILE).to_pylist()
    assert len(rows) == 2 * 2 * 105
    assert {(row["level"], row["value"], row["run"]) for row in rows} == {(0, 2, 0), (0, 2, 1), (1, 8, 0), (1, 8, 1)}
    assert sum(row["warm_up"] for row in rows) == 4 * 5
    (failed,) = [row for row in rows if row["error"]]
    assert (failed["error"], failed["ttft_seconds"]) == ("HTTP 503: overloaded", None)
    answered = next(row for row in rows if not row["error"])
    request = levels[0].runs[0].requests[0]
    assert answered["tpot_seconds"] == request.tpot_seconds
    assert answered["inter_token_seconds"] == pytest.approx(request.inter_token_seconds)


def test_the_summary_holds_no_secret_and_a_run_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The value of a secret variable is taken out wherever it stands; the same directory is refused."""
    monkeypatch.setenv("MY_API_KEY", "s3cr3t-value")
    levels, _ = sweep(QueueServer(), settings(goal=GOAL))
    files.check_free(tmp_path)
    files.write_summary(
        tmp_path, {"command": "--set x=s3cr3t-value", "levels": [files.level_json(each) for each in levels]}
    )
    text = (tmp_path / files.SUMMARY_FILE).read_text()
    assert "s3cr3t-value" not in text
    told = json.loads(text)["levels"][0]
    assert told["runs"][0]["latency_seconds"]["ttft"]["p99"] == levels[0].latency("ttft", "p99")
    assert told["meets_goals"] is levels[0].meets
    with pytest.raises(UserError, match="there is a stress run already"):
        files.check_free(tmp_path)
