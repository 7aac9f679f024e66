from __future__ import annotations

import sys

import pytest

from engine.ray_words import DEATH_NOTE, ray_words


def test_standard_output_is_free_of_ray(capsys: pytest.CaptureFixture[str]) -> None:
    """A dead worker is one note; what else Ray prints goes to standard error; afterwards all is as before."""
    notes: list[str] = []
    with ray_words(notes.append):
        sys.stdout.write("(raylet) A worker died or was killed while executing a task by an unexpected system error.")
        sys.stdout.write("(autoscaler) no node has 4 GPUs\n")
    sys.stdout.write("the result\n")
    said = capsys.readouterr()
    assert said.out == "the result\n"
    assert "no node has 4 GPUs" in said.err
    assert notes == [DEATH_NOTE]
    assert "worker died" not in said.err
