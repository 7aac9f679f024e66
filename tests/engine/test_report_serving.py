from __future__ import annotations

import re

import numpy as np

from engine.latency import Distribution, Latency
from engine.report import to_text
from engine.report_serving import latency_table, throughput_text
from engine.serving import Rates, Serving, Throughput


def distribution(*values: float) -> Distribution:
    found = Distribution.of(np.array(values))
    assert found is not None
    return found


def line_of(text: str, label: str) -> list[str]:
    """The cells of one row, the label left out."""
    return next(line for line in text.splitlines() if line.startswith(label))[len(label) :].split()


def test_each_row_has_the_unit_of_its_median() -> None:
    """Seconds, milliseconds and microseconds, three digits that say something, thousands set apart."""
    latency = Latency(
        generation={"ttft_seconds": distribution(0.084, 0.084, 1.5), "e2e_seconds": distribution(12.0, 12.5)},
        execution={"queue_seconds": distribution(0.0, 0.0, 3e-6), "cpu_seconds": distribution(5e-6)},
    )
    table = latency_table(latency)
    assert table is not None
    text = to_text(table)
    assert line_of(text, "serving") == ["mean", "p50", "p90", "p99", "max"]
    assert line_of(text, "ttft") == ["ms", "556", "84.0", "1,217", "1,472", "1,500"]
    assert line_of(text, "e2e") == ["s", "12.2", "12.2", "12.4", "12.5", "12.5"]
    assert line_of(text, "exec queue") == ["us", "1.00", "0", "2.40", "2.94", "3.00"]
    assert line_of(text, "exec cpu")[0] == "us"
    assert [line.split("  ")[0] for line in text.splitlines()[1:]] == ["ttft", "e2e", "exec queue", "exec cpu"]
    assert max(map(len, text.splitlines())) <= 80


def test_the_throughput_line_tells_what_is_known() -> None:
    """All of it, or the part of a run that only executed, or nothing."""
    rates = Rates(
        busy_seconds=1.0,
        num_requests=3,
        output_tokens=1234,
        prompt_tokens=None,
        requests_per_second=3.0,
        output_tokens_per_second=1234.0,
        total_tokens_per_second=None,
    )
    whole = Throughput(
        generation=rates,
        num_replicas=2,
        num_workers=1,
        executions_per_second=12.0,
        overlap_share=0.93,
        generation_idle_share=0.07,
        execution_idle_share=0.61,
    )
    text = throughput_text(Serving(latency=Latency(), throughput=whole))
    assert text == (
        "1,234 tokens/s (2 replicas) · 12 executions/s (1 worker) · overlap 93% · idle: generate 7%, execute 61%"
    )
    executed = Throughput(num_workers=4, executions_per_second=0.25, execution_idle_share=0.5)
    assert throughput_text(Serving(latency=Latency(), throughput=executed)) == (
        "0.25 executions/s (4 workers) · idle: execute 50%"
    )
    assert throughput_text(Serving(latency=Latency(), throughput=Throughput())) == ""


def test_nothing_is_shown_where_nothing_was_measured() -> None:
    """No header without rows."""
    assert latency_table(Latency()) is None
    assert latency_table(Latency(generation={"prompt_tokens": distribution(1.0)})) is None


def test_names_of_rows_are_those_of_the_figures() -> None:
    """Every row is found under its own name: a name that is misspelt would never show."""
    names = ("queue", "ttft", "itl", "tpot", "e2e")
    generation = {f"{name}_seconds": distribution(0.5) for name in names}
    execution = {f"{name}_seconds": distribution(0.5) for name in ("queue", "compile", "run", "cpu")}
    table = latency_table(Latency(generation=generation, execution=execution))
    assert table is not None
    labels = re.findall(r"^(\S+(?: \S+)?)  ", to_text(table), re.MULTILINE)
    assert labels == ["serving", *names, "exec queue", "exec compile", "exec run", "exec cpu"]
