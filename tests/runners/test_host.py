"""The look at the machine that follows each attack can fail."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.runners.host import Host
from tests.runners.processes import children, open_descriptors


def new_file(path: Path) -> None:
    """Leave a file."""
    path.write_text("x", encoding="utf-8")


def visit(family: int, address: object) -> None:
    """Connect and go away."""
    with socket.socket(family) as visitor:
        visitor.connect(address)  # type: ignore[arg-type]  # what an address is depends on the family


def kill_victim(host: Host) -> None:
    """End the process that attacks shall not reach."""
    host.victim.kill()
    host.victim.wait()


BREACHES: dict[str, Callable[[Host], object]] = {
    "survivor": lambda host: subprocess.run(["/bin/sh", "-c", "/bin/sleep 600 & exit"], check=True),
    "file in the bait": lambda host: new_file(host.folder / "new"),
    "file in /tmp": lambda host: new_file(Path("/tmp") / host.marker),
    "secret": lambda host: new_file(host.folder / "secret"),
    "mode of the bait": lambda host: (host.folder / "secret").chmod(0o600),
    "visitor over the network": lambda host: visit(socket.AF_INET, ("127.0.0.1", int(host.facts()["port"]))),
    "visitor by an abstract name": lambda host: visit(socket.AF_UNIX, f"\0{host.marker}-stream"),
    "visitor by path": lambda host: visit(socket.AF_UNIX, str(host.folder / "socket")),
    "descriptor": lambda host: os.dup(0),
    "victim": kill_victim,
}
"""What breaches would leave, done by ourselves."""


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """A machine with bait; what a breach of ours left is taken away."""
    with Host(tmp_path, Path(__file__).resolve().parents[2]) as host:
        processes, descriptors = children(), open_descriptors()
        yield host
        for pid in set(children()) - set(processes):
            os.kill(int(pid), signal.SIGKILL)
            os.waitpid(int(pid), 0)
        for fd in set(open_descriptors()) - set(descriptors):
            with contextlib.suppress(OSError):  # the one that listed them is closed already
                os.close(int(fd))
        (Path("/tmp") / host.marker).unlink(missing_ok=True)


def test_nothing_has_changed_without_a_breach(host: Host) -> None:
    """Two looks at an untouched machine are equal."""
    assert host.state() == host.state()


@pytest.mark.parametrize("breach", BREACHES.values(), ids=BREACHES)
def test_breach_is_noticed(host: Host, breach: Callable[[Host], object]) -> None:
    """A survivor, a file, a visitor, a descriptor or a dead victim is seen."""
    before = host.state()
    breach(host)
    assert host.state() != before
