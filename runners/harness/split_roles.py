"""The two children of `judge=split`: the program, and the judge who holds the tests and alone can report."""

import os
from typing import NoReturn

from runners.harness import split_candidate, split_judge
from runners.harness.python_inside import finish, receive, send

PROGRAM = 4
"""Number of the judge's descriptor that leads to the program."""


def program(connection: int) -> NoReturn:
    """Take a program from the judge, load it, answer calls until the judge is gone."""
    job = receive(connection)
    split_candidate.serve(job["source"], job["module_name"], connection)
    finish()


def judge(channel: int) -> NoReturn:
    """Take program and tests from the supervisor, hand the program over, run the tests, report."""
    converse(channel, PROGRAM)
    os._exit(0)


def converse(channel: int, program: int) -> None:
    """Take program and tests from the channel, hand the program over, run the tests, report."""
    job = receive(channel)
    send(program, {"source": job["source"], "module_name": job["module_name"]})
    split_judge.run(
        job["tests"],
        job["nonce"],
        program,
        lambda message: send(channel, message),
        job["helpers"],
        under_test=job["under_test"],
        module_name=job["module_name"],
    )
