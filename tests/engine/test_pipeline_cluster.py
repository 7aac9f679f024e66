"""Joining and starting Ray, with Ray's own start made up."""

from __future__ import annotations

from typing import Any

import pytest
import ray

from engine import pipeline_cluster
from runners.errors import UserError

TIMED_OUT = Exception("The current node timed out during startup. This could happen because ...")


class Starts:
    """A Ray whose first starts end with these errors."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *errors: Exception) -> None:
        self.errors, self.asked = list(errors), list[dict[str, Any]]()
        monkeypatch.delenv("RAY_ADDRESS", raising=False)
        monkeypatch.setattr(ray, "is_initialized", lambda: False)
        monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 2.0})
        monkeypatch.setattr(ray, "init", self.init)
        for name in pipeline_cluster._RAY_ENVIRONMENT:
            monkeypatch.setenv(name, "0")

    def init(self, **options: Any) -> None:
        """Stands for `ray.init`."""
        self.asked.append(options)
        if self.errors:
            raise self.errors.pop(0)


def test_a_start_that_ray_gives_up_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its agents have 15 seconds, which are few on a busy machine; another start often succeeds."""
    starts = Starts(monkeypatch, TIMED_OUT, TIMED_OUT)
    assert pipeline_cluster.connect(2) == {"CPU": 2.0}
    assert [options["num_cpus"] for options in starts.asked] == [2, 2, 2]


def test_a_machine_that_never_starts_ray_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line with the number of attempts and the cure, no stack trace."""
    starts = Starts(monkeypatch, *[TIMED_OUT] * 9)
    with pytest.raises(UserError, match=r"did not start in 4 attempts: .* Run again when this machine is less busy"):
        pipeline_cluster.connect()
    assert len(starts.asked) == pipeline_cluster.STARTS


def test_another_fault_of_a_start_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a defect, and seen as one."""
    starts = Starts(monkeypatch, ValueError("no such option"))
    with pytest.raises(ValueError, match="no such option"):
        pipeline_cluster.connect()
    assert len(starts.asked) == 1


def test_a_cluster_that_does_not_answer_is_told_with_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """And with what Ray may want beside it: a token."""
    starts = Starts(monkeypatch, ConnectionError("nobody"))
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    with pytest.raises(UserError, match=r"RAY_ADDRESS=10\.0\.0\.1:6379: no Ray cluster .* RAY_AUTH_TOKEN_PATH"):
        pipeline_cluster.connect()
    assert "num_cpus" not in starts.asked[0]
