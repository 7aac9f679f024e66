"""Make the README's pictures from the runs of `codeassay demo`: the report page, and the same runs in MLflow.

`python -m tests.integration.screenshots [RUNS] [FOLDER]`, or `make screenshots`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from tests.engine.mlflow_server import Server
from tests.integration.browser import chromium, seen

WIDE = {"width": 1280, "height": 800}


def main(arguments: Sequence[str]) -> None:
    """Write the pictures into a folder; needs Chromium and the runs of a demo."""
    runs = Path(arguments[0] if arguments else "runs")
    folder = Path(arguments[1] if len(arguments) > 1 else "engine/images")
    folder.mkdir(parents=True, exist_ok=True)
    pages = sorted(runs.glob("reports/*/index.html"), key=lambda path: path.stat().st_mtime)
    if not pages:
        sys.exit(f"{runs}: no report of a sweep. Run `codeassay demo` first, or name where its runs are.")
    _report(pages[-1], folder)
    _mlflow(runs, folder)
    print(f"written to {folder}")


def _report(page: Path, folder: Path) -> None:
    with chromium() as browser:
        with seen(browser, page, viewport=WIDE, color_scheme="light") as found:
            found.page.wait_for_selector("#list .row")
            found.page.screenshot(path=folder / "report.png")
            found.page.locator("#plots").screenshot(path=folder / "report-plots.png")
        with seen(browser, page, viewport=WIDE, color_scheme="dark") as found:
            found.page.wait_for_selector("#list .row")
            found.page.select_option("#flip", "won")
            found.page.locator("#browser").scroll_into_view_if_needed()
            found.page.evaluate("document.querySelector('#browser').scrollIntoView()")
            found.page.screenshot(path=folder / "report-problems.png")


def _mlflow(runs: Path, folder: Path) -> None:
    from mlflow import MlflowClient

    server = Server(f"sqlite:///{(runs / 'mlflow.db').resolve()}", (runs / "mlartifacts").resolve())
    try:
        client = MlflowClient(server.address)
        experiment = client.get_experiment_by_name("demo").experiment_id
        (curve,) = client.search_runs([experiment], "tags.`codeassay.kind` = 'trajectory'", max_results=1)
        paths = {
            "mlflow-curve": (f"runs/{curve.info.run_id}/model-metrics", ".js-plotly-plot .scatterlayer .point"),
            "mlflow-runs": ("runs", "text=demo starter by step"),
        }
        with chromium() as browser:
            for name, (path, selector) in paths.items():
                address = f"{server.address}/#/experiments/{experiment}/{path}"
                with seen(browser, address, viewport={"width": 1600, "height": 800}) as found:
                    found.page.wait_for_selector(selector, state="attached")
                    assistant = found.page.get_by_role("button", name="Close")
                    if assistant.count():
                        assistant.first.click()
                    found.page.wait_for_load_state("domcontentloaded")
                    found.page.screenshot(path=folder / f"{name}.png", animations="disabled")
    finally:
        server.close()


if __name__ == "__main__":
    main(sys.argv[1:])
