"""Prompt modes: what a template adds to a benchmark's own prompt, in each form, and what it refuses."""

from __future__ import annotations

import pickle
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.base import BaseBenchmark, CommonOptions
from benchmarks.data import Provenance
from benchmarks.extraction import chat_program, parse, truncate
from benchmarks.problem import Completion, Problem, PromptForm
from benchmarks.prompt_template import BUILT_IN, PLAIN, Example, PromptTemplate, built_in_templates, load_template
from benchmarks.registry import AnyBenchmark, load_benchmark
from runners.errors import DataError, UserError
from runners.program import Program, Status
from runners.sandbox import Sandbox
from tests.benchmarks.conftest import FILES, Loader

MODES = ("zero_shot", "few_shot", "zero_shot_cot", "few_shot_cot")
EXAMPLES = load_template("few_shot_cot").examples
CUE = "    # Let's think step by step, in comments, and then write the code.\n"
PROVENANCE = Provenance(origin="made up", paths=(), sha256="0" * 64, rows=1)


@pytest.fixture
def starter(tmp_path: Path) -> AnyBenchmark:
    """The problems of the package."""
    return load_benchmark("starter", {}, tmp_path)


@pytest.fixture(scope="module", params=[*FILES, "starter"])
def any_benchmark(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AnyBenchmark:
    """Each benchmark in turn."""
    if request.param == "starter":
        return load_benchmark("starter", {}, tmp_path_factory.mktemp("cache"))
    real: Loader = request.getfixturevalue("real")
    return real(request.param)


def test_the_four_modes_come_with_the_package() -> None:
    """They are files, each of its own name; only zero_shot adds nothing, and no two ask alike."""
    assert set(built_in_templates()) == set(MODES)
    templates = [load_template(mode) for mode in MODES]
    assert [template.name for template in templates] == list(MODES)
    assert [template.is_plain for template in templates] == [True, False, False, False]
    assert len({template.sha256 for template in templates}) == 4


def test_zero_shot_is_the_benchmarks_own_prompt(any_benchmark: AnyBenchmark) -> None:
    """Byte for byte, in every form and for every problem, so that no stored sample loses its identity."""
    asked = any_benchmark.asked_with(load_template("zero_shot"))
    for problem in asked.problems():
        for form in any_benchmark.forms:
            assert asked.ask(problem, form) == any_benchmark.prompt(problem, form)
            assert any_benchmark.ask(problem, form).sha256() == any_benchmark.prompt(problem, form).sha256()


def test_no_example_is_a_problem_of_any_benchmark(any_benchmark: AnyBenchmark) -> None:
    """All four examples are accepted beside all problems."""
    assert len(any_benchmark.asked_with(load_template("few_shot").changed(examples=4)).shots()) == 4


def test_few_shot_shows_solved_examples_before_the_problem(starter: AnyBenchmark) -> None:
    """In form base: three whole functions that end in two empty lines, then the very prompt."""
    problem = starter.problems()[0]
    text = starter.asked_with(load_template("few_shot")).ask(problem, "base").text
    assert text == "".join(e.prompt + e.body + "\n\n" for e in EXAMPLES[:3]) + problem.prompt


def test_zero_shot_cot_begins_the_reasoning_as_a_comment(starter: AnyBenchmark) -> None:
    """In form base: one comment line at the body's indent; prompt + completion is still the whole program."""
    problem = starter.problems()[0]
    asked = starter.asked_with(load_template("zero_shot_cot"))
    prompt = asked.ask(problem, "base")
    assert (prompt.text, prompt.stop) == (problem.prompt + CUE, starter.stop)
    completion = Completion(text='    # Capitals, then the mark.\n    return text.upper() + "!"\n')
    (program,) = asked.programs(problem, completion)
    assert program.source.rstrip("\n") == problem.prompt + completion.text.rstrip("\n")
    assert parse(prompt.text + completion.text) is not None


def test_few_shot_cot_examples_reason_before_they_answer(starter: AnyBenchmark) -> None:
    """In form base: each body begins with the cue and its reasoning as comments, and the problem ends with the cue."""
    problem = starter.problems()[0]
    text = starter.asked_with(load_template("few_shot_cot")).ask(problem, "base").text
    first = EXAMPLES[0]
    reasoning = "".join(f"    # {line}\n" for line in first.reasoning.splitlines())
    assert text.startswith(first.prompt + CUE + reasoning + first.body + "\n\n")
    assert text.endswith("\n\n" + problem.prompt + CUE)
    assert text.count(CUE) == 4


@pytest.mark.parametrize("mode", MODES)
def test_every_base_prompt_can_still_become_a_program(any_benchmark: AnyBenchmark, mode: str) -> None:
    """What is asked, together with the reference, is Python: nothing that is added breaks a line or an indent."""
    asked = any_benchmark.asked_with(load_template(mode))
    for problem in asked.problems():
        assert parse(asked.ask(problem, "base").text + (problem.reference or "")) is not None, problem.task_id


def test_stop_sequences_end_a_completion_after_one_answer(any_benchmark: AnyBenchmark) -> None:
    """No example would be cut before its end, and each is cut where the next one would begin."""
    asked = any_benchmark.asked_with(load_template("few_shot_cot").changed(examples=4))
    prompt = asked.ask(asked.problems()[0], "base")
    shots = asked.shots()
    for shot, following in pairwise(shots):
        begin = prompt.text.index(shot.prompt) + len(shot.prompt)
        end = prompt.text.index(following.prompt)
        answer = prompt.text[begin:end]
        assert shot.answer.rstrip() in answer
        assert truncate(answer.rstrip(), prompt.stop) == answer.rstrip()
        assert truncate(prompt.text[begin:], prompt.stop).rstrip() == answer.rstrip()


def test_an_example_has_the_form_of_the_benchmarks_own_prompts(any_benchmark: AnyBenchmark) -> None:
    """Functions where problems are functions, docstrings of a sentence and a test where they are that."""
    problem = any_benchmark.problems()[0]
    for shot in any_benchmark.asked_with(load_template("few_shot")).shots():
        assert shot.prompt.startswith('"""\n') == problem.prompt.startswith('"""\n')
        assert shot.instruction.split()[:5] == problem.instruction.split()[:5]
        assert parse(shot.prompt + shot.answer) is not None


def _content(asked: AnyBenchmark) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in asked.ask(asked.problems()[0], "chat").messages]


def test_chat_shots_are_turns(starter: AnyBenchmark) -> None:
    """Each example is a request and an answer in a code block; the problem is the last request, as it always was."""
    turns = _content(starter.asked_with(load_template("few_shot")))
    assert [role for role, _ in turns] == ["user", "assistant"] * 3 + ["user"]
    assert EXAMPLES[0].prompt in turns[0][1]
    assert turns[1][1] == f"```python\n{EXAMPLES[0].code}```"
    assert turns[-1][1] == starter.problems()[0].instruction


def test_chat_reasoning_stands_before_the_code(starter: AnyBenchmark) -> None:
    """Every request ends with the cue; answers are the reasoning and then the block."""
    template = load_template("few_shot_cot")
    turns = _content(starter.asked_with(template))
    assert all(content.endswith(f"\n\n{template.chat_cue}\n") for role, content in turns if role == "user")
    assert turns[1][1] == f"{EXAMPLES[0].reasoning.strip()}\n\n```python\n{EXAMPLES[0].code}```"
    assert _content(starter.asked_with(load_template("zero_shot_cot"))) == [turns[-1]]


def test_the_system_message_comes_first(starter: AnyBenchmark) -> None:
    """With any mode; an empty text takes it away again."""
    for mode in MODES:
        template = load_template(mode).changed(system="Be brief.")
        assert _content(starter.asked_with(template))[0] == ("system", "Be brief.")
        assert template.changed(system="") == load_template(mode)


@pytest.mark.parametrize(
    ("changes", "form", "message"),
    [
        ({"system": "Be brief."}, "base", "form `base` has no system message"),
        ({"base_cue": "Think."}, "fim", "form `fim` has no place"),
    ],
)
def test_what_a_form_has_no_place_for_is_refused(
    starter: AnyBenchmark, changes: dict[str, str], form: PromptForm, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing that was asked for is left out silently."""
    monkeypatch.setattr(type(starter), "forms", (form,))
    asked = starter.asked_with(PromptTemplate(name="mine", **changes))  # type: ignore[arg-type]
    with pytest.raises(UserError, match=message):
        asked.ask(asked.problems()[0], form)


class Plain(BaseBenchmark[CommonOptions]):
    """A benchmark that has no format for examples."""

    name = "plain"


def _plain(prompt: str, **fields: Any) -> Plain:
    return Plain([Problem(task_id="p/0", prompt=prompt, instruction="Do it.", tests=("pass",), **fields)], PROVENANCE)


def test_a_prompt_that_breaks_off_within_a_line_takes_no_comment() -> None:
    """The completion goes on in that line, so a cue after it would break the program."""
    asked = _plain("def f():\n    return ").asked_with(load_template("zero_shot_cot"))
    with pytest.raises(UserError, match="p/0 breaks off within a line"):
        asked.ask(asked.problems()[0], "base")


@pytest.mark.parametrize(
    ("prompt", "indent"), [("def f():\n", 4), ("class A:\n    def f(self):\n", 8), ("import os\n\n", 0)]
)
def test_the_cue_is_indented_as_what_follows(prompt: str, indent: int) -> None:
    """After a colon it stands deeper, else where the last line stands."""
    asked = _plain(prompt).asked_with(PromptTemplate(name="mine", base_cue="One.\nTwo."))
    text = asked.ask(asked.problems()[0], "base").text
    assert text == prompt + " " * indent + "# One.\n" + " " * indent + "# Two.\n"


def test_a_benchmark_without_a_format_for_examples_says_so() -> None:
    """It can still be asked for reasoning."""
    with pytest.raises(UserError, match="plain: it shows no examples; take the prompt mode zero_shot"):
        _plain("def f():\n").asked_with(load_template("few_shot"))


def test_the_papers_examples_and_a_modes_do_not_mix(real: Loader) -> None:
    """The option shots=3 still takes a cue, but no other examples."""
    mbpp = real("mbpp", shots=3)
    with pytest.raises(UserError, match="shots=3 brings the paper's examples"):
        mbpp.asked_with(load_template("few_shot"))
    text = mbpp.asked_with(load_template("zero_shot_cot")).ask(mbpp.problems()[0], "base").text
    assert text.endswith(f"[BEGIN]\n{CUE.strip()}\n")


@pytest.mark.parametrize(
    ("prompt", "entry_point", "reason"),
    [
        ("def seat_label(x):\n", "seat_label", "the same entry point"),
        (f'def other(x):\n    """{EXAMPLES[1].text.upper()}"""\n', "other", "the same text"),
        (EXAMPLES[1].prompt.replace("seat_label", "g").replace("    ", " "), "g", "the same text"),
    ],
)
def test_an_example_that_is_scored_is_refused(
    prompt: str, entry_point: str, reason: str, monkeypatch: pytest.MonkeyPatch, starter: AnyBenchmark
) -> None:
    """By name, by sentence or by docstring, whatever its layout; the message names both."""
    problem = Problem(task_id="p/7", prompt=prompt, instruction="Do it.", tests=("pass",), entry_point=entry_point)
    mine = type(starter)([problem], PROVENANCE)
    with pytest.raises(DataError, match=rf"example 'seat_label' is problem p/7 of starter \({reason}\)"):
        mine.asked_with(load_template("few_shot"))
    mine.asked_with(load_template("few_shot").changed(examples=1))


def test_identity_follows_what_reaches_a_model(starter: AnyBenchmark) -> None:
    """Another system message, cue or number of examples is another hash; a name or a spare example is not."""
    base = load_template("few_shot_cot")
    same = [base.model_copy(update={"name": "mine", "version": 9, "examples": base.examples[:3]})]
    others = [
        base.changed(system="x"),
        base.changed(examples=2),
        base.model_copy(update={"chat_cue": "Think."}),
        base.model_copy(update={"base_cue": "Think."}),
    ]
    assert {template.sha256 for template in same} == {base.sha256}
    assert len({template.sha256 for template in [base, *others]}) == 5
    problem = starter.problems()[0]
    assert len({starter.asked_with(load_template(mode)).ask(problem, "base").sha256() for mode in MODES}) == 4


def test_a_benchmark_travels_with_its_template(starter: AnyBenchmark) -> None:
    """It is pickled to every executor; the first one keeps asking as before."""
    asked = starter.asked_with(load_template("few_shot_cot"))
    problem = starter.problems()[0]
    assert pickle.loads(pickle.dumps(asked)).ask(problem, "chat") == asked.ask(problem, "chat")
    assert starter.template is PLAIN
    assert asked.limited(1).template is asked.template


def test_more_examples_than_there_are_is_an_error_with_the_cure() -> None:
    """A number is never lowered silently."""
    with pytest.raises(UserError, match=r"few_shot: examples=5: it has 4\. Ask for fewer"):
        load_template("few_shot").changed(examples=5)
    with pytest.raises(UserError, match=r"zero_shot: examples=1: it has 0\. Take `few_shot`"):
        load_template("zero_shot").changed(examples=1)


def test_an_unknown_mode_is_answered_with_the_nearest() -> None:
    """And with what else may stand there."""
    with pytest.raises(
        UserError, match=r"no prompt mode 'few_shots'\. Did you mean 'few_shot'\?.*path of a \.yaml file"
    ):
        load_template("few_shots")


def test_a_file_of_the_users_is_a_mode(tmp_path: Path) -> None:
    """Of the same form as the built-in ones; examples may stand in a file beside it."""
    rows = yaml.safe_load((BUILT_IN / "examples" / "python.yaml").read_text())
    (tmp_path / "shots.yaml").write_text(yaml.safe_dump(rows[:2]))
    file = tmp_path / "mine.yaml"
    file.write_text("name: mine\nsystem: Be brief.\nexamples: shots.yaml\n")
    template = load_template(str(file))
    assert (template.name, template.system, template.shown) == ("mine", "Be brief.", EXAMPLES[:2])
    file.write_text(yaml.safe_dump({"name": "mine", "system": "Be brief.", "examples": rows[:2]}))
    assert load_template(str(file)).sha256 == template.sha256


GOOD = EXAMPLES[0].model_dump(mode="json")
BROKEN = {
    "no such file": (None, r"mine\.yaml: No such file"),
    "not YAML": ("a: [", r"mine\.yaml:1: not valid YAML"),
    "no mapping": ("[]", r"mine\.yaml: a prompt template is a mapping"),
    "unknown key": ({"name": "m", "sytem": "x"}, r"mine\.yaml: field 'sytem'.*Known keys: .*system"),
    "wrong type": ({"name": "m", "shots": "3"}, r"mine\.yaml: field 'shots'.*found '3'"),
    "no name": ({"system": "x"}, r"mine\.yaml: field 'name': Field required"),
    "too many shots": ({"name": "m", "shots": 1}, r"mine\.yaml: shots is 1 and there are 0 examples"),
    "no such examples": ({"name": "m", "examples": "x.yaml"}, r"x\.yaml: No such file"),
    "missing field": ({"name": "m", "examples": [{**GOOD, "body": 1}]}, r"mine\.yaml: field 'examples\.0\.body'"),
    "no function": (
        {"name": "m", "examples": [{**GOOD, "body": "  return\n"}]},
        r"field 'examples\.0': prompt and body together are no Python that defines 'longest_plateau'",
    ),
    "half a line": ({"name": "m", "examples": [{**GOOD, "body": "    return 1"}]}, "must end with a line end"),
    "no reasoning": (
        {"name": "m", "base_cue": "Think.", "examples": [{**GOOD, "reasoning": ""}]},
        "a template with a cue needs examples with reasoning; longest_plateau has none",
    ),
}


@pytest.mark.parametrize(("content", "message"), BROKEN.values(), ids=BROKEN)
def test_a_broken_template_names_file_and_field(tmp_path: Path, content: object, message: str) -> None:
    """The fault is told before anything runs."""
    file = tmp_path / "mine.yaml"
    if content is not None:
        file.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    with pytest.raises(DataError, match=message):
        load_template(str(file))


def test_code_is_the_function_without_its_docstring() -> None:
    """What a chat model answers; an example without a docstring is shown whole."""
    assert "def seat_label" in EXAMPLES[1].code
    assert '"""' not in EXAMPLES[1].code
    bare = Example(**{**GOOD, "prompt": "def longest_plateau(heights):\n", "body": "    return 1\n"})
    assert (bare.code, bare.docstring) == (bare.prompt + bare.body, "")


@pytest.mark.parametrize("example", EXAMPLES, ids=[example.entry_point for example in EXAMPLES])
def test_examples_are_right(example: Example, sandbox: Sandbox) -> None:
    """What is shown as solved passes its own tests, in the form of a chat answer too."""
    for source in (example.prompt + example.body, example.code):
        verdict = sandbox.run(Program(source=source, tests=example.tests))
        assert verdict.status is Status.PASSED, verdict.error


COT_ANSWER = """\
<think>
A first idea:
```python
def shout(text):
    return "thought"
```
</think>
First, a call such as this should hold:
```python
print(shout("go"))
```
A draft would be
```python
def shout(text: str) -> str:
    return text.capitalize() + "!"
```
but that lowers the rest. So finally:
```python
def shout(text: str) -> str:
    return text.upper() + "!"
```
It is used as
```python
shout("go")
```
"""


def test_the_last_solution_of_a_reasoned_answer_counts(starter: AnyBenchmark) -> None:
    """Thoughts, drafts and calls around it are no part of the program."""
    asked = starter.asked_with(load_template("few_shot_cot"))
    (program,) = asked.programs(asked.problems()[0], Completion(text=COT_ANSWER, form="chat"))
    assert program.source == 'def shout(text: str) -> str:\n    return text.upper() + "!"\n'


def test_every_example_is_extracted_from_its_own_chat_answer(any_benchmark: AnyBenchmark) -> None:
    """What models are shown to answer is what extraction understands."""
    asked = any_benchmark.asked_with(load_template("few_shot_cot").changed(examples=4))
    turns = [message for message in asked.ask(asked.problems()[0], "chat").messages if message.role == "assistant"]
    assert len(turns) == 4
    for shot, turn in zip(asked.shots(), turns, strict=True):
        program = chat_program(turn.content, prompt="", entry_point=shot.example.entry_point)
        assert program == shot.example.code
