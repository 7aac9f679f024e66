"""What most benchmarks share: problems held in memory, one program per completion, pass or fail as the score.

A benchmark is one subclass in one file. It gives its class attributes and `load`; it overrides the method where it
differs from the rule here. Instances hold plain data only: they are pickled to every executor.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from benchmarks.data import Provenance
from benchmarks.extraction import program_text
from benchmarks.problem import Completion, Manner, Message, Problem, Prompt, PromptForm, Score
from benchmarks.prompt_template import PLAIN, Example, PromptTemplate
from benchmarks.prompting import Shot, check_shots, compose
from runners.errors import UserError
from runners.program import Limits, Program, Verdict
from runners.sandbox import Sandbox


class CommonOptions(BaseModel):
    """What the user may set for every benchmark; subclasses add their own fields."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    data: Path | None = Field(default=None, strict=False, description="file to read instead of the hub's")
    revision: str | None = Field(default=None, description="hub revision (commit, tag or branch) to read")


OptionsT = TypeVar("OptionsT", bound=CommonOptions)


class BaseBenchmark(Generic[OptionsT]):
    """Problems that are judged by running one Python program for each completion."""

    name: str
    """Registry name, e.g. `humaneval`."""
    summary: str
    """One line for `codeassay list`."""
    metrics: tuple[str, ...] = ("pass",)
    """Names in every Score's values, the headline first."""
    Options: type[OptionsT]
    """The options that `load` takes."""
    main_option: str | None = None
    """The option that a bare value sets: `mbpp:sanitized` is `subset=sanitized`; None if there is none."""
    forms: tuple[PromptForm, ...] = ("base", "chat")
    """The forms that its prompts can have."""
    stop: tuple[str, ...] = ()
    """Where a base model's completion ends."""
    turns: int = 1
    """How often a problem is asked about at most."""
    times_calls: bool = False
    """Whether its tests hold single calls to a time limit, which they can only inside the program's process."""
    splits: bool = True
    """Whether its tests may run in a process of their own, apart from the program."""
    language: str = "python"
    """Language of the programs: a row of `runners.languages`, or Python."""
    flags: tuple[str, ...] = ()
    """What the compiler is asked beyond the language's row."""
    environment: str = ""
    """Named interpreter with packages of its own; empty for the engine's."""
    module_name: str = "__main__"
    """`__name__` while a program runs."""
    cpu_seconds: float = 10.0
    """CPU limit of a program whose problem names none."""
    notes: tuple[str, ...] = ()
    """What a reader of the numbers must know of the data, such as how many rows were repaired."""
    edition: str = ""
    """Which of its sets was loaded, where they use a task_id for different problems; empty where none does."""
    template: PromptTemplate = PLAIN
    """What `ask` adds to the prompts; set by `asked_with`."""

    def __init__(self, problems: Sequence[Problem], provenance: Provenance) -> None:
        """Hold the problems, in the benchmark's own order, and where they came from."""
        self._problems = tuple(problems)
        self.provenance = provenance

    @classmethod
    def load(cls, options: OptionsT, cache: Path) -> Self:
        """Read and validate the data; files that are fetched are kept under `cache`.

        Raises:
            DataError: the data cannot be had or does not hold what its format promises.
            UserError: the options contradict each other.
        """
        raise NotImplementedError

    def limited(self, count: int) -> Self:
        """The same benchmark with only its first `count` problems."""
        return self.with_problems(self._problems[:count])

    def with_problems(self, problems: Sequence[Problem], *, notes: tuple[str, ...] | None = None) -> Self:
        """The same benchmark with other problems, and other notes if any are given."""
        other = copy.copy(self)
        other._problems = tuple(problems)
        other.notes = self.notes if notes is None else notes
        return other

    def problems(self) -> Sequence[Problem]:
        """All problems in the benchmark's own order; task_ids are unique."""
        return self._problems

    def prompt(self, problem: Problem, form: PromptForm) -> Prompt:
        """The problem's prompt with the benchmark's stops, or its instruction as one user message."""
        if form == "chat":
            message = Message(role="user", content=problem.instruction)
            return Prompt(task_id=problem.task_id, variant=problem.variant, form=form, messages=(message,))
        return Prompt(task_id=problem.task_id, variant=problem.variant, form=form, text=problem.prompt, stop=self.stop)

    def asked_with(self, template: PromptTemplate) -> Self:
        """The same benchmark asked in another way.

        Raises:
            DataError: an example of the template is one of the problems.
            UserError: the benchmark has no format for examples.
        """
        asked = copy.copy(self)
        asked.template = template
        check_shots(template, self.name, self.problems(), asked.shots())
        return asked

    def follow_up(self, problem: Problem, form: PromptForm, answers: tuple[Completion, ...]) -> Prompt | None:
        """What is asked after these answers, in order; None if the last of them is the one to judge."""
        return None

    def earlier_answers(self, problem: Problem) -> tuple[str, ...]:
        """What a right answer says in the turns before the last: one turn is all there is."""
        return ()

    def form_for(self, form: PromptForm) -> PromptForm:
        """The model's form, or the benchmark's own first where it has no such prompts."""
        return form if form in self.forms else self.forms[0]

    def ask(self, problem: Problem, form: PromptForm) -> Prompt:
        """The problem's prompt in `form_for(form)`, with what the template adds.

        Raises:
            UserError: the template holds what the form has no place for.
        """
        manner = problem.manner or Manner()
        prompt = self.prompt(problem, self.form_for(manner.form or form))
        shots = self.shots()
        chosen = shots if manner.shots is None else tuple(shots[place] for place in manner.shots)
        template = self.template if manner.system is None else self.template.changed(system=manner.system)
        return compose(template, prompt, chosen)

    def shots(self) -> tuple[Shot, ...]:
        """The template's examples in this benchmark's format."""
        return tuple(self.shot(example) for example in self.template.shown)

    def shot(self, example: Example) -> Shot:
        """One example in this benchmark's format; a benchmark that can show examples overrides this.

        Raises:
            UserError: this benchmark has no such format.
        """
        raise UserError(f"{self.name}: it shows no examples; take the prompt mode zero_shot or zero_shot_cot.")

    def source(self, problem: Problem, completion: Completion) -> str:
        """The program under test: the problem's setup, then prompt and completion joined as the form asks."""
        text = program_text(completion, prompt=problem.prompt, entry_point=problem.entry_point, stop=self.stop)
        return problem.setup + text

    def helpers(self, problem: Problem) -> str:
        """Trusted source that the tests may need beside the program: what the problem itself brings."""
        return problem.setup

    def limits(self, problem: Problem) -> Limits:
        """Limits of one program: the problem's CPU seconds, else the benchmark's."""
        return Limits(cpu_seconds=self.cpu_seconds if problem.cpu_seconds is None else problem.cpu_seconds)

    def programs(self, problem: Problem, completion: Completion) -> tuple[Program, ...]:
        """One program, judged by the problem's tests."""
        program = Program(
            source=self.source(problem, completion),
            tests=problem.tests,
            helpers=self.helpers(problem),
            under_test=() if problem.entry_point is None else (problem.entry_point,),
            language=self.language,
            flags=self.flags,
            environment=self.environment,
            module_name=self.module_name,
            limits=self.limits(problem),
        )
        return (program,)

    def score(self, problem: Problem, completion: Completion, verdicts: tuple[Verdict, ...]) -> Score:
        """`pass` is 1.0 if every program passed, else 0.0."""
        return Score(values={"pass": float(bool(verdicts) and all(verdict.passed for verdict in verdicts))})

    def prepare(self, sandbox: Sandbox, cache: Path) -> None:
        """Nothing to compute: the tests come with the data."""
