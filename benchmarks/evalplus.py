"""HumanEval+ and MBPP+ (Liu et al. 2023): the same questions with many more inputs.

A program is called on the base inputs (first test) and on the plus inputs (second test); its results are compared with
the canonical solution's by EvalPlus' rules (benchmarks/evalplus_judge.py). `pass` needs both, `base_pass` the first
alone. The canonical solution's results are computed once in the sandbox by `prepare`. The hub's copies of both data
sets lack the inputs, so the files come from EvalPlus' own release repositories.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from pydantic import Field, field_validator

from benchmarks.base import BaseBenchmark, CommonOptions
from benchmarks.data import Provenance, Record, load_records
from benchmarks.evalplus_inputs import mbpp_inputs
from benchmarks.evalplus_judge import literal
from benchmarks.evalplus_truth import MEMORY_BYTES, Canonical, Truth, judge_prelude, truths
from benchmarks.fetch import Source
from benchmarks.humaneval import INSTRUCTION
from benchmarks.humaneval import WRONG as WRONG_BODIES
from benchmarks.mbpp import docstring_prompt, wrong_codes
from benchmarks.problem import Completion, Problem, Score
from benchmarks.prompt_template import Example
from benchmarks.prompting import Shot, fenced, function_shot
from runners.errors import DataError
from runners.program import Limits, Program, Verdict
from runners.sandbox import Sandbox

RELEASE = "https://raw.githubusercontent.com/evalplus/{repository}/{{revision}}/{{file}}"
CREDIT = "EvalPlus (Liu et al. 2023, arXiv:2305.01210)"

HUMANEVAL_SOURCE = Source(
    name="humaneval_plus",
    url=RELEASE.format(repository="humanevalplus_release"),
    files=("HumanEvalPlus.jsonl.gz",),
    revision="200defce9e3429d28ca215b6dd061c0f7f31c18b",
    sha256="e165cea0db05c774943dc2763c088a5288277faea8a0cfd97a1fd3d4dc72ab7e",
    rows=164,
    licence="Apache-2.0",
    credit=CREDIT,
)
MBPP_SOURCE = Source(
    name="mbpp_plus",
    url=RELEASE.format(repository="mbppplus_release"),
    files=("MbppPlus.jsonl.gz",),
    revision="dadf43da556a00f7bacd71cb154f2932757d9144",
    sha256="677d8b26c33dc753a8539b2c42e0870f71c9afc03cd2165ff06945e4ac3a7a98",
    rows=378,
    licence="Apache-2.0; tasks from MBPP, CC-BY-4.0",
    credit=CREDIT,
)

COMMON_STOP = ("\nif __name__", "\ndef main(", "\nprint(", "\n```")
HUMANEVAL_STOP = (*COMMON_STOP, "\ndef ", "\nclass ", "\nimport ", "\nfrom ", "\nassert ")
MBPP_STOP = (*COMMON_STOP, '\n"""', "\nassert")

RULES = {
    "HumanEval/32": "polynomial",
    **{f"Mbpp/{task}": "set" for task in (2, 7, 111, 140, 232, 249, 579, 769)},
    **{f"Mbpp/{task}": "not_none" for task in (737, 787, 794)},
    "Mbpp/164": "anything",
    "Mbpp/295": "zero",
    "Mbpp/558": "digit_distance",
    "Mbpp/581": "surface_area",
}
"""Tasks that are not compared by equality alone; the rules are in benchmarks/evalplus_judge.py."""


class EvalPlusRecord(Record):
    """One line of HumanEvalPlus.jsonl or MbppPlus.jsonl."""

    task_id: str
    prompt: str
    canonical_solution: str
    entry_point: str
    base_input: list[list[Any]] = Field(min_length=1)
    plus_input: list[list[Any]]
    atol: float

    @field_validator("plus_input", mode="before")
    @classmethod
    def _no_inputs(cls, value: object) -> object:
        """Mbpp/793 has `{}` where it has no plus inputs."""
        return [] if value == {} else value


class EvalPlus(BaseBenchmark[CommonOptions]):
    """What HumanEval+ and MBPP+ share: two tests, two metrics, expected outputs that are computed."""

    times_calls = True
    metrics = ("pass", "base_pass")
    Options = CommonOptions
    module_name = "builtins"  # EvalPlus executes in a bare dict, where __name__ is that of the builtins
    cpu_seconds = 60.0
    data_source: Source

    def __init__(self, problems: Sequence[Problem], provenance: Provenance, canonicals: Sequence[Canonical]) -> None:
        """Hold the problems and what `prepare` needs to compute their expected outputs."""
        super().__init__(problems, provenance)
        self._canonicals = {canonical.task_id: canonical for canonical in canonicals}
        self._truths: dict[str, Truth] = {}

    @classmethod
    def load(cls, options: CommonOptions, cache: Path) -> Self:
        """Read the release file; `prepare` must follow before `programs`."""
        records = load_records(
            cls.data_source, EvalPlusRecord, path=options.data, cache=cache, revision=options.revision
        )
        pairs = [cls._read(record, records.provenance.origin) for record in records.rows]
        return cls([problem for problem, _ in pairs], records.provenance, [canonical for _, canonical in pairs])

    @classmethod
    def _read(cls, record: EvalPlusRecord, origin: str) -> tuple[Problem, Canonical]:
        rule = RULES.get(record.task_id, "equal")
        try:
            base, plus = (literal(cls.typed(record.task_id, group)) for group in (record.base_input, record.plus_input))
        except (TypeError, ValueError, AttributeError, IndexError) as error:
            raise DataError(origin, f"{record.task_id}: inputs of an unexpected shape: {error}.") from error
        problem = Problem(
            task_id=record.task_id,
            prompt=record.prompt,
            instruction=INSTRUCTION.format(prompt=record.prompt.strip()),
            tests=(_test(record, base, rule), _test(record, plus, rule)),
            entry_point=record.entry_point,
            reference=record.canonical_solution,
            wrong=cls.wrong(record),
        )
        canonical = Canonical(
            task_id=record.task_id,
            source=record.prompt + record.canonical_solution + "\n",
            entry_point=record.entry_point,
            inputs=(base, plus),
            not_none=rule == "not_none",
        )
        return problem, canonical

    @staticmethod
    def typed(task_id: str, inputs: list[list[Any]]) -> Sequence[Any]:
        """Give inputs that came from JSON the types that the task is about."""
        return inputs

    @staticmethod
    def wrong(record: EvalPlusRecord) -> tuple[str, ...]:
        """Completions that must not pass."""
        return WRONG_BODIES

    def prepare(self, sandbox: Sandbox, cache: Path) -> None:
        """Compute the outputs of these problems' canonical solutions in the sandbox, or read them from `cache`.

        Raises:
            DataError: some canonical solutions give no usable outputs; lists them.
        """
        wanted = [self._canonicals[problem.task_id] for problem in self.problems()]
        self._truths = truths(self.name, wanted, sandbox, cache)

    def limits(self, problem: Problem) -> Limits:
        """60 seconds for the whole program and 4 GiB, as EvalPlus, though of CPU time; a wall limit to match."""
        seconds = problem.cpu_seconds or self.cpu_seconds
        return Limits(cpu_seconds=seconds, wall_seconds=4 * seconds, memory_bytes=MEMORY_BYTES)

    def programs(self, problem: Problem, completion: Completion) -> tuple[Program, ...]:
        """One program with two tests, base and plus.

        Raises:
            RuntimeError: `prepare` was not called on this instance.
        """
        truth = self._truths.get(problem.task_id)
        if truth is None:
            task = f"{self.name}: {problem.task_id}"
            raise RuntimeError(f"{task} has no expected outputs; call prepare(sandbox, cache) first")
        canonical = self._canonicals[problem.task_id]
        program = Program(
            source=self.source(problem, completion),
            tests=tuple(judge_prelude(canonical, truth, group) + test for group, test in enumerate(problem.tests)),
            under_test=(canonical.entry_point,),
            module_name=self.module_name,
            limits=self.limits(problem),
        )
        return (program,)

    def score(self, problem: Problem, completion: Completion, verdicts: tuple[Verdict, ...]) -> Score:
        """`pass` for base and plus inputs both, `base_pass` for the base inputs alone."""
        (verdict,) = verdicts
        base = verdict.passed or bool(verdict.tests_passed and verdict.tests_passed[0])
        return Score(values={"pass": float(verdict.passed), "base_pass": float(base)})


class HumanEvalPlus(EvalPlus):
    """HumanEval with about 80 times the inputs."""

    name = "humaneval_plus"
    summary = "HumanEval with about 80 times the tests (EvalPlus); base_pass counts HumanEval's own inputs"
    stop = HUMANEVAL_STOP
    data_source = HUMANEVAL_SOURCE

    def shot(self, example: Example) -> Shot:
        """A function to complete, as the problems are."""
        return function_shot(example, INSTRUCTION.format(prompt=example.prompt.strip()))


class MbppPlus(EvalPlus):
    """378 checked MBPP tasks with about 35 times the inputs."""

    name = "mbpp_plus"
    summary = "378 checked MBPP tasks with about 35 times the tests (EvalPlus)"
    stop = MBPP_STOP
    data_source = MBPP_SOURCE

    def shot(self, example: Example) -> Shot:
        """A docstring, answered with the whole function."""
        prompt = docstring_prompt(example.text, example.tests[0])
        instruction = INSTRUCTION.format(prompt=prompt.strip())
        code = example.code
        return Shot(example=example, prompt=prompt, answer=code, instruction=instruction, reply=fenced(code))

    @staticmethod
    def typed(task_id: str, inputs: list[list[Any]]) -> Sequence[Any]:
        """Tuples, sets and complex numbers where the task has them."""
        return mbpp_inputs(task_id, inputs)

    @staticmethod
    def wrong(record: EvalPlusRecord) -> tuple[str, ...]:
        """Whole functions, since the prompt has no signature; one that raises is wrong under every rule."""
        codes = wrong_codes(record.entry_point)
        return codes[-1:] if RULES.get(record.task_id) == "anything" else codes


def _test(record: EvalPlusRecord, inputs: str, rule: str) -> str:
    """One test; `_codeassay_judge` and what it expects are defined by the prelude that `programs` puts before it."""
    return (
        f"_codeassay_judge['check']({record.entry_point}, {inputs!r}, _codeassay_expected, "
        f"rule={rule!r}, atol={record.atol!r}, slow=_codeassay_slow)\n"
    )
