"""Level `restricted`: what holds a program where there are no namespaces, and what is said where nothing can."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from runners import isolation, restricted
from runners.errors import SandboxUnavailable
from runners.harness import landlock
from runners.harness.remove import remove_tree
from runners.harness.restricted_start import NOT_OURS
from runners.isolation import open_sandbox, probe_restricted
from runners.policy import ALLOW, ERRNO, parse_policy, tightened
from runners.program import MEBIBYTE, Limits, Program, Status, Verdict
from runners.restricted import RestrictedSandbox
from runners.toolchain import HARNESS
from tests.runners.conftest import Run, open_or_skip, runner_of
from tests.runners.processes import children, status_of, status_while, wait_until, with_marker

REPOSITORY = Path(__file__).resolve().parents[2]
GOOD, TESTS = "def f(x): return x + 1", ("assert f(1) == 2",)
SLEEPER = "import os, sys; os.execv(sys.executable, [sys.executable, '-S', '-c', 'import time; time.sleep(600)', {!r}])"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RestrictedSandbox]:
    """The level as it is opened by name."""
    opened = open_or_skip("restricted")
    assert isinstance(opened, RestrictedSandbox)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def run(sandbox: RestrictedSandbox) -> Run:
    """Runs a program in it."""
    return runner_of(sandbox)


def test_programs_keep_our_uid_where_others_cannot_reach_a_package(
    sandbox: RestrictedSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A uid of its own is of no use to a program that could not import what it is offered."""
    numpy = Path(find_spec("numpy").origin).parent  # type: ignore[union-attr,arg-type]
    monkeypatch.setattr(restricted, "_has_capabilities", lambda: True)
    monkeypatch.setattr(restricted, "_is_mapped", lambda first, count: True)
    for closed in (None, numpy):
        monkeypatch.setattr(restricted, "_is_open_to_all", lambda path, closed=closed: path != closed)
        opened = RestrictedSandbox(None)
        assert opened.own_uid == (closed is None)
        opened.close()


@pytest.fixture
def older(sandbox: RestrictedSandbox) -> Iterator[Callable[[int], Run]]:
    """Makes sandboxes that use Landlock as if this kernel were older."""
    with contextlib.ExitStack() as stack:

        def make(abi: int) -> Run:
            return runner_of(
                stack.enter_context(contextlib.closing(RestrictedSandbox(None, abi=min(abi, sandbox.abi))))
            )

        yield make


@pytest.fixture
def marker() -> str:
    """A text by which one test's processes are found."""
    return f"marker-{uuid.uuid4().hex}"


UNSEEN = {
    "folders of the machine": "import os\n"
    "for place in ('/', '/root', '/home', '/etc', '/tmp', '/dev', '/proc', '/sys'):\n"
    "    try: os.listdir(place)\n    except OSError: continue\n    seen.append(place)",
    "the checkout": f"open({str(REPOSITORY / 'pyproject.toml')!r})\nseen.append(1)",
    "the harness": f"open({str(HARNESS / 'codec.py')!r})\nseen.append(1)",
    "modules of ours": "import runners.program\nseen.append(1)",
    "links of its parent": "import os\nseen.append(os.readlink(f'/proc/{os.getppid()}/cwd'))",
    "descriptors of ours": "import os\nfor fd in range(4, 1024):\n    try: os.fstat(fd)\n    except OSError: continue\n"
    "    seen.append(fd)",
    "environment of ours": "import os\nseen += set(os.environ) - {'PATH', 'HOME', 'TMPDIR', 'LANG', 'PYTHONHASHSEED', "
    "'OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'LD_LIBRARY_PATH'}",
    "arguments of the keeper": "import sys\nseen += sys.argv[1:] + sys.orig_argv[1:]",
}


@pytest.mark.parametrize("body", UNSEEN.values(), ids=UNSEEN)
def test_machine_is_not_seen(run: Run, body: str) -> None:
    """The program reads the interpreter and its libraries, its own folder, and nothing else."""
    tried = body.replace("\n", "\n    ")
    verdict = run(f"seen = []\ntry:\n    {tried}\nexcept (OSError, ImportError): pass", ("assert not seen, seen",))
    assert verdict.passed, verdict


def test_program_has_a_folder_of_its_own(run: Run) -> None:
    """It starts in an empty folder that is its home and place of temporary files, and copies files there."""
    source = (
        "import os, shutil, tempfile\nstart = os.listdir('.'), os.getcwd()\nopen('a', 'w').write('x')\n"
        "os.mkdir('b')\nos.rename('a', 'b/a')\nshutil.copy('b/a', 'c')\nname = tempfile.NamedTemporaryFile().name"
    )
    verdict = run(source, ("assert start == ([], os.environ['HOME'])", "assert name.startswith(os.environ['HOME'])"))
    assert verdict.passed, verdict


def test_nothing_is_left(run: Run) -> None:
    """The folder goes with all that is in it: deep, closed, linked to other places."""
    before = set(Path(tempfile.gettempdir()).glob("codeassay-*"))
    odd = "import os\nos.symlink('/etc', 'link')\nos.mkdir('closed', 0)\n"
    assert run(odd + "for _ in range(2000): os.mkdir('d'); os.chdir('d')").passed
    assert set(Path(tempfile.gettempdir()).glob("codeassay-*")) <= before


def test_tree_of_any_kind_is_removed(tmp_path: Path) -> None:
    """Folders that are closed are opened, links are not followed."""
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").touch()
    (tmp_path / "gone" / "a" / "b").mkdir(parents=True)
    (tmp_path / "gone" / "a" / "b" / "file").touch()
    (tmp_path / "gone" / "a" / "link").symlink_to(tmp_path / "kept")
    (tmp_path / "gone" / "a" / "b").chmod(0)
    (tmp_path / "gone" / "a").chmod(0)
    remove_tree(str(tmp_path / "gone"))
    assert [str(path.relative_to(tmp_path)) for path in sorted(tmp_path.rglob("*"))] == ["kept", "kept/file"]


def test_program_holds_no_power(run: Run, marker: str) -> None:
    """No capability, no way to new ones, under seccomp, a session that is the keeper's and a group that is its own."""
    status = status_while(marker, lambda: run(SLEEPER.format(marker), wall_seconds=1))
    assert [int(status[name], 16) for name in ("CapPrm", "CapEff", "CapInh", "CapAmb")] == [0, 0, 0, 0]
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert status["NSpgid"] == status["NSpid"] != status["NSsid"]


SURVIVORS = {
    "children that sleep": "import os, time\nfor _ in range(5):\n    if os.fork() == 0: time.sleep(600)",
    "orphans that ignore signals": "import os, signal, time\nif os.fork() == 0:\n    for n in range(1, 65):\n"
    "        try: signal.signal(n, signal.SIG_IGN)\n        except (OSError, ValueError): pass\n"
    "    if os.fork() == 0: time.sleep(600)\n    os._exit(0)",
    "a child of the keeper's": "import ctypes, time\nif ctypes.CDLL(None).syscall(56, 0x8011, 0, 0, 0, 0) == 0:\n"
    "    time.sleep(600)",
    "stopped ones": "import os, signal\nif os.fork() == 0: os.kill(os.getpid(), signal.SIGSTOP)",
}


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="system call numbers are those of x86_64")
@pytest.mark.parametrize("source", SURVIVORS.values(), ids=SURVIVORS)
def test_no_process_is_left(run: Run, source: str) -> None:
    """The verdict is there only when no process of the program lives, and nothing waits to be reaped by us."""
    before = children(), set(_sleepers())
    assert run(source).passed
    assert (children(), set(_sleepers())) == before


def _sleepers() -> list[str]:
    """The processes that are started as a keeper is."""
    lines = [(path, path / "cmdline") for path in Path("/proc").glob("[0-9]*")]
    found = []
    for path, line in lines:
        with contextlib.suppress(OSError):
            if b"restricted_start" in line.read_bytes():
                found.append(path.name)
    return found


def test_keeper_that_is_killed_is_our_fault(run: Run, marker: str) -> None:
    """Where the keeper dies, nothing proves that its program is gone, so there is no verdict about the program."""
    verdicts: list[Verdict] = []
    thread = threading.Thread(target=lambda: verdicts.append(run(SLEEPER.format(marker), wall_seconds=20)))
    thread.start()
    assert wait_until(lambda: bool(with_marker(marker)))
    keeper = int(status_of(with_marker(marker)[0])["PPid"])
    assert str(keeper) in children()
    os.kill(keeper, signal.SIGKILL)
    thread.join()
    assert verdicts[0].status is Status.SANDBOX_ERROR, verdicts
    assert "keeper was killed" in verdicts[0].error
    assert wait_until(lambda: not with_marker(marker))


ORPHAN = """
import sys
from runners.program import Program
from runners.restricted import RestrictedSandbox
RestrictedSandbox(None).run(Program(source=sys.argv[1], tests=()))
"""


def test_program_ends_with_its_supervisor(sandbox: RestrictedSandbox, marker: str) -> None:
    """When our process is killed, the keeper ends the program at once and removes its folder."""
    child = subprocess.Popen([sys.executable, "-c", ORPHAN, SLEEPER.format(marker)], cwd=REPOSITORY)
    try:
        assert wait_until(lambda: bool(with_marker(marker)))
        program = with_marker(marker)[0]
        folder = (program / "cwd").readlink()
        keeper = Path("/proc", status_of(program)["PPid"])
    finally:
        child.kill()
        child.wait()
    assert wait_until(lambda: not with_marker(marker) and not keeper.exists())
    assert not folder.parent.exists()


def test_split_judge_is_apart(sandbox: RestrictedSandbox) -> None:
    """Under judge=split wrong answers fail, right ones pass, and an object that is equal to everything does not."""
    equal = "class E:\n    def __eq__(self, other): return True\ndef f(x): return E()"
    for source, status in ((GOOD, "passed"), ("def f(x): return x", "wrong_answer"), (equal, "wrong_answer")):
        verdict = sandbox.run(Program(source=source, tests=TESTS, judge="split"))
        assert (verdict.status, verdict.judge) == (status, "split"), verdict


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="system call numbers are those of x86_64")
def test_forbidden_call_of_a_split_program_is_told(sandbox: RestrictedSandbox) -> None:
    """The program's own end is looked at, not only that of the judge who reports."""
    source = "import ctypes\ndef f(x): return ctypes.CDLL(None).unshare(0x20000)"
    assert sandbox.run(Program(source=source, tests=TESTS, judge="split")).status is Status.FORBIDDEN


def test_all_processes_count_together_where_there_are_groups(sandbox: RestrictedSandbox, run: Run) -> None:
    """With control groups, four children of 60 MiB break a limit of 128 MiB."""
    if not sandbox.has_groups:
        pytest.skip("no control groups here")
    body = "import os, time\nfor _ in range(4):\n    if os.fork() == 0:\n        x = bytearray(b'x') * (60 << 20)\n"
    verdict = run(body + "        time.sleep(600)\nos.wait()", memory_bytes=128 * MEBIBYTE)
    assert verdict.status is Status.MEMORY_LIMIT, verdict


BELOW_ABI_3 = {
    "by path": "open('a', 'w')\nos.truncate('a', 0)",
    "by opening to read": "open('a', 'w')\nos.open('a', os.O_RDONLY | os.O_TRUNC)",
    "by opening for neither": "open('a', 'w')\nos.open('a', 3 | os.O_TRUNC)",
}


@pytest.mark.parametrize("body", BELOW_ABI_3.values(), ids=BELOW_ABI_3)
def test_what_an_older_landlock_cannot_hold_is_refused(run: Run, older: Callable[[int], Run], body: str) -> None:
    """Truncation that Landlock does not see before ABI 3 is refused there, and only there."""
    assert run(f"import os\n{body}").passed
    verdict = older(2)(f"import os\n{body}")
    assert (verdict.status, "[Errno 1]" in verdict.error) == (Status.RUNTIME_ERROR, True), verdict


def test_files_are_written_as_ever_under_an_older_landlock(older: Callable[[int], Run]) -> None:
    """What truncates by writing goes on."""
    source = (
        "for _ in range(2): open('a', 'w').write('xy')\nfile = open('a', 'r+')\nfile.truncate(1)\ntext = file.read()"
    )
    assert older(1)(source, ("assert text == 'x'",)).passed


SIGNALS = {
    "itself": ("os.kill(os.getpid(), 10)", True),
    "itself by raise": ("signal.raise_signal(10)", True),
    "its group": ("os.kill(0, 10)", True),
    "its parent": ("os.kill(os.getppid(), 0)", False),
    "the first process": ("os.kill(1, 0)", False),
    "everything": ("os.kill(-1, 0)", False),
}


@pytest.mark.parametrize("abi", [5, 99])
@pytest.mark.parametrize(("call", "allowed"), SIGNALS.values(), ids=SIGNALS)
def test_signals_stay_inside(older: Callable[[int], Run], abi: int, call: str, allowed: bool) -> None:
    """A program signals itself and its own, whether Landlock (from ABI 6) or the filter keeps them from others."""
    verdict = older(abi)(f"import os, signal\nsignal.signal(10, lambda *_: None)\n{call}")
    assert verdict.passed if allowed else "[Errno 1]" in verdict.error, verdict


def test_children_can_be_ended_where_landlock_keeps_signals(sandbox: RestrictedSandbox, run: Run) -> None:
    """From ABI 6 on a program may end its children."""
    if sandbox.abi < landlock.SCOPES:
        pytest.skip(f"Landlock ABI {sandbox.abi} has no scope for signals")
    source = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(60)'])\n"
        "child.terminate()\nended = child.wait()"
    )
    assert run(source, ("assert ended == -15",)).passed


def test_rules_of_others_come_first() -> None:
    """A policy that is tightened keeps its own rules only where no other rule has decided."""
    base = parse_policy("POLICY a { ALLOW { kill, read } } USE a DEFAULT ERRNO(2)", machine="x86_64")
    other = "POLICY b { ERRNO(1) { kill(pid) { pid == 1 }, write } } USE b DEFAULT ALLOW"
    policy = tightened(base, parse_policy(other, machine="x86_64"))
    assert [rule.action for rule in policy.decision(62)] == [ERRNO | 1, ALLOW]
    assert [rule.action for rule in policy.decision(0)] == [ALLOW]
    assert [rule.action for rule in policy.decision(1)] == [ERRNO | 1]
    assert policy.default == ERRNO | 2


def test_start_refuses_to_run_by_itself(tmp_path: Path) -> None:
    """What starts programs ends where it was not started by a supervisor in an empty folder of its own."""
    code = "from runners.harness.restricted_start import main; main()"
    settings = json.dumps({"supervisor": os.getpid() + 1, "directory": str(tmp_path)})
    command = [sys.executable, "-c", code, "0", settings]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        start_new_session=True,
    )
    assert done.returncode == NOT_OURS
    assert "not started by the supervisor" in done.stderr


def test_it_is_loud(sandbox: RestrictedSandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """Opening it by name says on standard error what it does not give."""
    open_sandbox("restricted").close()
    said = capsys.readouterr().err
    for text in ("WEAKER", "no namespaces", "network", "disk is not bounded", f"Landlock ABI {sandbox.abi}"):
        assert text in said


def test_doctor_can_ask_for_it(sandbox: RestrictedSandbox) -> None:
    """The probe tells the version of Landlock and what programs run as, without a warning."""
    found = probe_restricted()
    assert found.available
    assert f"Landlock ABI {sandbox.abi}" in found.detail


@pytest.mark.parametrize(
    ("number", "cure"),
    [(errno.ENOSYS, "Linux 5.13"), (errno.EOPNOTSUPP, "lsm="), (errno.EPERM, "Docker's allows it since 20.10.18")],
    ids=["not built", "disabled", "refused by a container"],
)
def test_machine_without_landlock_is_told_why(monkeypatch: pytest.MonkeyPatch, number: int, cure: str) -> None:
    """Each way of not having Landlock is named with what to change; nothing weaker is opened."""

    def refuse(*_: Any) -> int:
        ctypes.set_errno(number)
        return -1

    monkeypatch.setattr(landlock._libc, "syscall", refuse)
    with pytest.raises(SandboxUnavailable, match="restricted is not available") as error:
        open_sandbox("restricted")
    assert cure in str(error.value)
    assert not probe_restricted().available


def test_processor_without_a_table_is_told(sandbox: RestrictedSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without numbers of system calls there is no filter, so there is no sandbox."""
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(SandboxUnavailable, match="riscv64"):
        RestrictedSandbox(None)


HOLES = {
    "files": ("_settings", lambda settings: settings | {"readable": [*settings["readable"], "/"]}, "can be read"),
    "system calls": ("_settings", lambda settings: settings | {"policy": "060000000000ff7f"}, "seccomp filter"),
}


@pytest.mark.parametrize(("name", "change", "why"), HOLES.values(), ids=HOLES)
def test_wall_with_a_hole_is_not_used(
    sandbox: RestrictedSandbox,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    change: Callable[[Any], Any],
    why: str,
) -> None:
    """What should be closed is tried before the first word of a program arrives; nothing runs where it is open."""
    honest = getattr(RestrictedSandbox, name)
    monkeypatch.setattr(RestrictedSandbox, name, lambda *args: change(honest(*args)))
    with pytest.raises(SandboxUnavailable, match=why):
        open_sandbox("restricted")


def test_canary_that_sees_the_host_closes_the_level(
    sandbox: RestrictedSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The canaries look again from the program's side."""
    looks = Program(source="import os\nseen = os.listdir('.') == []", tests=("assert not seen",), limits=Limits())
    monkeypatch.setattr(isolation, "_LOOKS_AROUND", looks)
    with pytest.raises(SandboxUnavailable, match="a canary saw the host"):
        open_sandbox("restricted")
