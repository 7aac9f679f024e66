from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.problem import Problem, Prompt
from benchmarks.prompt_template import load_template
from benchmarks.starter import PACKAGED, Starter
from engine.prepare import Prepared, prepare
from engine.suite import load_config
from runners.errors import SandboxUnavailable, UserError
from tests.actors.fakes import FakeSandbox, tiny


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of its own, and no jail."""
    monkeypatch.setenv("CODEASSAY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("engine.prepare.open_sandbox", lambda isolation: FakeSandbox())


def _prepared(*settings: str, targets: tuple[str, ...] = ("starter",), **flags: Any) -> Prepared:
    return prepare(load_config(targets, flags, list(settings)))


def _samples(path: Path, counts: dict[str, int]) -> str:
    lines = [{"task_id": task, "completion": f"    {i}\n"} for task, count in counts.items() for i in range(count)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return f"replay:{path}"


@pytest.fixture
def tasks() -> list[str]:
    return [problem.task_id for problem in _prepared().benchmarks["starter"].problems()]


def test_a_reference_run_is_one_sample_of_each_problem() -> None:
    """Without flags: n = 1, k = 1, greedy, all problems, the level that the machine gave."""
    prepared = _prepared()
    assert (prepared.n, prepared.ks, prepared.form, prepared.isolation) == (1, (1,), "base", "fake")
    assert len(prepared.references) == 36
    assert prepared.sampling.temperature == 0


@pytest.mark.parametrize(("n", "ks"), [(1, (1,)), (9, (1,)), (10, (1, 10)), (200, (1, 10, 100))])
def test_headline_ks_follow_n(n: int, ks: tuple[int, ...]) -> None:
    """Of 1, 10 and 100 those that n allows."""
    assert _prepared(f"generation.n={n}").ks == ks


def test_asked_ks_are_sorted_and_checked() -> None:
    """A k above n names both and the cure; so does one below 1."""
    assert _prepared("generation.n=5", "report.k=[5, 1, 5]").ks == (1, 5)
    for k in (6, 0):
        with pytest.raises(UserError, match=rf"pass@{k} needs at least {k} samples per problem and n is 5. Raise --n"):
            _prepared("generation.n=5", f"report.k=[{k}]")


def test_two_benchmarks_cannot_share_a_label() -> None:
    """Metrics of both would have the same names."""
    with pytest.raises(UserError, match="two benchmarks have the label 'starter'; give one of them another `label`"):
        _prepared(targets=("starter", "starter"))


def test_a_misspelt_option_of_a_benchmark_in_a_suite_names_the_nearest(tmp_path: Path) -> None:
    """Suite, entry, benchmark, option and the nearest right one."""
    path = tmp_path / "mine.yaml"
    path.write_text("benchmarks: [{name: mbpp, subst: full}]")
    with pytest.raises(UserError, match=r"mine: benchmarks\.0: mbpp has no option 'subst'. Did you mean 'subset'\?"):
        _prepared(targets=(str(path),))


def test_a_replay_takes_as_many_samples_as_are_stored(tmp_path: Path, tasks: list[str]) -> None:
    """Without --n it is what the file holds; a smaller n takes the first of them."""
    model = _samples(tmp_path / "s.jsonl", dict.fromkeys(tasks, 3))
    assert _prepared(**{"model.spec": model}).n == 3
    assert _prepared("generation.n=2", **{"model.spec": model}).n == 2


def test_tasks_with_too_few_stored_samples_are_told_before_the_run(tmp_path: Path, tasks: list[str]) -> None:
    """They would be missing however often the run is resumed: the message gives both cures."""
    model = _samples(tmp_path / "s.jsonl", dict.fromkeys(tasks, 3) | {tasks[0]: 1})
    with pytest.raises(
        UserError, match=rf"1 of 36 tasks have fewer than n = 3 samples, the first is {tasks[0]}.*--n 1"
    ):
        _prepared(**{"model.spec": model})
    assert _prepared("model.allow_missing=true", **{"model.spec": model}).n == 3
    assert _prepared("generation.n=1", **{"model.spec": model}).n == 1


def test_one_benchmark_in_all_prompt_modes_is_one_suite() -> None:
    """Four labels with the same problems, asked in four ways; `reference` answers all."""
    prepared = _prepared(targets=("prompt_modes",))
    modes = ["starter", "starter:few_shot", "starter:zero_shot_cot", "starter:few_shot_cot"]
    assert list(prepared.benchmarks) == modes
    problem = prepared.benchmarks["starter"].problems()[0]
    asked = {benchmark.ask(problem, prepared.form).text for benchmark in prepared.benchmarks.values()}
    assert len(asked) == 4
    assert len(prepared.references) == 4 * 36


def test_one_task_in_two_benchmarks_has_two_references(tmp_path: Path) -> None:
    """`reference` answers each benchmark with its own solution."""
    row = json.loads(PACKAGED.read_text().splitlines()[0])
    data = tmp_path / "mine.jsonl"
    data.write_text(json.dumps({**row, "canonical_solution": "    return 1\n"}) + "\n")
    path = tmp_path / "mine.yaml"
    path.write_text(f"benchmarks: [{{name: starter}}, {{name: starter, label: mine, data: {data}}}]")
    references = _prepared(targets=(str(path),)).references
    assert references["mine", "starter/0", "nominal"][0].text == "    return 1\n"
    assert references["starter", "starter/0", "nominal"][0].text == row["canonical_solution"]


def test_problems_without_a_solution_are_missing_from_a_reference_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are answered, and a note tells how many are not; where none has a solution the run is refused."""
    first, second = tiny(2).problems()
    some = tiny(2).with_problems([first, replace(second, reference=None)])
    monkeypatch.setattr("engine.prepare.load_benchmarks", lambda config: {"starter": some})
    prepared = _prepared()
    assert [problem.unavailable for problem in prepared.benchmarks["starter"].problems()] == [
        "",
        "it has no reference solution",
    ]
    assert prepared.benchmarks["starter"].notes == ("1 of 2 problems have no reference solution and are missing",)
    monkeypatch.setattr("engine.prepare.load_benchmarks", lambda config: {"starter": tiny(2, reference=None)})
    with pytest.raises(UserError, match="starter: its problems have no reference solutions; choose another --model"):
        _prepared()


def test_stored_samples_are_replayed_in_every_mode(tmp_path: Path, tasks: list[str]) -> None:
    """A task that is asked four times counts once."""
    model = _samples(tmp_path / "s.jsonl", dict.fromkeys(tasks, 2) | {tasks[0]: 1})
    with pytest.raises(UserError, match="1 of 36 tasks have fewer than n = 2 samples"):
        _prepared(targets=("prompt_modes",), **{"model.spec": model})


PROMPT_FAULTS = {
    "no such mode": ("prompt=few_shots", r"starter: benchmarks\.0: There is no prompt mode 'few_shots'\. Did you mean"),
    "no examples to show": ("benchmarks.0.examples=2", r"benchmarks\.0: prompt zero_shot: examples=2: it has 0"),
    "a form without system": ("system=Be brief.", r"starter: prompt zero_shot: form `base` has no system message"),
    "no such file": ("prompt=/no/mode.yaml", r"benchmarks\.0: /no/mode\.yaml: No such file"),
}


@pytest.mark.parametrize(("setting", "message"), PROMPT_FAULTS.values(), ids=PROMPT_FAULTS)
def test_a_prompt_that_cannot_be_made_is_told_before_the_run(setting: str, message: str) -> None:
    """The entry, the mode and the cure."""
    with pytest.raises(UserError, match=message):
        _prepared(setting)


def test_a_system_message_is_a_part_of_the_identity() -> None:
    """It changes what a chat model is asked, though the mode's name stays."""
    chat = _identity("model.form=chat")
    assert _identity("model.form=chat", "system=Be brief.") != chat


def test_zero_shot_is_the_identity_of_a_run_without_modes() -> None:
    """Runs that were made before there were modes go on; another mode is told by name and content."""
    assert _identity("prompt=zero_shot") == _identity()
    assert "prompt" not in _identity()["benchmarks"]["starter"]
    told = _identity("prompt=few_shot")["benchmarks"]["starter:few_shot"]["prompt"]
    assert told == {"name": "few_shot", "sha256": load_template("few_shot").sha256}


def _identity(*settings: str) -> dict[str, Any]:
    return _prepared(*settings).identity


@pytest.mark.parametrize(
    "setting",
    [
        "limit=3",
        "generation.n=2",
        "execution.cpu_seconds=2",
        "execution.isolation=none",
        "benchmarks.0.difficulty=easy",
        "benchmarks.0.label=other",
        "model.form=chat",
        "model.dtype=float32",
        "model.chat_template=x",
        "model.extra_body={a: 1}",
        "prompt=few_shot",
        "suite=other",
    ],
)
def test_what_decides_the_numbers_is_in_the_identity(setting: str) -> None:
    """Another value is another run."""
    assert _identity(setting) != _identity()


@pytest.mark.parametrize(
    "setting",
    [
        "execution.workers=3",
        "execution.cpus=1",
        "execution.cache=false",
        "model.replicas=2",
        "model.batch_size=4",
        "model.concurrency=2",
        "tracking.enabled=false",
        "report.confidence=0.9",
        "model.step=5",
    ],
)
def test_what_decides_only_the_pace_is_not(setting: str) -> None:
    """The same run goes on with more workers, other batches or other reports."""
    assert _identity(setting) == _identity()


def test_identity_is_plain_data() -> None:
    """It can be stored and compared as JSON."""
    identity = _identity("model.extra_body={a: [1, 2]}")
    assert json.loads(json.dumps(identity)) == identity


def test_a_sandbox_is_opened_before_anything_is_generated(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without isolation is told at once."""

    def refuse(isolation: str) -> FakeSandbox:
        raise SandboxUnavailable("no isolation here")

    monkeypatch.setattr("engine.prepare.open_sandbox", refuse)
    with pytest.raises(SandboxUnavailable):
        _prepared()


@pytest.mark.parametrize(
    ("files", "form"),
    [
        ({}, "base"),
        ({"tokenizer_config.json": "{}"}, "base"),
        ({"tokenizer_config.json": '{"chat_template": "x"}'}, "chat"),
        ({"chat_template.jinja": "x"}, "chat"),
    ],
)
def test_the_form_of_prompts_follows_the_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], form: str
) -> None:
    """A checkpoint with a chat template is asked as a chat; `~` is the home directory."""
    monkeypatch.setenv("HOME", str(tmp_path))
    checkpoint = tmp_path / "step-10"
    checkpoint.mkdir()
    for name, text in {"config.json": "{}", "model.safetensors": "x", "tokenizer.json": "{}", **files}.items():
        (checkpoint / name).write_text(text)
    prepared = _prepared(**{"model.spec": "transformers:~/step-10"})
    assert (prepared.form, prepared.step) == (form, 10)


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_damaged_tokenizer_configuration_is_named(tmp_path: Path, text: str) -> None:
    """Not a stack trace but the file."""
    for name, content in {"config.json": "{}", "model.safetensors": "x", "tokenizer_config.json": text}.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=r"tokenizer_config\.json"):
        _prepared(**{"model.spec": f"transformers:{tmp_path}"})


def test_a_benchmark_is_asked_in_a_form_that_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """`auto` takes the benchmark's own form where it has not the model's; by name that is an error with the cure."""

    def prompt(self: Starter, problem: Problem, form: str) -> Prompt:
        return Prompt(task_id=problem.task_id, form=form, text=problem.prompt)  # type: ignore[arg-type]

    monkeypatch.setattr(Starter, "forms", ("fim",))
    monkeypatch.setattr(Starter, "prompt", prompt)
    prepared = _prepared()
    (benchmark,) = prepared.benchmarks.values()
    assert (prepared.form, benchmark.ask(benchmark.problems()[0], prepared.form).form) == ("base", "fim")
    with pytest.raises(UserError, match=r"model\.form=chat: starter has only prompts of form fim"):
        _prepared(**{"model.form": "chat"})
