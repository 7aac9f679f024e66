"""ReCode's released variants of HumanEval and MBPP (Wang et al. 2023), each beside the problem that it was made from.

The rows are asked as they were released, damaged ones among them: `benchmarks.perturbations.released` tells which.
A variant is named after recipe and seed (`recode_butter_fingers.s0`). Variants of docstrings and function names are
compared with the nominal problem; those of syntax and format give the first half of the solution, and are compared with
ReCode's own partial prompts, here the variant `half_solution`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Self

from pydantic import Field

from benchmarks.base import BaseBenchmark, CommonOptions
from benchmarks.data import Provenance, Records, load_records
from benchmarks.extraction import preamble_of
from benchmarks.fetch import Source, fetch
from benchmarks.humaneval import INSTRUCTION, STOP, HumanEvalRecord, problem_of
from benchmarks.perturbations.perturbation import HALF
from benchmarks.problem import NOMINAL, Problem
from benchmarks.prompt_template import Example
from benchmarks.prompting import Shot, function_shot
from runners.errors import DataError

Category = Literal["docstring", "function", "syntax", "format"]
FOLDERS: dict[Category, str] = {
    "docstring": "nlaugmenter",
    "function": "func_name",
    "syntax": "natgen",
    "format": "format",
}
"""Where each category lies in the release."""
NOMINAL_FILES = {
    ("humaneval", NOMINAL): "HumanEval.jsonl",
    ("humaneval", HALF): "humaneval_partial.jsonl",
    ("mbpp", NOMINAL): "mbpp_wtest.jsonl",
    ("mbpp", HALF): "mbpp_partial.jsonl",
}
ROWS = {"humaneval": 164, "mbpp": 974}
_NAME = re.compile(r"(?P<subset>humaneval|mbpp)_(?P<file>\w+)_s(?P<seed>\d+)\.jsonl(?:\.gz)?")
_UPWARDS = 5
"""How many folders above a file its nominal files are looked for: the release has four between."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """One of ReCode's recipes, as released."""

    file: str
    """How its files are called: `humaneval_<file>_s<seed>.jsonl`."""
    name: str
    """How its variants are called here, and our own perturbation of the same kind where there is one."""
    category: Category
    num_seeds: int = 1
    """How many were released: from 0 on."""

    @property
    def baseline(self) -> str:
        """The variant that its variants are compared with."""
        return NOMINAL if self.category in ("docstring", "function") else HALF


RECIPES = (
    Recipe("BackTranslation", "recode_back_translation", "docstring"),
    Recipe("ButterFingersPerturbation", "recode_butter_fingers", "docstring", 10),
    Recipe("ChangeCharCase", "recode_change_char_case", "docstring", 10),
    Recipe("EnglishInflectionalVariation", "recode_inflection", "docstring", 10),
    Recipe("SwapCharactersPerturbation", "recode_swap_characters", "docstring", 10),
    Recipe("SynonymInsertion", "recode_synonym_insertion", "docstring", 10),
    Recipe("SynonymSubstitution", "recode_synonym_substitution", "docstring", 10),
    Recipe("TenseTransformationPast", "recode_tense_past", "docstring"),
    Recipe("TenseTransformationFuture", "recode_tense_future", "docstring"),
    Recipe("WhitespacePerturbation", "recode_whitespace", "docstring", 10),
    Recipe("FuncRenameCamelCase", "recode_func_camel_case", "function"),
    Recipe("FuncRenameButterFinger", "recode_func_butter_finger", "function", 10),
    Recipe("FuncRenameSwapChar", "recode_func_swap_char", "function", 10),
    Recipe("FuncRenameChangeChar", "recode_func_change_char", "function", 10),
    Recipe("FuncRenameInflectionalVariation", "recode_func_inflection", "function", 10),
    Recipe("FuncRenameSynonymSub", "recode_func_synonym", "function", 10),
    Recipe("DeadCodeInserter", "recode_dead_code", "syntax", 10),
    Recipe("DeadCodeInserterLast", "recode_dead_code_last", "syntax"),
    Recipe("ForWhileTransformer", "recode_for_while", "syntax"),
    Recipe("OperandSwap", "recode_operand_swap", "syntax"),
    Recipe("VarRenamerCB", "recode_var_renamer_cb", "syntax"),
    Recipe("VarRenamerNaive", "recode_var_renamer_naive", "syntax"),
    Recipe("VarRenamerRN", "recode_var_renamer_rn", "syntax", 10),
    Recipe("tab_indent", "recode_tab_indent", "format"),
    Recipe("split_lines", "recode_split_lines", "format"),
    Recipe("doc2comments", "recode_doc2comments", "format"),
    Recipe("new_lines", "recode_new_lines", "format", 10),
    Recipe("new_line_aftercode", "recode_new_line_after_code", "format"),
    Recipe("new_line_afterdoc", "recode_new_line_after_doc", "format"),
)
_BY_FILE = {recipe.file: recipe for recipe in RECIPES}
_BY_NAME = {recipe.name: recipe for recipe in RECIPES}


class ReCodeOptions(CommonOptions):
    """Which variants to ask."""

    data: Path | None = Field(
        default=None, strict=False, description="one released file, or a folder with such files below it"
    )
    nominal: Path | None = Field(
        default=None,
        strict=False,
        description="folder of the nominal files; `nominal` beside the data if left out",
    )
    valid: bool = Field(
        default=True, description="leave out variants whose reference fails or that change nothing; false asks all"
    )
    subset: Literal["humaneval", "mbpp"] = Field(default="humaneval", description="what the variants were made from")
    category: Literal["all", "docstring", "function", "syntax", "format"] = Field(
        default="all", description="ReCode's four kinds of change"
    )
    seeds: int = Field(
        default=5,
        ge=1,
        le=10,
        description="of a random recipe, how many; 5 as in the paper, 10 are released",
    )


class ReCode(BaseBenchmark[ReCodeOptions]):
    """HumanEval or MBPP as ReCode changed them, judged by the tests of the rows."""

    name = "recode"
    summary = "HumanEval and MBPP with ReCode's released variants, as they are (Amazon)"
    Options = ReCodeOptions
    main_option = "subset"
    stop = STOP
    module_name = "builtins"  # as in humaneval
    valid_only: bool = True
    """Whether variants that the gate leaves out are not asked."""

    def helpers(self, problem: Problem) -> str:
        """What stands before the function: three tests call it. The whole prompt often breaks off within a block."""
        return preamble_of(problem.prompt, problem.entry_point)

    def shot(self, example: Example) -> Shot:
        """A function to complete, as the problems are."""
        return function_shot(example, INSTRUCTION.format(prompt=example.prompt.strip()))

    def limited(self, count: int) -> Self:
        """The same benchmark with the first `count` problems and all their variants."""
        wanted = list(dict.fromkeys(problem.task_id for problem in self.problems()))[:count]
        return self.with_problems([problem for problem in self.problems() if problem.task_id in wanted])

    @classmethod
    def load(cls, options: ReCodeOptions, cache: Path) -> Self:
        """Read released files and the nominal ones; fetch what is not given.

        Raises:
            DataError: no such file, one of an unknown recipe, or a variant without the problem that it was made from.
        """
        released = _released(options, cache)
        baselines = sorted({recipe.baseline for _, recipe, _ in released} | {NOMINAL}, reverse=True)  # nominal first
        nominal = {kind: _records(_nominal_file(options, kind, released[0][0], cache), options) for kind in baselines}
        files = [_records(path, options) for path, _, _ in released]
        by_task = {row.task_id: [problem_of(row)] for row in nominal[NOMINAL].rows}
        for kind in baselines:
            if kind != NOMINAL:
                _add(by_task, nominal[kind], kind, is_half=True)
            for (_, recipe, seed), records in zip(released, files, strict=True):
                if recipe.baseline == kind:
                    _add(by_task, records, f"{recipe.name}.s{seed}", is_half=kind == HALF)
        problems = [problem for group in by_task.values() for problem in group]
        benchmark = cls(problems, _provenance([*nominal.values(), *files], options))
        benchmark.valid_only = options.valid
        return benchmark


def recipe_of(variant: str) -> Recipe | None:
    """The recipe of a variant's name; None if it is a baseline."""
    return _BY_NAME.get(variant.partition(".")[0])


def _add(
    by_task: Mapping[str, list[Problem]], records: Records[HumanEvalRecord], variant: str, *, is_half: bool
) -> None:
    for row in records.rows:
        if row.task_id not in by_task:
            path = records.provenance.paths[0]
            raise DataError(path, f"{row.task_id!r} is not in the nominal file.", cure="Take both from one release.")
        problem = replace(problem_of(row), variant=variant)
        # A wrong body does not fit into a block that has begun, and a given half may already have returned.
        by_task[row.task_id].append(replace(problem, wrong=()) if is_half else problem)


def _released(options: ReCodeOptions, cache: Path) -> list[tuple[Path, Recipe, int]]:
    """Files of variants with recipe and seed, in the table's order and then by seed."""
    if options.data is not None and not options.data.is_dir():
        found = [_named(options.data, options.subset)]
    else:
        paths = _fetched(_wanted(options), options, cache) if options.data is None else _below(options.data)
        found = [named for path in paths if (named := _named(path, options.subset)) and _fits(named, options)]
    chosen = {(RECIPES.index(recipe), seed): (path, recipe, seed) for path, recipe, seed in filter(None, found)}
    if not chosen:
        what = f"{options.subset}_<recipe>_s<seed>.jsonl"
        cure = "Name a released file or a folder of such files, and its subset."
        raise DataError(str(options.data), f"there is no file {what} that the options ask for.", cure=cure)
    return [chosen[key] for key in sorted(chosen)]


def _below(folder: Path) -> list[Path]:
    """Files of JSON lines in a folder and its folders; where one lies there packed too, the plain one comes last."""
    return sorted(folder.rglob("*.jsonl.gz")) + sorted(folder.rglob("*.jsonl"))


def _named(path: Path, subset: str) -> tuple[Path, Recipe, int] | None:
    """What a file's name says; None if it holds no variants of the subset.

    Raises:
        DataError: its recipe is none of ReCode's.
    """
    match = _NAME.fullmatch(path.name)
    if match is None or match["subset"] != subset:
        return None
    if match["file"] not in _BY_FILE:
        raise DataError(path, f"{match['file']!r} is no recipe of ReCode's.", cure=f"Known are: {', '.join(_BY_FILE)}.")
    return path, _BY_FILE[match["file"]], int(match["seed"])


def _fits(named: tuple[Path, Recipe, int], options: ReCodeOptions) -> bool:
    _, recipe, seed = named
    return options.category in ("all", recipe.category) and seed < options.seeds


def _wanted(options: ReCodeOptions) -> tuple[str, ...]:
    """Paths of the chosen files in the release."""
    chosen = [recipe for recipe in RECIPES if options.category in ("all", recipe.category)]
    folder = f"dataset-release/perturbed_finalized/{options.subset}/full"
    return tuple(
        f"{folder}/{FOLDERS[recipe.category]}/{options.subset}_{recipe.file}_s{seed}.jsonl"
        for recipe in chosen
        for seed in range(min(recipe.num_seeds, options.seeds))
    )


def source_of(subset: str, files: Sequence[str]) -> Source:
    """Where files of the release come from."""
    return Source(
        name="recode",
        url="https://raw.githubusercontent.com/amazon-science/recode/{revision}/{file}",
        files=tuple(files),
        revision="66885222dc277384b0641a621683ee5bcf4eaf5c",
        rows=ROWS[subset],
        licence="Apache-2.0 (HumanEval MIT, MBPP CC-BY-4.0)",
        credit="Amazon, amazon-science/recode (Wang et al. 2023, arXiv:2212.10264)",
    )


def _fetched(files: Sequence[str], options: ReCodeOptions, cache: Path) -> tuple[Path, ...]:
    return fetch(source_of(options.subset, files), cache, options.revision).paths


def _nominal_file(options: ReCodeOptions, kind: str, beside: Path, cache: Path) -> Path:
    """The nominal or partial rows: in the folder that was named, in `nominal` near the data, or fetched.

    Raises:
        DataError: they are not there.
    """
    name = NOMINAL_FILES[options.subset, kind]
    if options.data is None and options.nominal is None:
        return _fetched((f"dataset-release/nominal/{name}",), options, cache)[0]
    folders = list(_near(beside)) if options.nominal is None else [options.nominal]
    files = [folder / f"{name}{end}" for folder in folders for end in ("", ".gz")]
    found = [file for file in files if file.is_file()]
    if not found:
        raise DataError(
            folders[0], f"{name} is not here; every variant needs it.", cure="Name its folder: nominal=FOLDER."
        )
    return found[0]


def _near(path: Path) -> Iterator[Path]:
    for folder in path.absolute().parents[:_UPWARDS]:
        yield folder
        yield folder / "nominal"


def _records(path: Path, options: ReCodeOptions) -> Records[HumanEvalRecord]:
    # A path is always given here, so that neither cache nor network is asked.
    return load_records(source_of(options.subset, ()), HumanEvalRecord, path=path, cache=path.parent)


def _provenance(files: Sequence[Records[HumanEvalRecord]], options: ReCodeOptions) -> Provenance:
    of_files = [records.provenance for records in files]
    is_ours = options.data is None
    source = source_of(options.subset, ())
    return Provenance(
        origin=source.origin if is_ours else str(options.data),
        paths=tuple(path for each in of_files for path in each.paths),
        sha256=hashlib.sha256("\n".join(each.sha256 for each in of_files).encode()).hexdigest(),
        rows=sum(each.rows for each in of_files),
        revision=(options.revision or source.revision) if is_ours else None,
    )
