"""A Ray head of a test's own, in its own process group."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

RAY = str(Path(sys.executable).parent / "ray")
CPUS = 2
_PATIENT = {
    # A busy machine starts Ray slowly.
    "RAY_raylet_start_wait_time_s": "240",
    "RAY_agent_register_timeout_ms": "120000",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_TMPDIR": "/tmp",
}


def free_port() -> int:
    """A TCP port of this machine that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def head(
    folder: Path, ports: Mapping[str, int], flags: Sequence[str] = (), environment: Mapping[str, str] | None = None
) -> Iterator[dict[str, str]]:
    """A started head with two CPUs that asks for a token, ended afterwards.

    Args:
        folder: in which it is started; its token is there.
        ports: by the name of the flag of `ray start`.
        flags: more of them.
        environment: of its processes, beside this one's.

    Yields:
        The environment that it was started in, which has its token.
    """
    token = folder / "token"
    token.write_text("a" * 64)
    asks = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}
    inherited = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    whole = {**inherited, **_PATIENT, **asks, **(environment or {})}
    # Of agents without a port of their own Ray waits 15 s for one, which are few on a busy machine, then dies.
    agents = ("dashboard-agent-grpc-port", "runtime-env-agent-port", "metrics-export-port")
    whole_ports = {name: free_port() for name in (*agents, "dashboard-agent-listen-port")} | dict(ports)
    named = [f"--{name}={port}" for name, port in whole_ports.items()]
    command = [RAY, "start", "--head", f"--num-cpus={CPUS}", "--block", *named, *flags]
    process = subprocess.Popen(
        command,
        env=whole,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=folder,
        start_new_session=True,
    )
    with process:
        assert process.stdout is not None
        said = []
        try:
            for line in process.stdout:
                said.append(line)
                if "Ray runtime started" in line:
                    break
            else:
                raise AssertionError("".join(said))
            yield whole
        finally:
            process.terminate()
            process.communicate(timeout=120)
