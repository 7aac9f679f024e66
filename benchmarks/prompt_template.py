"""Prompt modes as data: what stands around a problem's own prompt. Built-in modes are the files of `prompts/`.

A template is a YAML file: a system message, solved examples, a cue to reason. How these join a benchmark's prompt is
decided in benchmarks/prompting.py, alike for all benchmarks.
"""

from __future__ import annotations

import ast
import difflib
import hashlib
import json
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from benchmarks.extraction import parse
from runners.errors import DataError, UserError

BUILT_IN = Path(__file__).with_name("prompts")
DEFAULT = "zero_shot"
"""The mode that adds nothing."""


class Example(BaseModel):
    """A solved problem that is shown and never scored; each benchmark puts it into its own format."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    entry_point: str = Field(min_length=1)
    text: str = Field(min_length=20)
    """The problem as a sentence."""
    prompt: str
    """The problem as the beginning of a function: signature and docstring, whole lines."""
    body: str
    """The rest of the function, whole lines."""
    tests: tuple[str, ...] = Field(min_length=1, strict=False)
    """Assert statements."""
    reasoning: str = ""
    """What leads to the solution, in lines; needed where the template has a cue."""

    @model_validator(mode="after")
    def _is_a_function(self) -> Self:
        tree = parse(self.prompt + self.body)
        functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)] if tree else []
        if not (self.prompt.endswith("\n") and self.body.endswith("\n")):
            raise ValueError(f"{self.entry_point}: prompt and body must end with a line end (write `prompt: |`)")
        if self.entry_point not in {node.name for node in functions}:
            raise ValueError(f"prompt and body together are no Python that defines {self.entry_point!r}")
        if any(parse(test) is None for test in self.tests):
            raise ValueError(f"{self.entry_point}: a test is no Python")
        return self

    @property
    def _docstring(self) -> ast.Expr | None:
        """The docstring's statement."""
        tree = ast.parse(self.prompt + self.body)
        node = next(n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == self.entry_point)
        first = node.body[0]
        return first if ast.get_docstring(node) is not None and isinstance(first, ast.Expr) else None

    @property
    def docstring(self) -> str:
        """The text of the docstring; empty if there is none."""
        found = self._docstring
        return str(ast.literal_eval(found.value)) if found else ""

    @property
    def code(self) -> str:
        """The whole function without its docstring."""
        lines = (self.prompt + self.body).splitlines(keepends=True)
        if (found := self._docstring) is not None:
            lines[found.lineno - 1 : found.end_lineno] = []
        return "".join(lines)


class PromptTemplate(BaseModel):
    """One way to ask; without system message, cues and examples it adds nothing."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$")
    version: int = 1
    """Of the file, for people; identity follows the content."""
    summary: str = ""
    """One line for `codeassay list`."""
    system: str | None = None
    """The system message of form `chat`."""
    chat_cue: str = ""
    """Asks a chat model for reasoning: the last paragraph of each request."""
    base_cue: str = ""
    """Begins a base model's reasoning: stands as comment lines after each prompt."""
    shots: int | None = Field(default=None, ge=0)
    """How many of the examples are shown; None is all."""
    examples: tuple[Example, ...] = Field(default=(), strict=False)

    @model_validator(mode="after")
    def _examples_suffice(self) -> Self:
        if self.shots is not None and self.shots > len(self.examples):
            raise ValueError(f"shots is {self.shots} and there are {len(self.examples)} examples")
        silent = [example.entry_point for example in self.shown if not example.reasoning.strip()]
        if silent and (self.chat_cue or self.base_cue):
            raise ValueError(f"a template with a cue needs examples with reasoning; {', '.join(silent)} has none")
        return self

    @property
    def shown(self) -> tuple[Example, ...]:
        """The examples that stand in each prompt."""
        return self.examples[: self.shots]

    @property
    def is_plain(self) -> bool:
        """Whether prompts stay as the benchmark gives them."""
        return not (self.system or self.chat_cue or self.base_cue or self.shown)

    @property
    def sha256(self) -> str:
        """Hash of all that may reach a model: system message, cues and the examples that are shown."""
        told = self.model_dump(include={"system", "chat_cue", "base_cue"})
        examples = [example.model_dump() for example in self.shown]
        return hashlib.sha256(json.dumps([told, examples], sort_keys=True).encode()).hexdigest()

    def record(self) -> dict[str, object]:
        """What a run's manifest tells of it."""
        return {"name": self.name, "version": self.version, "shots": len(self.shown), "sha256": self.sha256}

    def changed(self, *, system: str | None = None, examples: int | None = None) -> Self:
        """The template with another system message (empty: none) or number of examples; None keeps what it has.

        Raises:
            UserError: more examples are asked for than there are.
        """
        if examples is not None and examples > len(self.examples):
            cure = "Ask for fewer, or name a template file with more." if self.examples else "Take `few_shot`."
            raise UserError(f"prompt {self.name}: examples={examples}: it has {len(self.examples)}. {cure}")
        values: dict[str, object] = {} if system is None else {"system": system or None}
        values |= {} if examples is None else {"shots": examples}
        return self.model_copy(update=values)


PLAIN = PromptTemplate(name=DEFAULT)
"""What a benchmark is asked with where nothing else is said."""


def built_in_templates() -> dict[str, Path]:
    """Files of the modes that come with the package, by name."""
    return {path.stem: path for path in sorted(BUILT_IN.glob("*.yaml"))}


def load_template(prompt: str) -> PromptTemplate:
    """Read a mode by its name, or the YAML file of a path.

    Raises:
        UserError: there is no mode of this name.
        DataError: the file cannot be read, or does not hold what a template holds; names file and field.
    """
    known = built_in_templates()
    if prompt in known:
        return read_template(known[prompt])
    if prompt.endswith((".yaml", ".yml")):
        return read_template(Path(prompt).expanduser())
    near = difflib.get_close_matches(prompt, known, n=1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    names = ", ".join(known)
    raise UserError(f"There is no prompt mode '{prompt}'.{hint} Modes are {names}, or the path of a .yaml file.")


def read_template(path: Path) -> PromptTemplate:
    """Read one file; `examples` is a list, or the path of a file with one, from the template's folder on.

    Raises:
        DataError: names the file, the field and the value.
    """
    raw = _read(path)
    if not isinstance(raw, dict):
        raise DataError(path, "a prompt template is a mapping with the key `name`, and others as it needs.")
    if isinstance(raw.get("examples"), str):
        raw["examples"] = _read_examples(path.parent / raw["examples"])
    try:
        return PromptTemplate.model_validate(raw)
    except ValidationError as error:
        raise _fault(path, error, list(PromptTemplate.model_fields)) from None


def _read_examples(path: Path) -> tuple[Example, ...]:
    try:
        return TypeAdapter(tuple[Example, ...]).validate_python(_read(path))
    except ValidationError as error:
        raise _fault(path, error, list(Example.model_fields)) from None


def _read(path: Path) -> Any:  # noqa: ANN401 - YAML holds any value
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise DataError(path, f"{reason}.", cure="Name a prompt mode or a template file.") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = " ".join(str(getattr(error, "problem", None) or error).split())
        raise DataError(path, f"not valid YAML: {problem}.", line=mark.line + 1 if mark else None) from error


def _fault(path: Path, error: ValidationError, known: list[str]) -> DataError:
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"]) or None
    cure = f"Known keys: {', '.join(known)}." if first["type"] in ("extra_forbidden", "missing") else ""
    value = "" if first["type"] in ("missing", "value_error") else f", found {first['input']!r:.60}"
    return DataError(path, f"{first['msg'].removeprefix('Value error, ')}{value}.", field=field, cure=cure)
