"""`codeassay compare`: what it prints, and its exit code."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from engine.compare import Rules, compare, open_run
from engine.compare_view import as_data, gate_data, render, render_gate
from engine.gate import check_gate, outcome, read_gate
from engine.run_names import find_run

_EXIT = {"pass": 0, "regression": 1, "inconclusive": 3}


def run_compare(base: str, candidates: Sequence[str], rules: Rules, gate_file: Path | None, *, as_json: bool) -> int:
    """Compare each candidate with the base and hold it against the gate, if there is one; the exit code.

    With several candidates the code is 1 if any breaks the gate, else 3 if any is undecided.

    Raises:
        UserError: a run is not there, runs cannot be compared, or the gate file is wrong.
    """
    gate = read_gate(gate_file) if gate_file else None
    there = open_run(find_run(base))
    others = [open_run(find_run(name, like=there.run_dir)) for name in candidates]
    decisions = set()
    for comparison in [compare(there, other, rules) for other in others]:
        checked = []
        if gate_file and gate:
            checked = check_gate(gate_file, gate, there, comparison.candidate, rules)
            decisions.add(outcome(checked))
        if as_json:
            told = {"gate": gate_data(checked)} if checked else {}
            print(json.dumps(as_data(comparison) | told))  # noqa: T201
        else:
            out = Console()
            out.print(render(comparison))
            if checked:
                out.print(render_gate(checked))
    return next((_EXIT[word] for word in ("regression", "inconclusive") if word in decisions), 0)
