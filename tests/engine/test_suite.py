from __future__ import annotations

from pathlib import Path

import pytest

from engine.suite import built_in_suites, load_config
from runners.errors import UserError


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text("benchmarks:\n  - name: starter\ngeneration:\n  n: 3\nreport:\n")
    return path


def _error(*targets: str, flags: dict[str, object] | None = None, settings: tuple[str, ...] = ()) -> str:
    with pytest.raises(UserError) as error:
        load_config(targets, flags or {}, settings)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_later_sources_win(suite: Path) -> None:
    """A suite file gives values, flags replace them, --set replaces both; flags that were not given change nothing."""
    config = load_config([str(suite)], {"generation.n": 4, "limit": None}, ["generation.n=5", "limit=2"])
    assert (config.suite, config.generation.n, config.limit) == ("mine", 5, 2)
    assert load_config([str(suite)], {"generation.n": 4}, []).generation.n == 4
    assert load_config([str(suite)], {}, []).generation.n == 3


def test_a_benchmark_reads_alike_from_command_line_and_suite(tmp_path: Path) -> None:
    """The same benchmark has the same options and the same label, however it was asked for."""
    path = tmp_path / "s.yaml"
    path.write_text("benchmarks: [{name: mbpp, subset: sanitized, split: all}]")
    for spec in ("mbpp:sanitized,split=all", "mbpp:subset=sanitized,split=all"):
        named, written = load_config([spec], {}, []).benchmarks[0], load_config([str(path)], {}, []).benchmarks[0]
        assert named.options() == written.options() == {"subset": "sanitized", "split": "all"}
        assert named.metric_label == written.metric_label == "mbpp:sanitized:all"


def test_several_benchmarks_make_a_suite_of_their_labels() -> None:
    """Without a suite file the suite is called by its benchmarks; a path in an option is not in the name."""
    config = load_config(["starter:data=/tmp/x.jsonl", "mbpp:full"], {}, [])
    assert config.suite == "starter+mbpp:full"
    assert config.benchmarks[0].data == Path("/tmp/x.jsonl")


def test_data_goes_to_the_only_benchmark() -> None:
    """--data is the file or folder of one benchmark."""
    assert load_config(["starter"], {}, [], Path("/tmp/x")).benchmarks[0].data == Path("/tmp/x")


def test_several_benchmarks_find_their_folders_in_one(tmp_path: Path) -> None:
    """Of a folder each benchmark gets the folder of its name; where there is none it is a fault with the cure."""
    (tmp_path / "starter").mkdir()
    with pytest.raises(UserError, match=r"there is no .*/mbpp\. Or use --set benchmarks\.0\.data=PATH"):
        load_config(["starter", "mbpp"], {}, [], tmp_path)
    (tmp_path / "mbpp").mkdir()
    entries = load_config(["starter", "mbpp:full", "mbpp:data=/tmp/own.json"], {}, [], tmp_path).benchmarks
    assert [entry.data for entry in entries] == [tmp_path / "starter", tmp_path / "mbpp", Path("/tmp/own.json")]


def test_list_items_are_set_by_number(suite: Path) -> None:
    """`benchmarks.0.x` reaches into a suite."""
    config = load_config([str(suite)], {}, ["benchmarks.0.difficulty=easy"])
    assert config.benchmarks[0].options() == {"difficulty": "easy"}


def test_built_in_suites_load() -> None:
    """Every suite of the package is a valid configuration under its own name."""
    assert built_in_suites()
    for name in built_in_suites():
        assert load_config([name], {}, []).suite == name


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("limitt=3", ["--set: limitt: unknown key", "did you mean 'limit'?"]),
        ("generation.temprature=1", ["--set: generation.temprature: unknown key", "'temperature'"]),
        ("model.dtpe=auto", ["--set: model.dtpe: unknown key", "'dtype'"]),
        ("generation.zzz=1", ["generation.zzz: unknown key; known: max_tokens, n, seed"]),
        ("generation.n=many", ["--set: generation.n:", "valid integer", "(got 'many')"]),
        ("generation.n=0", ["generation.n:", "greater than or equal to 1", "(got 0)"]),
        ("execution.workers=0", ["--set: execution.workers: ", "'auto'", "(got 0)"]),
        ("model.replicas=x", ["--set: model.replicas: ", "'auto'", "(got 'x')"]),
        ("execution.cpu_seconds=.inf", ["execution.cpu_seconds", "finite", "(got inf)"]),
        ("report.seed=-1", ["report.seed", "(got -1)"]),
        ("report.k=[]", ["report.k", "at least 1 item"]),
        ("generation=5", ["--set: generation: needs keys of its own", "(got 5)"]),
        ("suite=2024-99-99", ["--set suite=2024-99-99: not valid YAML", "month"]),
        ("limit", ["--set limit: no '='"]),
        ("suite.x=1", ["--set: suite.x: 'suite' is a value, not a section"]),
        ("benchmarks.4.name=x", ["--set: benchmarks.4.name: '4' is no number", "there are 1"]),
        ("benchmarks.0=x", ["--set: benchmarks.0: name a key inside the list item"]),
        ("benchmarks.0.label=a/b", ["benchmarks.0.label", "(got 'a/b')"]),
        ("benchmarks.0.label=overall", ["benchmarks.0.label", "the totals of a run have this name"]),
    ],
)
def test_a_wrong_setting_is_named(setting: str, expected: list[str]) -> None:
    """One line: where it came from, the key, the rule, the value, and the nearest that exists."""
    message = _error("starter", settings=(setting,))
    assert all(part in message for part in expected), message


def test_a_wrong_flag_is_of_the_command_line(suite: Path) -> None:
    """A flag's value is not blamed on the suite file, nor the file's on a flag."""
    assert _error(str(suite), flags={"limit": 0}).startswith("command line: limit: ")
    suite.write_text("benchmarks: [{name: starter}]\nlimit: 0\n")
    assert _error(str(suite), flags={"generation.n": 2}).startswith(f"{suite}: limit: ")


def test_all_faults_are_told_at_once() -> None:
    """Two wrong keys are two complaints in one line."""
    message = _error("starter", settings=("limit=0", "generation.n=0"))
    assert "limit: " in message
    assert "generation.n: " in message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("benchmarks: [", ":1: not valid YAML"),
        ("suite: x\nbenchmarks:\n  - name: a\n name: b\n", ":4: not valid YAML"),
        ("limit: 1\nlimit: 2\nbenchmarks: [{name: starter}]", ":2: not valid YAML: key 'limit' stands twice"),
        ("benchmarks: [\x01]", "not valid YAML: unacceptable character"),
        ("- starter", "a suite is a mapping"),
        ("", "a suite is a mapping"),
        ("benchmarks: []", "benchmarks: List should have at least 1 item"),
        ("suite: x", "benchmarks: required and not given"),
        ("benchmarks: [starter]", "benchmarks.0: needs keys of its own, e.g. `- name: starter` (got 'starter')"),
        ("benchmarks: [{label: a}]", "benchmarks.0.name: required"),
        ("benchmarks: [{name: starter}]\ngenration: {n: 1}", "genration: unknown key; did you mean 'generation'?"),
    ],
)
def test_a_wrong_suite_file_is_named(suite: Path, text: str, expected: str) -> None:
    """The file, the line where YAML has one, the key and the rule."""
    suite.write_text(text)
    message = _error(str(suite))
    assert message.startswith(str(suite))
    assert expected in message


def test_a_suite_that_is_no_text_is_named(suite: Path) -> None:
    """A binary file is no suite."""
    suite.write_bytes(b"\xff\xfe\x00")
    assert _error(str(suite)) == f"{suite}: not UTF-8 text. A suite is a YAML file."


def test_a_missing_suite_file_is_named(tmp_path: Path) -> None:
    """A path that is not there says so, and where names are to be had."""
    assert "No such file" in _error(str(tmp_path / "no.yaml"))
    assert "codeassay list" in _error(str(tmp_path / "no.yaml"))


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        (("humanevl",), "There is no benchmark 'humanevl'. Did you mean 'humaneval'?"),
        (("smok",), "There is a suite 'smoke'."),
        (("smoke", "starter"), "'smoke' is a suite and cannot be joined"),
        (("starter", "smoke"), "'smoke' is a suite and cannot be joined"),
        (("x" * 300,), "There is no benchmark"),
        (("",), "There is no benchmark ''"),
        (("starter:easier",), "easier"),
        (("mbpp:subst=full",), "Did you mean 'subset'?"),
    ],
)
def test_a_wrong_target_is_named(targets: tuple[str, ...], expected: str) -> None:
    """Unknown benchmarks, options and combinations name what was meant."""
    assert expected in _error(*targets)


def test_data_cannot_go_to_an_entry_that_is_no_mapping(suite: Path) -> None:
    """A suite that lists bare names is refused with --data too."""
    suite.write_text("benchmarks: [starter]")
    with pytest.raises(UserError, match="--data"):
        load_config([str(suite)], {}, [], Path("/tmp/x"))
