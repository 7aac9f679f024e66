"""ReCode's released files: how rows become variants beside their baselines, and how many of them are valid."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.benchmark import reference_completion
from benchmarks.perturbations.perturbation import HALF
from benchmarks.perturbations.released import Share, Shares, gated, invalid_shares
from benchmarks.problem import NOMINAL
from benchmarks.recode import RECIPES, ReCode, ReCodeOptions, source_of
from benchmarks.registry import load_benchmark
from runners.errors import DataError
from runners.program import Program
from runners.sandbox import Sandbox

PROMPT = 'def twice(n):\n    """ Return n two times. """\n'
SOLUTION = "    if n == 0:\n        return 0\n    return 2 + twice(n - 1)\n"
GIVEN = "    if n == 0:\n        return 0\n"
TEST = "def check(candidate):\n    assert candidate(2) == 4\n"
BASE = {"entry_point": "twice", "test": TEST}
"""Released rows have a few fields more, which nothing needs."""

Row = dict[str, object]


def row(task: int = 0, prompt: str = PROMPT, solution: str = SOLUTION, **changes: str) -> Row:
    """One line of a file."""
    return {"task_id": f"HumanEval/{task}", "prompt": prompt, "canonical_solution": solution, **BASE, **changes}


def write(path: Path, rows: Sequence[Row]) -> Path:
    """A file of JSON lines, packed if its name says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = "".join(json.dumps(each) + "\n" for each in rows).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A folder laid out as the release is, with two problems and some recipes."""
    write(tmp_path / "nominal" / "HumanEval.jsonl", [row(0), row(1)])
    rest = "    return 2 + twice(n - 1)\n"
    write(tmp_path / "nominal" / "humaneval_partial.jsonl.gz", [row(task, PROMPT + GIVEN, rest) for task in (0, 1)])
    folder = tmp_path / "perturbed" / "humaneval" / "full"
    renamed = PROMPT.replace("twice", "twIce")
    write(
        folder / "func_name" / "humaneval_FuncRenameChangeChar_s0.jsonl",
        [row(0, renamed, entry_point="twIce"), row(1)],
    )
    broken = PROMPT.replace('. """', '. " " "')
    write(folder / "nlaugmenter" / "humaneval_SynonymInsertion_s0.jsonl.gz", [row(0, broken), row(1)])
    write(folder / "nlaugmenter" / "humaneval_SynonymInsertion_s7.jsonl", [row(0), row(1)])
    tabs = (PROMPT + GIVEN).replace("    ", "\t")
    write(folder / "format" / "humaneval_tab_indent_s0.jsonl", [row(task, tabs, rest) for task in (0, 1)])
    reprinted = (PROMPT + GIVEN).replace('""" ', '"""')
    write(folder / "natgen" / "humaneval_OperandSwap_s0.jsonl", [row(0, reprinted, rest), row(1, PROMPT, SOLUTION)])
    return tmp_path / "perturbed"


def load(data: Path, **options: object) -> ReCode:
    """The benchmark; nothing is fetched, since all files are there."""
    return ReCode.load(ReCodeOptions.model_validate({"data": data, **options}), data / "no cache")


def variants(benchmark: ReCode) -> list[tuple[str, str]]:
    """Which problems there are, in order."""
    return [(problem.task_id, problem.variant) for problem in benchmark.problems()]


def test_every_problem_is_followed_by_its_variants_each_after_its_baseline(release: Path) -> None:
    """Variants of syntax and format stand behind the partial prompt that they were made from."""
    of_one = [NOMINAL, "recode_synonym_insertion.s0", "recode_func_change_char.s0", HALF]
    of_one += ["recode_operand_swap.s0", "recode_tab_indent.s0"]
    expected = [(task, name) for task in ("HumanEval/0", "HumanEval/1") for name in of_one]
    assert variants(load(release)) == expected


def test_one_file_is_its_variants_and_their_baseline(release: Path) -> None:
    """The nominal rows are found in `nominal` above it; files of other recipes are not read."""
    file = release / "humaneval" / "full" / "nlaugmenter" / "humaneval_SynonymInsertion_s7.jsonl"
    assert {name for _, name in variants(load(file))} == {NOMINAL, "recode_synonym_insertion.s7"}


def test_category_and_seeds_choose_files(release: Path) -> None:
    """Seeds from 0 on; of the category `docstring` alone no partial prompts are read."""
    names = {name for _, name in variants(load(release, category="docstring", seeds=8))}
    assert names == {NOMINAL, "recode_synonym_insertion.s0", "recode_synonym_insertion.s7"}


def test_limit_counts_problems_and_keeps_their_variants(release: Path) -> None:
    """Five problems of a quick look are five with all that was made from them."""
    limited = load(release).limited(1)
    assert {task for task, _ in variants(limited)} == {"HumanEval/0"}
    assert len(limited.problems()) == 6


def test_program_is_prompt_and_solution_as_in_humaneval(release: Path) -> None:
    """Rows are asked and judged as released, under the names that they give."""
    problem = next(each for each in load(release).problems() if each.variant == "recode_func_change_char.s0")
    completion = reference_completion(problem)
    assert completion is not None
    (program,) = load(release).programs(problem, completion)
    assert program.source == PROMPT.replace("twice", "twIce") + SOLUTION + "\n"
    assert program.tests == (f"{TEST}\ncheck(twIce)",)
    assert problem.prompt.strip() in problem.instruction


def test_half_given_solution_is_no_helper_of_the_tests(release: Path) -> None:
    """A prompt that breaks off within a block is not executed beside the tests."""
    benchmark = load(release)
    assert all("return" not in benchmark.helpers(problem) for problem in benchmark.problems())


def test_unknown_recipe_is_named(tmp_path: Path) -> None:
    """A file that looks like a released one but is none is an error, not left out."""
    write(tmp_path / "humaneval_NoSuchThing_s0.jsonl", [row()])
    with pytest.raises(DataError, match="'NoSuchThing' is no recipe"):
        load(tmp_path)


def test_folder_without_released_files_is_an_error(tmp_path: Path) -> None:
    """Nominal files alone have no variants."""
    write(tmp_path / "HumanEval.jsonl", [row()])
    with pytest.raises(DataError, match="no file humaneval_<recipe>_s<seed>"):
        load(tmp_path)


def test_missing_nominal_file_is_an_error_with_its_cure(tmp_path: Path) -> None:
    """Without a baseline a variant says nothing."""
    file = write(tmp_path / "a" / "b" / "c" / "d" / "e" / "f" / "humaneval_OperandSwap_s0.jsonl", [row()])
    with pytest.raises(DataError, match="nominal=FOLDER"):
        load(file)
    write(tmp_path / "HumanEval.jsonl", [row()])
    write(tmp_path / "humaneval_partial.jsonl", [row()])
    assert len(load(file, nominal=tmp_path).problems()) == 3


def test_variant_of_an_unknown_problem_is_an_error(release: Path) -> None:
    """Files of two editions do not mix."""
    write(release / "humaneval_TenseTransformationPast_s0.jsonl", [row(7)])
    with pytest.raises(DataError, match="'HumanEval/7' is not in the nominal file"):
        load(release)


def test_packed_and_plain_copy_of_a_file_are_read_once(release: Path) -> None:
    """Both lie in one folder where somebody unpacked."""
    write(release / "humaneval_SynonymInsertion_s0.jsonl", [row(0), row(1)])
    names = [name for _, name in variants(load(release))]
    assert names.count("recode_synonym_insertion.s0") == 2


def test_files_of_the_pinned_commit_are_read_from_the_cache(tmp_path: Path) -> None:
    """A machine without network is served by putting the release there; only the chosen files are needed."""
    revision = source_of("humaneval", ()).revision
    folder = tmp_path / "data" / "recode" / revision / "dataset-release"
    write(folder / "nominal" / "HumanEval.jsonl", [row()])
    for recipe in (each for each in RECIPES if each.category == "function"):
        for seed in range(min(recipe.num_seeds, 2)):
            name = f"humaneval_{recipe.file}_s{seed}.jsonl"
            write(folder / "perturbed_finalized" / "humaneval" / "full" / "func_name" / name, [row()])
    options = ReCodeOptions(category="function", seeds=2)
    benchmark = ReCode.load(options, tmp_path)
    assert len(benchmark.problems()) == 1 + 1 + 5 * 2
    assert (benchmark.provenance.revision, benchmark.provenance.rows) == (revision, 12)


def test_names_and_files_of_recipes_are_unique() -> None:
    """28 recipes, and the one that was released besides."""
    assert len(RECIPES) == len({recipe.name for recipe in RECIPES}) == len({recipe.file for recipe in RECIPES}) == 29
    assert sum(recipe.num_seeds for recipe in RECIPES) == 164


class Judge:
    """Executes nothing: a program passes if it parses and calls what is defined."""

    def __init__(self) -> None:
        self.programs: list[Program] = []

    def __call__(self, programs: Sequence[Program]) -> list[bool]:
        """Whether each would pass."""
        self.programs += programs
        return [self._passes(program) for program in programs]

    def _passes(self, program: Program) -> bool:
        names: dict[str, object] = {}
        try:
            exec(program.source + "\n" + program.tests[0], names)
        except (SyntaxError, NameError, AssertionError):
            return False
        return True


def by_name(shares: Sequence[Share]) -> dict[str, Share]:
    """Shares by name."""
    return {share.name: share for share in shares}


def test_invalid_and_vacuous_variants_are_counted_by_recipe(release: Path) -> None:
    """Damaged prompts and solutions that call the old name are invalid; unchanged prompts and trees are vacuous."""
    found = by_name(invalid_shares(load(release), Judge()).recipes)
    counts = {
        name: (each.num_variants, each.num_changed, each.num_vacuous, each.num_invalid, each.num_mended)
        for name, each in found.items()
    }
    assert counts == {
        "recode_synonym_insertion": (2, 1, 1, 1, 0),
        "recode_func_change_char": (2, 1, 1, 1, 1),
        "recode_operand_swap": (2, 2, 2, 0, 0),
        "recode_tab_indent": (2, 2, 0, 2, 2),
    }
    assert found["recode_synonym_insertion"].invalid_tasks == ("HumanEval/0",)
    assert found["recode_synonym_insertion"].invalid_share == 0.5


def test_ceiling_is_the_share_of_problems_without_an_invalid_variant(release: Path) -> None:
    """What an unchanged right answer scores, category by category."""
    ceilings = invalid_shares(load(release), Judge()).ceilings
    assert [(each.category, each.robust_pass, each.mended_robust_pass) for each in ceilings] == [
        ("docstring", 0.5, 0.5),
        ("function", 0.5, 1.0),
        ("syntax", 1.0, 1.0),
        ("format", 0.0, 1.0),
    ]


def test_the_gate_leaves_out_what_is_damaged_or_unchanged(release: Path) -> None:
    """A hidden half that does not fit is no fault of the prompt: those variants stay."""
    found = [each for each in gated(load(release), Judge()).variants if each.task_id == "HumanEval/0"]
    kept = [each.name for each in found if each.finding.reason == "kept"]
    assert sorted(kept) == sorted(["recode_func_change_char.s0", HALF, "recode_tab_indent.s0"])


def test_problem_whose_nominal_reference_fails_is_left_out(release: Path) -> None:
    """Nothing can be proven of its variants."""
    wrong = row(1, solution="    return 3\n")
    write(release.parent / "nominal" / "HumanEval.jsonl", [row(0), wrong])
    shares = invalid_shares(load(release), Judge())
    assert shares.unverified == ("HumanEval/1",)
    assert {share.num_variants for share in shares.recipes} == {1}


def test_programs_that_differ_in_layout_alone_run_once(release: Path) -> None:
    """A changed docstring cannot change a verdict."""
    judge = Judge()
    invalid_shares(load(release, category="docstring"), judge)
    assert len(judge.programs) == 2


MEASURED = {
    "recode_butter_fingers": 0,
    "recode_synonym_substitution": 88,
    "recode_whitespace": 17,
    "recode_func_camel_case": 1,
    "recode_func_change_char": 2,
    "recode_dead_code": 5,
    "recode_for_while": 6,
    "recode_tab_indent": 164,
    "recode_split_lines": 7,
    "recode_new_lines": 0,
}
"""Of 164 variants of seed 0 each, how many references no longer pass."""


@pytest.fixture(scope="module")
def released(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> ReCode:
    """Released files of HumanEval, seed 0."""
    folder = shared_data / "recode"
    if not folder.is_dir():
        pytest.skip(f"ReCode's files are not here: {folder} does not exist")
    loaded = load_benchmark("recode", {"data": folder / "perturbed"}, tmp_path_factory.mktemp("cache"))
    assert isinstance(loaded, ReCode)
    return loaded


def test_released_files_are_read_whole(released: ReCode) -> None:
    """164 nominal problems, as many partial ones, and ten recipes."""
    counts: dict[str, int] = {}
    for problem in released.problems():
        counts[problem.variant] = counts.get(problem.variant, 0) + 1
    assert counts == dict.fromkeys((NOMINAL, HALF, *(f"{name}.s0" for name in MEASURED)), 164)


@pytest.mark.conformance
def test_released_variants_are_as_invalid_as_was_measured(released: ReCode, sandbox: Sandbox) -> None:
    """Every reference is executed; categories have the recipes and the one seed that lie in the folder."""
    shares: Shares = invalid_shares(released, lambda programs: [sandbox.run(program).passed for program in programs])
    assert shares.unverified == ()
    assert {share.name: share.num_invalid for share in shares.recipes} == MEASURED
    ceilings = {each.category: round(100 * each.robust_pass, 1) for each in shares.ceilings}
    assert ceilings == {"docstring": 46.3, "function": 98.8, "syntax": 95.1, "format": 0.0}
