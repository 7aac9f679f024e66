"""Who runs alone has the node, and whoever waits for that is not passed by."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from actors.alone import Alone, open_alone

MANY = 1_000_000


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "locks"


def is_free(path: Path, how: int) -> bool:
    """Whether a lock could be had now."""
    with path.open("a") as file:
        try:
            fcntl.flock(file, how | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def test_programs_run_beside_each_other(directory: Path) -> None:
    """Two hold the room at once, in one process; meanwhile nobody is alone, and after them somebody can be."""
    alone = Alone(directory)
    with alone.shared(), alone.shared():
        assert not is_free(directory / "room", fcntl.LOCK_EX)
    assert is_free(directory / "room", fcntl.LOCK_EX)


def test_who_is_alone_has_the_room_and_the_turnstile(directory: Path) -> None:
    """No program could begin meanwhile, and after it all is as before."""
    alone = Alone(directory)
    with alone.exclusive():
        for name in ("room", "turnstile"):
            assert not is_free(directory / name, fcntl.LOCK_SH)
    with alone.shared():
        assert (directory / "turnstile").stat().st_size == 0


def test_who_waits_to_be_alone_is_not_passed_by(directory: Path) -> None:
    """While a taker waits for a running program, newcomers find the turnstile closed; then it gets the room."""
    alone, entered = Alone(directory), threading.Event()

    def take() -> None:
        with alone.exclusive():
            entered.set()

    taker = threading.Thread(target=take)
    with alone.shared():
        taker.start()
        turnstile = directory / "turnstile"
        for _ in range(MANY):
            if turnstile.exists() and turnstile.stat().st_size:
                break
            os.sched_yield()
        assert not is_free(turnstile, fcntl.LOCK_SH)
        assert not entered.is_set()
    taker.join()
    assert entered.is_set()


def test_a_dead_taker_keeps_nobody_waiting(directory: Path) -> None:
    """A process that dies alone leaves its mark behind, and programs and the next taker come through."""
    code = "import os, sys; from pathlib import Path; from actors.alone import Alone\n"
    code += "with Alone(Path(sys.argv[1])).exclusive(): os._exit(7)"
    done = subprocess.run([sys.executable, "-c", code, str(directory)], check=False, cwd=Path(__file__).parents[2])
    assert done.returncode == 7
    assert (directory / "turnstile").stat().st_size == 1
    with Alone(directory).shared():
        assert not is_free(directory / "room", fcntl.LOCK_EX)
    with Alone(directory).exclusive():
        assert not is_free(directory / "room", fcntl.LOCK_SH)
    assert (directory / "turnstile").stat().st_size == 0


def test_a_directory_that_is_cleared_away_is_made_again(directory: Path) -> None:
    """The system may remove it at a logout."""
    alone = Alone(directory)
    with alone.shared():
        pass
    (directory / "room").unlink()
    directory.rmdir()
    with alone.shared():
        assert (directory / "room").exists()


def test_each_user_has_a_private_directory(tmp_path: Path) -> None:
    """It bears the user's number, and others have no right in it."""
    with open_alone([tmp_path]).shared():
        (found,) = tmp_path.iterdir()
    assert found.name == f"codeassay-{os.geteuid()}"
    assert found.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("kind", ["open to others", "link", "file"])
def test_a_directory_that_is_not_private_is_not_used(tmp_path: Path, kind: str) -> None:
    """What another user may have put there is left alone and the next place is taken; with none left nothing locks."""
    first, second = tmp_path / "first", tmp_path / "second"
    for root in (first, second):
        root.mkdir()
    taken = first / f"codeassay-{os.geteuid()}"
    if kind == "open to others":
        taken.mkdir()
        taken.chmod(0o777)
    elif kind == "link":
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        taken.symlink_to(tmp_path / "elsewhere")
    else:
        taken.touch()
    with open_alone([first, second]).shared():
        assert (second / taken.name / "room").exists()
    with open_alone([first]).shared(), open_alone([first]).exclusive():
        assert kind == "file" or list(taken.iterdir()) == []
