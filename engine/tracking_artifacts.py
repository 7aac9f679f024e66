"""The files of a run that MLflow keeps: sent where they are new or changed, left alone where they are not."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from engine.asked import PROBLEMS_FILE
from engine.places import REPORT_FILE, VARIANTS_FILE
from engine.store import METRICS_FILE, RUN_FILE, read_run
from engine.tracking_files import redact, write_samples
from engine.tracking_records import PushedRun
from engine.tracking_runs import set_tags
from engine.tracking_tables import FAILURES, FLIPS

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

ARTIFACTS = "codeassay.artifacts"
SAMPLES_FILE = "samples.parquet"


def log_artifacts(client: MlflowClient, run: PushedRun, target: Run, tables: Mapping[str, str]) -> int:
    """Send what differs from what was sent before; gives how many files.

    Args:
        client: of the server.
        run: what is pushed.
        target: its MLflow run; a tag of it tells digests of what it has.
        tables: texts of FAILURES and FLIPS, those that there are.

    Raises:
        DataError: run.json is damaged.
    """
    known: dict[str, str] = json.loads(target.data.tags.get(ARTIFACTS, "{}"))
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        _write_all(run, tables, directory)
        files = sorted(path for path in directory.rglob("*") if path.is_file())
        digests = {path.relative_to(directory).as_posix(): _digest(path) for path in files}
        changed = [name for name, digest in digests.items() if known.get(name) != digest]
        for each in changed:
            folder = each.rpartition("/")[0]
            client.log_artifact(target.info.run_id, str(directory / each), folder or None)
    shown = [{"path": name, "type": "table"} for name in (FAILURES, FLIPS) if name in digests]
    set_tags(client, target, {ARTIFACTS: json.dumps(digests), "mlflow.loggedArtifacts": json.dumps(shown)})
    return len(changed)


def _write_all(run: PushedRun, tables: Mapping[str, str], directory: Path) -> None:
    """Everything as it is to be there, without secrets."""
    (directory / METRICS_FILE).write_text(run.metrics.to_json())
    (directory / "config.yaml").write_text(yaml.safe_dump(redact(run.config), sort_keys=False))
    (directory / "env.json").write_text(json.dumps(redact(run.env), indent=2) + "\n")
    if told := read_run(run.run_dir):
        (directory / RUN_FILE).write_text(json.dumps(redact(told), indent=2) + "\n")
    write_samples(sorted(run.samples_dir.glob("part-*.parquet")), directory / SAMPLES_FILE)
    for file in (PROBLEMS_FILE, VARIANTS_FILE):
        if (run.run_dir / file).exists():
            shutil.copyfile(run.run_dir / file, directory / file)
    if (run.run_dir / REPORT_FILE).exists():
        (directory / REPORT_FILE).parent.mkdir(exist_ok=True)
        page = (run.run_dir / REPORT_FILE).read_text(encoding="utf-8")
        (directory / REPORT_FILE).write_text(redact(page), encoding="utf-8")
    for name, text in tables.items():
        (directory / name).write_text(text, encoding="utf-8")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
