"""How runs lie in MLflow: parent, nested runs, trajectory, tables, traces; in a database file and behind a server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from engine import tracking_tables, tracking_traces
from engine.publish import push_run
from engine.run import load_outcome
from engine.tracking_metrics import MOST_METRICS, benchmark_metrics, headlines, parent_metrics
from engine.tracking_records import PushResult
from tests.engine.finished_runs import finished_run
from tests.engine.mlflow_server import Server
from tests.engine.rows import sample_row

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

pytestmark = pytest.mark.slow

TASKS = [f"t{number:02}" for number in range(30)]
BOTH = ("humaneval", "mbpp")
SECRET = "s3cr3t-of-the-service"


@dataclass(slots=True)
class Place:
    """A store, and the runs of three checkpoints in it, pushed out of order."""

    uri: str
    folder: Path
    client: MlflowClient
    results: dict[int, PushResult]

    def run_of(self, step: int) -> Run:
        """The parent run of a checkpoint."""
        return self.client.get_run(self.results[step].run_id)

    def children(self, step: int) -> list[Run]:
        """The nested runs of a checkpoint."""
        parent = self.results[step]
        return list(self.client.search_runs([parent.experiment_id], f"tags.`mlflow.parentRunId` = '{parent.run_id}'"))

    def artifact(self, step: int, name: str) -> str:
        """The text of an artifact of a checkpoint's run."""
        return Path(self.client.download_artifacts(self.results[step].run_id, name)).read_text(encoding="utf-8")

    def everything(self) -> Any:
        """All that the store holds of our runs."""
        experiment = self.results[1].experiment_id
        return [
            (
                run.info.run_id,
                run.info.status,
                run.info.end_time,
                run.data.tags,
                run.data.params,
                {name: self.history(run, name) for name in run.data.metrics},
                sorted((each.path, each.file_size) for each in self.client.list_artifacts(run.info.run_id)),
                len(run.inputs.dataset_inputs),
            )
            for run in self.client.search_runs([experiment])
        ] + sorted(trace.info.trace_id for trace in self.traces())

    def history(self, run: Run, name: str) -> list[tuple[int, float]]:
        """Every point of a metric: step and value."""
        return [(each.step, each.value) for each in self.client.get_metric_history(run.info.run_id, name)]

    def traces(self) -> list[Any]:
        """All traces of the experiment."""
        experiment = self.results[1].experiment_id
        return list(self.client.search_traces(locations=[experiment], max_results=500))


def checkpoint(folder: Path, step: int, passed: int, **options: Any) -> Path:
    """A run of two benchmarks with thirty problems and four samples each; one error tells a secret."""
    leak = sample_row(TASKS[0], "runtime_error", error=f"KeyError: {SECRET}")
    (folder / f"step-{step}").mkdir(parents=True, exist_ok=True)
    return finished_run(
        folder / f"step-{step}" / "suite-1",
        dict.fromkeys(TASKS, passed),
        4,
        name=f"ft--step-{step}",
        step=step,
        benchmarks=BOTH,
        faults=[leak],
        **options,
    )


@pytest.fixture(scope="module", params=["database", "server"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    from mlflow import MlflowClient

    folder = tmp_path_factory.mktemp(f"layout-{request.param}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CODEASSAY_RUNS", str(folder))
        patch.setenv("MY_SERVICE_TOKEN", SECRET)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        store = f"sqlite:///{folder / 'server.db'}"
        server = Server(store, folder / "files") if request.param == "server" else None
        uri = server.address if server else f"sqlite:///{folder / 'mlflow.db'}"
        patch.setenv("MLFLOW_TRACKING_URI", uri)
        try:
            run_dirs = {step: checkpoint(folder, step, passed) for step, passed in ((1, 0), (2, 2), (3, 4))}
            results = {step: push_run(run_dirs[step]) for step in (1, 3, 2)}
            results[3] = push_run(run_dirs[3])  # the one before it is there now
            yield Place(uri, folder, MlflowClient(tracking_uri=uri), results)
        finally:
            if server:
                server.close()


def test_each_benchmark_is_a_nested_run(place: Place) -> None:
    """Under the run of the suite, with its own dataset and all of its numbers; the parent has the headlines."""
    parent, children = place.run_of(2), place.children(2)
    assert {child.data.tags["codeassay.benchmark"] for child in children} == set(BOTH)
    assert {child.info.run_id for child in children} == set(place.results[2].child_ids)
    for child in children:
        label = child.data.tags["codeassay.benchmark"]
        assert child.data.tags["codeassay.kind"] == "benchmark"
        assert [each.dataset.name for each in child.inputs.dataset_inputs] == [label]
        assert child.data.metrics[f"{label}/pass_at_1"] == parent.data.metrics[f"{label}/pass_at_1"]
        assert all(name.startswith(f"{label}/") for name in child.data.metrics)
    assert parent.data.tags["codeassay.kind"] == "run"


def test_no_run_has_more_metrics_than_one_can_look_at(place: Place) -> None:
    """At most sixty on any, the trajectory too."""
    runs = place.client.search_runs([place.results[1].experiment_id])
    assert len(runs) == 3 * (1 + len(BOTH)) + 1
    assert max(len(run.data.metrics) for run in runs) <= MOST_METRICS


def test_a_training_is_one_curve_over_its_steps(place: Place) -> None:
    """One run whose points are the checkpoints' headlines with their intervals, each once, whatever the order."""
    (found,) = {result.trajectory_id for result in place.results.values()}
    trajectory = place.client.get_run(found)
    assert trajectory.data.tags["codeassay.kind"] == "trajectory"
    assert trajectory.info.run_name == "ft s by step"
    for name in ("humaneval/pass_at_1", "humaneval/pass_at_1.ci_low", "overall/pass_at_1.ci_high"):
        points = [(step, place.run_of(step).data.metrics[name]) for step in (1, 2, 3)]
        assert sorted(place.history(trajectory, name)) == points


def test_pushing_again_changes_nothing(place: Place) -> None:
    """Every run, tag, point, file and trace is as it was."""
    before = place.everything()
    again = push_run(place.folder / "step-2" / "suite-1")
    assert (again.created, again.num_metrics, again.num_artifacts, again.num_traces) == (False, 0, 0, 0)
    assert place.everything() == before


def test_failures_are_a_table_of_the_run(place: Place) -> None:
    """Every problem that failed is in it once before any a second time; secrets are not, and neither are passes."""
    table = json.loads(place.artifact(2, tracking_tables.FAILURES))
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
    assert len(rows) == 2 * 30 * 2 + 1
    assert {(row["benchmark"], row["task_id"]) for row in rows[:61]} == {
        (label, task) for label in BOTH for task in TASKS
    }
    assert {row["status"] for row in rows} == {"wrong_answer", "runtime_error"}
    assert "[redacted]" in next(row["error"] for row in rows if row["status"] == "runtime_error")
    shown = json.loads(place.run_of(2).data.tags["mlflow.loggedArtifacts"])
    assert {"path": "failures.json", "type": "table"} in shown


def test_a_table_keeps_to_its_cap(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """With room for ten rows there are ten, of nine problems, the one with two kinds of failure twice."""
    monkeypatch.setattr(tracking_tables, "MOST_ROWS", 10)
    table = json.loads(tracking_tables.failures_table(place.folder / "step-1" / "suite-1"))
    assert len(table["data"]) == 10
    assert len({row[1] for row in table["data"]}) == 9


def test_a_checkpoint_tells_what_it_won_from_the_one_before(place: Place) -> None:
    """The second solved all that the first did not, but for the problem with an error; the first has none before."""
    table = json.loads(place.artifact(2, tracking_tables.FLIPS))
    assert len(table["data"]) == 2 * len(TASKS) - 1
    assert {row[2] for row in table["data"]} == {"won"}
    assert {tuple(row[4:]) for row in table["data"]} == {(0.0, 0.5)}
    tags = place.run_of(2).data.tags
    assert (tags["codeassay.verdict"], tags["codeassay.compared_with"]) == (
        "humaneval better, mbpp better",
        "ft--step-1",
    )
    assert place.run_of(3).data.tags["codeassay.compared_with"] == "ft--step-2"
    assert "codeassay.verdict" not in place.run_of(1).data.tags


def test_exemplar_traces_lead_from_prompt_to_verdict(place: Place) -> None:
    """A few per run, linked to it: a sample with its generation and its execution inside, at their own times."""
    found = [each for each in place.traces() if each.info.tags["codeassay.status"] == "runtime_error"]
    assert len(place.traces()) == 3 * tracking_traces.MOST_TRACES
    assert len(found) == 3
    trace = place.client.get_trace(found[0].info.trace_id)
    sample, generate, execute = sorted(trace.data.spans, key=lambda span: span.span_id)
    assert (sample.name, generate.name, execute.name) == ("sample", "generate", "execute")
    assert generate.parent_id == execute.parent_id == sample.span_id
    assert sample.inputs == "def f():\n"
    assert generate.attributes["codeassay.completion_tokens"] == 20
    assert trace.info.token_usage == {"input_tokens": 100, "output_tokens": 20, "total_tokens": 120}
    assert [(each.name, each.value) for each in trace.info.assessments] == [("passed", False)]
    assert execute.outputs["status"] == "runtime_error"
    assert SECRET not in str(trace.to_dict())
    assert generate.end_time_ns - generate.start_time_ns == 2_000_000_000
    linked = place.client.search_traces(
        locations=[place.results[1].experiment_id], run_id=place.results[2].run_id, max_results=500
    )
    assert len(linked) == tracking_traces.MOST_TRACES
    assert {each.info.tags["codeassay.benchmark"] for each in linked} == set(BOTH)


def test_a_score_that_falls_is_told(place: Place) -> None:
    """Numbers computed anew take the place of larger ones that have the same time, and are not told twice."""
    run_dir = checkpoint(place.folder / "falling", 1, 3, suite="falling")
    push_run(run_dir)
    worse = checkpoint(place.folder / "fallen", 1, 1, suite="falling")
    (run_dir / "metrics.json").write_text((worse / "metrics.json").read_text())
    result = push_run(run_dir)
    _, metrics = load_outcome(worse)
    assert place.client.get_run(result.run_id).data.metrics == parent_metrics(metrics)
    assert push_run(run_dir).num_metrics == 0


def test_an_outcome_that_a_resumed_run_has_no_more_is_none(place: Place) -> None:
    """Faults that were filled in do not stay on the page of the run, nor of its benchmark."""
    fault = sample_row(TASKS[1], "sandbox_error", benchmark="mbpp")
    short = finished_run(
        place.folder / "short", dict.fromkeys(TASKS, 2), 4, benchmarks=BOTH, faults=[fault], status="incomplete"
    )
    first = push_run(short)
    assert place.client.get_run(first.run_id).data.metrics["statuses/sandbox_error"] == 1
    whole = finished_run(place.folder / "whole", dict.fromkeys(TASKS, 2), 4, benchmarks=BOTH)
    (short / "metrics.json").write_text((whole / "metrics.json").read_text())
    push_run(short)
    runs = [place.client.get_run(each) for each in (first.run_id, *first.child_ids)]
    told = [value for run in runs for name, value in run.data.metrics.items() if name.endswith("sandbox_error")]
    assert told == [0.0, 0.0]


def test_a_checkpoint_that_is_no_longer_complete_leaves_the_curve(place: Place) -> None:
    """What is being filled in again says nothing until it is done; no other point is lost."""
    run_dirs = [checkpoint(place.folder / "leaving", step, step, suite="leaving") for step in (1, 2)]
    trajectory = [push_run(run_dir).trajectory_id for run_dir in run_dirs][-1]
    told = json.loads((run_dirs[1] / "run.json").read_text()) | {"status": "incomplete"}
    (run_dirs[1] / "run.json").write_text(json.dumps(told))
    assert push_run(run_dirs[1]).trajectory_id == ""
    assert place.client.get_run(trajectory).info.lifecycle_stage == "deleted"
    again = place.client.get_run(push_run(run_dirs[0]).trajectory_id)
    assert [step for step, _ in place.history(again, "humaneval/pass_at_1")] == [1]


def test_texts_lose_their_secrets_before_they_are_cut(place: Place) -> None:
    """Half a secret at the end of what is shown would not be known as one."""
    long = "x" * (tracking_tables.MOST_CHARS - 8)
    leak = sample_row(TASKS[0], "runtime_error", program=f"{long}{SECRET}")
    folder = finished_run(place.folder / "cut", dict.fromkeys(TASKS, 4), 4, faults=[leak])
    table = json.loads(tracking_tables.failures_table(folder))
    assert [row[-1] for row in table["data"]] == [f"{long}[redacte"]


def test_a_run_of_stored_samples_has_traces_too(tmp_path: Path) -> None:
    """Nothing is known of how they were generated; they are chosen all the same, benchmarks and outcomes in turn."""
    unknown: dict[str, Any] = {"generation_started_at": None, "generation_seconds": None}
    rows = [sample_row(task, benchmark=label, **unknown) for label in BOTH for task in TASKS]
    chosen = tracking_traces.choose_samples(
        finished_run(tmp_path / "run", dict.fromkeys(TASKS, 1), 4, benchmarks=BOTH, faults=rows)
    )
    kinds = [(row["benchmark"], row["status"]) for row in chosen]
    assert {kinds.count(kind) for kind in kinds} == {tracking_traces.MOST_TRACES // 4}


def test_all_that_a_comparison_needs_is_an_artifact(place: Place) -> None:
    """Another machine can read the run: its record, numbers, samples, prompts; without secrets."""
    names = {each.path for each in place.client.list_artifacts(place.results[1].run_id)}
    assert {"run.json", "metrics.json", "config.yaml", "env.json", "samples.parquet", "problems.parquet"} <= names
    assert json.loads(place.artifact(1, "run.json"))["model"]["name"] == "ft--step-1"


def test_a_report_that_is_there_is_sent(place: Place) -> None:
    """And sent again only when it has changed."""
    page = place.folder / "step-1" / "suite-1" / "report" / "index.html"
    page.parent.mkdir(exist_ok=True)
    page.write_text("<p>one</p>")
    assert [push_run(page.parents[1]).num_artifacts for _ in range(2)] == [1, 0]
    page.write_text("<p>two</p>")
    assert push_run(page.parents[1]).num_artifacts == 1
    assert place.artifact(1, "report/index.html") == "<p>two</p>"
    page.write_text(f"<p>{SECRET}</p>")
    push_run(page.parents[1])
    assert place.artifact(1, "report/index.html") == "<p>[redacted]</p>"


def test_a_run_that_was_resumed_mends_the_curve(place: Place) -> None:
    """Its old value is in no chart any more; the other points are as they were."""
    run_dir = checkpoint(place.folder / "other", 1, 1, suite="other")
    told = json.loads((run_dir / "run.json").read_text()) | {"suite": "other"}
    (run_dir / "run.json").write_text(json.dumps(told))
    first = push_run(run_dir)
    better = checkpoint(place.folder / "better", 1, 3, suite="other")
    (run_dir / "metrics.json").write_text((better / "metrics.json").read_text())
    (run_dir / "run.json").write_text(json.dumps(told | {"finished_at": told["finished_at"] + 60}))
    second = push_run(run_dir)
    assert second.run_id == first.run_id
    trajectory = place.client.get_run(second.trajectory_id)
    points = place.history(trajectory, "humaneval/pass_at_1")
    assert [(step, round(value, 2)) for step, value in points] == [(1, 0.74)]
    old = place.client.get_run(first.trajectory_id)
    assert old.info.lifecycle_stage == "deleted"


def test_incomplete_runs_and_repeats_are_no_points(place: Place) -> None:
    """A run that lacks samples may still change; a repeat would be a second point at its step."""
    unfinished = checkpoint(place.folder / "unfinished", 9, 1, status="incomplete")
    assert push_run(unfinished).trajectory_id == ""
    repeat = checkpoint(place.folder / "repeated", 9, 1)
    renamed = repeat.rename(repeat.with_name("suite-1-repeat-2"))
    told = json.loads((renamed / "run.json").read_text()) | {"run_key": "another"}
    (renamed / "run.json").write_text(json.dumps(told))
    assert push_run(renamed).trajectory_id == ""


def test_the_parent_has_headlines_first_and_the_child_all_of_its_benchmark(tmp_path: Path) -> None:
    """With so many benchmarks that not everything fits, every headline with its interval is there."""
    labels = tuple(f"b{number:02}" for number in range(15))
    _, metrics = load_outcome(finished_run(tmp_path / "run", dict.fromkeys(TASKS, 1), 4, benchmarks=labels))
    told = parent_metrics(metrics)
    assert len(told) == MOST_METRICS
    assert set(headlines(metrics)) <= told.keys()
    own = benchmark_metrics(metrics, "b03")
    assert own["b03/pass_at_1"] == metrics.flat()["b03/pass_at_1"]
    assert own["b03/statuses/passed"] == 30
    assert not [name for name in own if not name.startswith("b03/")]
