"""Fixtures of the tests that run the installed command."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from runners.environments import environments_folder
from runners.tools import cache_folder
from tests.integration.cluster import free_port, head


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment in which a command joins a cluster of 2 CPUs that is there already.

    A local cluster takes longer to start and stop than most of these runs; tests that kill runs start one all the same.
    Its workers know this machine's toolchains and environments.
    """
    port = free_port()
    built = {"CODEASSAY_TOOLCHAINS": str(cache_folder()), "CODEASSAY_ENVIRONMENTS": str(environments_folder())}
    flags = ("--node-ip-address=127.0.0.1", "--include-dashboard=false")
    with head(tmp_path_factory.mktemp("head"), {"port": port}, flags, built) as environment:
        asks = {name: environment[name] for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN_PATH")}
        yield built | asks | {"RAY_ADDRESS": f"127.0.0.1:{port}"}
