"""Which level a machine gives, and that no weaker one is taken silently."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runners import isolation, nsjail, warm
from runners.cgroup import find_parents
from runners.errors import SandboxUnavailable, UserError
from runners.isolation import open_sandbox, probe
from runners.nsjail import NsjailSandbox
from runners.plain import PlainSandbox
from runners.program import Program, Status
from tests.runners.conftest import JAILS, open_or_skip

REPOSITORY = Path(__file__).resolve().parents[2]


def can_unshare() -> bool:
    """Whether this machine gives namespaces, asked without any code of ours."""
    command = ["unshare", "--user", "--map-root-user", "--mount", "--net", "--pid", "--fork", "/bin/true"]
    try:
        return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not can_unshare(), reason="this machine gives no namespaces (unshare --user fails or is missing)")
def test_machine_with_namespaces_has_a_jail() -> None:
    """Where namespaces can be made a jail works, and where groups can be made it is the full one: no quiet skipping."""
    found = probe()
    with_groups = os.geteuid() == 0 and find_parents()[0] is not None
    assert (found.level, found.failures) == ("full" if with_groups else "rootless", ())
    with contextlib.closing(open_sandbox("rootless")) as sandbox:
        assert sandbox.isolation == "rootless"


def test_probe_tells_the_level_that_opens() -> None:
    """`auto` opens the level that the probe found, which is at least rootless."""
    found = probe()
    if found.level is None:
        pytest.skip(f"no jail on this machine: {found.failures}")
    assert found.level in JAILS
    with contextlib.closing(open_sandbox()) as sandbox:
        assert sandbox.isolation == found.level
    assert len(found.failures) <= 1


def broken_nsjail(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every jail fail to start."""
    for module in (nsjail, warm):
        monkeypatch.setattr(module, "bundled_nsjail", lambda: Path("/bin/false"))


def test_jail_that_does_not_start_is_our_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program whose jail never started has not failed."""
    broken_nsjail(monkeypatch)
    verdict = NsjailSandbox(None).run(Program(source="", tests=("pass",)))
    assert verdict.status is Status.SANDBOX_ERROR
    assert "did not start" in verdict.error


def test_jail_that_is_missing_is_our_fault() -> None:
    """A program whose jail is not installed has not failed."""
    sandbox = NsjailSandbox(None)
    sandbox._nsjail = "/no-such-file"
    verdict = sandbox.run(Program(source="", tests=("pass",)))
    assert verdict.status is Status.SANDBOX_ERROR
    assert "no-such-file" in verdict.error or "did not start" in verdict.error


@pytest.mark.parametrize("level", ["auto", "full", "rootless"])
def test_nothing_weaker_is_taken_silently(monkeypatch: pytest.MonkeyPatch, level: str) -> None:
    """Where no jail works, opening one says why and what to change, and opens nothing."""
    broken_nsjail(monkeypatch)
    with pytest.raises(SandboxUnavailable, match=r"not start") as error:
        open_sandbox(level)
    for cure in ("max_user_namespaces", "hostUsers: false", "--isolation restricted", "--isolation none"):
        assert cure in str(error.value)


def test_full_is_not_replaced_by_rootless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for `full`, a machine without control groups refuses and says what it found."""
    monkeypatch.setattr(isolation, "find_parents", lambda: (None, "no groups here"))
    open_or_skip("rootless").close()
    with pytest.raises(SandboxUnavailable, match=r"no groups here|need root") as error:
        open_sandbox("full")
    assert "--isolation rootless" in str(error.value)


def test_auto_without_groups_is_rootless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without control groups `auto` is rootless and says so in its name."""
    open_or_skip("rootless")
    monkeypatch.setattr(isolation, "find_parents", lambda: (None, "no groups here"))
    assert open_sandbox().isolation == "rootless"


def test_no_isolation_is_loud(capsys: pytest.CaptureFixture[str]) -> None:
    """A plain process is given only by name, and with a warning on standard error."""
    sandbox = open_sandbox("none")
    assert isinstance(sandbox, PlainSandbox)
    assert "UNPROTECTED" in capsys.readouterr().err


def test_unknown_level_names_the_known() -> None:
    """An unknown level is the user's error, answered with those that exist."""
    with pytest.raises(UserError, match="full, rootless, restricted, none"):
        open_sandbox("docker")


AS_NOBODY = """
from runners.isolation import open_sandbox, probe
from runners.program import Limits, Program
sandbox = open_sandbox()
sources = ("def f(): return 1", "import time; time.sleep(600)", "import os; os.setuid(0)")
verdicts = [sandbox.run(Program(source=s, tests=("f()",), limits=Limits(wall_seconds=1))) for s in sources]
print(sandbox.isolation, *(verdict.status for verdict in verdicts))
"""


@pytest.fixture
def public_copy() -> Iterator[Path]:
    """A copy of runners and nsjail that every user can read."""
    folder = Path(tempfile.mkdtemp(prefix="codeassay-test-"))
    shutil.copytree(REPOSITORY / "runners", folder / "runners", ignore=shutil.ignore_patterns("__pycache__"))
    for package in Path(NsjailSandbox(None)._nsjail).parents[2].glob("*nsjail*"):
        shutil.copytree(package, folder / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(["chmod", "-R", "a+rX", str(folder)], check=True)
    yield folder
    shutil.rmtree(folder)


def public_python() -> str:
    """An interpreter of at least 3.11 that any user may start."""
    for python in (os.path.realpath(sys.executable), "/usr/bin/python3"):
        command = [python, "-S", "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
        try:
            if subprocess.run(command, user=65534, group=65534, cwd="/", stderr=subprocess.DEVNULL).returncode == 0:
                return python
        except OSError:  # lies in a directory that is closed to others
            continue
    pytest.skip("no interpreter of at least 3.11 here is open to other users")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user; as a user the other tests show it")
def test_any_user_gets_rootless(public_copy: Path) -> None:
    """A user without any right on the machine gets `rootless`, and it holds."""
    open_or_skip("rootless")
    done = subprocess.run(
        [public_python(), "-B", "-c", AS_NOBODY],
        user=65534,
        group=65534,
        extra_groups=[],
        cwd=public_copy,
        env={"PYTHONPATH": str(public_copy), "HOME": str(public_copy), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.split() == ["rootless", "passed", "timeout", "runtime_error"], done.stderr


IN_A_COPY = """
import json, os
from runners.errors import SandboxUnavailable
from runners.isolation import open_sandbox
from runners.program import Limits, Program
try:
    open_sandbox("rootless").close()
    rootless = "available"
except SandboxUnavailable as error:
    rootless = str(error)
sandbox = open_sandbox("restricted")
reach = "import os\\ntry: open('/etc/passwd')\\nexcept OSError: pass\\nelse: 1 / 0\\n"
reach += "def f(x): return x + (os.getuid() != 0)"
sources = ("def f(x): return x + 1", reach, "import os; os.kill(os.getppid(), 9)", "import time; time.sleep(600)",
           "import threading\\nfor _ in range(9): threading.Thread(target=print).start()\\ndef f(x): return x + 1",
           "import os, time\\nn = 0\\nwhile n < 5000:\\n    if os.fork() == 0: time.sleep(600)\\n    n += 1\\n"
           "def f(x): return x + 1")
limits = Limits(wall_seconds=2)
verdicts = [sandbox.run(Program(source=s, tests=("assert f(1) == 2",), judge=j, limits=limits))
            for j in ("inside", "split") for s in sources]
folders = os.listdir(os.environ["TMPDIR"])
print(json.dumps([rootless, sandbox.own_uid, [v.status for v in verdicts], [v.error for v in verdicts], folders]))
"""
EXPECTED = ["passed", "passed", "runtime_error", "timeout", "passed", "runtime_error"]


def results(command: list[str], copy: Path, **options: Any) -> list[Any]:
    """What the program of a copy prints."""
    (copy / "tmp").mkdir()
    (copy / "tmp").chmod(0o1777)
    environment = {"PYTHONPATH": str(copy), "HOME": str(copy), "TMPDIR": str(copy / "tmp"), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        command, cwd=copy, env=environment, capture_output=True, text=True, timeout=120, check=False, **options
    )
    assert done.stdout, done.stderr
    told: list[Any] = json.loads(done.stdout.splitlines()[-1])
    return told


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give programs another uid")
@pytest.mark.parametrize("user", [0, 65534], ids=["root", "nobody"])
def test_root_gives_each_program_a_uid_of_its_own(public_copy: Path, user: int) -> None:
    """With an interpreter that all may use, root's programs are users that nobody else is; a user's are that user."""
    options = {"user": user, "group": user, "extra_groups": []}
    open_or_skip("restricted")
    told = results([public_python(), "-B", "-c", IN_A_COPY], public_copy, **options)
    assert (told[1], told[2], told[4]) == (user == 0, EXPECTED * 2, []), told


@pytest.mark.slow
@pytest.mark.skipif(not can_unshare(), reason="this machine gives no namespaces to build a container-like place in")
def test_works_where_no_namespaces_are_given(public_copy: Path) -> None:
    """Where neither namespaces nor capabilities are given `rootless` is refused with the cure, `restricted` works."""
    open_or_skip("restricted")
    enter = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc", "--kill-child"]
    prepare = (
        "test $$ -eq 1 && echo 0 > /proc/sys/user/max_user_namespaces && "
        'exec setpriv --no-new-privs --bounding-set=-all --inh-caps=-all -- "$@"'
    )
    drop = ["sh", "-c", prepare, "sh", "sh", "-c", 'exec "$@"', "sh", public_python(), "-B", "-c", IN_A_COPY]
    user = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
    told = results([*enter, *drop], public_copy, **user)
    assert "user.max_user_namespaces is 0 or used up" in told[0]
    assert "--isolation restricted" in told[0]
    statuses = [EXPECTED[0], "wrong_answer", *EXPECTED[2:]]  # root's number, without its power
    assert (told[1], told[2], told[4]) == (False, statuses * 2, []), told
