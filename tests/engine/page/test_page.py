"""The report page: what stands in it, and that nothing a model wrote becomes a part of it."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import re
import zlib
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from engine.page import browse
from engine.page.page import write_page
from runners.errors import UserError
from tests.engine.finished_runs import finished_run
from tests.engine.rows import sample_row

pytestmark = pytest.mark.slow  # each draws plots, which takes a second

TASKS = [f"t{number:02}" for number in range(12)]
HOSTILE = {
    "closes the script": "</script><script>alert(1)</script>",
    "is an image": "<img src=x onerror=alert(1)>",
    "closes a comment": "--><svg onload=alert(1)>",
    "line separators": "a\u2028b\u2029c",
    "control characters": "a\x00b\x1b[31m\x07",
    "template": "{{ 7 * 7 }}{% raw %}${1}",
    "one long line": "x" * 200_000,
}


class Parsed(HTMLParser):
    """The elements and attributes of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep an element."""
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Keep a text."""
        self.texts.append(data)


def page(folder: Path, *run_dirs: Path) -> str:
    """The text of the page of these runs."""
    write_page(run_dirs, folder / "page" / "index.html", command="codeassay report x")
    return (folder / "page" / "index.html").read_text(encoding="utf-8")


def data_of(text: str) -> dict[str, Any]:
    """What the problem browser is given."""
    packed = re.search(r'<script type="application/octet-stream" id="data">([A-Za-z0-9+/=]+)</script>', text)
    assert packed is not None
    found: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(packed[1])))
    return found


def run(folder: Path, name: str = "m--step-1", passed: int = 2, **options: Any) -> Path:
    """A run of twelve problems with four samples each."""
    return finished_run(folder / name, dict.fromkeys(TASKS, passed), 4, name=name, **options)


def test_the_page_asks_no_network_for_anything(tmp_path: Path) -> None:
    """No element names another resource: what it loads is within it, and its policy allows nothing else."""
    parsed = Parsed(page(tmp_path, run(tmp_path), run(tmp_path, "m--step-2", 3)))
    assert not [
        tag for tag, _ in parsed.elements if tag in ("link", "img", "iframe", "object", "embed", "base", "form[action]")
    ]
    named = [
        value
        for _, attributes in parsed.elements
        for key, value in attributes.items()
        if key in ("src", "href", "xlink:href")
    ]
    assert named
    assert all(value is not None and value.startswith("#") for value in named)
    policy = next(attributes["content"] for tag, attributes in parsed.elements if attributes.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy


def test_the_policy_allows_the_one_script_and_the_one_style(tmp_path: Path) -> None:
    """The hashes are those of the very texts between the tags; nothing has a style or an event attribute."""
    text = page(tmp_path, run(tmp_path))
    for tag in ("script", "style"):
        own = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        assert len(own) == 1
        digest = base64.b64encode(hashlib.sha256(own[0].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in text
    attributes = {name for _, found in Parsed(text).elements for name in found}
    assert not {name for name in attributes if name == "style" or name.startswith("on")}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_what_models_write_stays_text(tmp_path: Path, text: str) -> None:
    """The same elements as without it, and the browser gets it as it is, or cut where it is too long."""
    columns = dict.fromkeys(("completion", "program", "error", "stdout_tail", "stderr_tail"), text)
    row = sample_row(TASKS[0], "wrong_answer", sample_index=3, **columns)
    plain = Parsed(page(tmp_path / "plain", run(tmp_path / "plain")))
    hostile = page(tmp_path, run(tmp_path, faults=[row]))
    assert [tag for tag, _ in Parsed(hostile).elements] == [tag for tag, _ in plain.elements]
    told = data_of(hostile)
    shown = [each for each in told["problems"][0]["runs"][0]["samples"] if each["index"] == 3]
    assert told["texts"][shown[0]["program"]][: browse.MOST_CHARS] == text[: browse.MOST_CHARS]


def test_names_are_text_too(tmp_path: Path) -> None:
    """A checkpoint that is called like markup, or like a formula of matplotlib, is shown as it is called."""
    name = "<b>$x^2$&amp;</b>"
    text = page(tmp_path, finished_run(tmp_path / "run", dict.fromkeys(TASKS, 1), 4, name=name))
    parsed = Parsed(text)
    assert "b" not in {tag for tag, _ in parsed.elements}
    assert any(name in each for each in parsed.texts)


def test_every_problem_and_every_sample_is_told(tmp_path: Path) -> None:
    """Counts are of all samples; identical programs of a problem with one outcome are one with its number."""
    rows = [sample_row(TASKS[0], sample_index=index, program_sha256="same") for index in range(4)]
    told = data_of(page(tmp_path, run(tmp_path, faults=rows)))
    assert [problem["task"] for problem in told["problems"]] == TASKS
    first, second = (problem["runs"][0] for problem in told["problems"][:2])
    assert (first["statuses"], [(s["status"], s["count"]) for s in first["samples"]]) == (
        {"passed": 4},
        [("passed", 4)],
    )
    assert second["statuses"] == {"passed": 2, "wrong_answer": 2}
    assert [sample["status"] for sample in second["samples"]] == ["wrong_answer", "passed", "wrong_answer", "passed"]
    assert second["value"] == 0.5
    assert told["texts"][told["problems"][0]["prompt"]] == "def f():\n"


def test_larger_runs_are_sampled_and_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With room for few programs each problem keeps one of each outcome first; the page tells what it leaves out."""
    monkeypatch.setattr(browse, "MOST_SAMPLES", 24)
    text = page(tmp_path, run(tmp_path))
    assert "24 of 48 different programs" in text
    for problem in data_of(text)["problems"]:
        assert sorted(sample["status"] for sample in problem["runs"][0]["samples"]) == ["passed", "wrong_answer"]
        assert problem["runs"][0]["statuses"] == {"passed": 2, "wrong_answer": 2}


def test_a_page_keeps_below_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the packed data is too large fewer samples are taken, until it is not."""
    monkeypatch.setattr(browse, "MOST_BYTES", 20_000)
    noise = random.Random(0)  # programs that do not pack well
    faults = [
        sample_row(task, sample_index=index, program=noise.randbytes(2000).hex())
        for task in TASKS
        for index in range(4)
    ]
    text = page(tmp_path, run(tmp_path, faults=faults))
    packed = re.search(r'id="data">([^<]+)<', text)
    assert packed is not None
    assert 2000 < len(packed[1]) <= 20_000
    assert "different programs" in text


def test_checkpoints_are_ordered_by_step_and_compared_one_with_the_next(tmp_path: Path) -> None:
    """Whatever the order in which they were named."""
    dirs = [run(tmp_path, f"m--step-{step}", passed, step=step) for step, passed in ((3, 4), (1, 0), (2, 2))]
    text = page(tmp_path, *dirs)
    assert [each["step"] for each in data_of(text)["runs"]] == [1, 2, 3]
    assert re.findall(r"<h3>(m--step-\d) <span class=\"muted\">against (m--step-\d)</span>", text) == [
        ("m--step-2", "m--step-1"),
        ("m--step-3", "m--step-2"),
    ]
    assert "▲ better" in text


def test_runs_that_cannot_be_compared_are_told_and_shown(tmp_path: Path) -> None:
    """Why is a note; the scores of both are there."""
    text = page(tmp_path, run(tmp_path), run(tmp_path, "other", prompt="q"))
    assert "other is not compared with m--step-1" in text
    assert "benchmarks.humaneval.prompt: p there, q here" in text
    assert 'id="changes"' not in text


def test_withheld_numbers_are_not_given(tmp_path: Path) -> None:
    """The reason stands where the score would, and the trust box says it loud."""
    faults = [sample_row(task, "sandbox_error", sample_index=0) for task in TASKS]
    text = page(tmp_path, run(tmp_path, faults=faults))
    assert "withheld" in text
    assert '<dd class="bad">' in text
    assert "12 of 48 (25.0%)" in text


def test_runs_that_did_not_keep_their_prompts_have_a_page(tmp_path: Path) -> None:
    """Those of before: everything else is there."""
    run_dir = run(tmp_path)
    (run_dir / "problems.parquet").unlink()
    assert data_of(page(tmp_path, run_dir))["problems"][0]["prompt"] is None


def test_secrets_of_the_command_are_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token that stands in the command that made the run is replaced."""
    monkeypatch.setenv("SERVICE_TOKEN", "tell-nobody")
    run_dir = run(tmp_path)
    told = json.loads((run_dir / "run.json").read_text())
    (run_dir / "run.json").write_text(json.dumps(told | {"command": "codeassay run --set x=tell-nobody"}))
    text = page(tmp_path, run_dir)
    assert "tell-nobody" not in text
    assert "x=[redacted]" in text


def test_a_page_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """The message names the file and the cure."""
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"file/index.html: cannot be written .* Choose another --output"):
        write_page([run(tmp_path)], tmp_path / "file" / "index.html", command="")
