"""The two children of `judge=split`: the program, and the judge who holds the tests and alone can report."""

import os
import socket
from typing import NoReturn

from runners.harness import split_candidate, split_judge
from runners.harness.python_inside import finish, receive, send

PROGRAM = 4
"""Number of the judge's descriptor that leads to the program."""


def program(connection: socket.socket) -> NoReturn:
    """Take a program from the judge, load it, answer calls until the judge is gone."""
    job = receive(connection)
    split_candidate.serve(job["source"], job["module_name"], connection.fileno())
    finish()


def judge(channel: socket.socket) -> NoReturn:
    """Take program and tests from the supervisor, hand the program over, run the tests, report."""
    send(channel, {"ready": True})
    job = receive(channel)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, PROGRAM) as connection:
        send(connection, {"source": job["source"], "module_name": job["module_name"]})
        split_judge.run(
            job["tests"],
            job["nonce"],
            connection.fileno(),
            lambda message: send(channel, message),
            job["helpers"],
            under_test=job["under_test"],
            module_name=job["module_name"],
        )
    os._exit(0)
