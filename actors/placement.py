"""Where model replicas go: how many there are, which GPUs each has, and how its engine spreads over them.

A replica whose GPUs fit into one node is one actor that asks for them all: Ray gives an actor the resources of a single
node only, which is what a STRICT_PACK placement group would say. A larger one is an actor without GPUs in a placement
group of its own, with one bundle per GPU, packed onto as few nodes as can be; its engine starts Ray workers in there.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import ray
from ray.util.placement_group import placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from actors.models import LOCAL_KINDS, ModelSpec
from actors.options import GeneratorOptions
from runners.errors import UserError

Executor = Literal["uni", "mp", "ray"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """The replicas of one model."""

    replicas: int
    gpus_per_replica: int
    """GPUs that one replica's engine uses; 0 on CPUs."""
    spans_nodes: bool = False
    threads: int | None = None
    """CPU threads of a replica that has no GPU; None leaves it to the back end."""

    @property
    def executor(self) -> Executor:
        """How vLLM's engine runs its workers: in its own process, in processes of its node, or as Ray actors."""
        if self.spans_nodes:
            return "ray"
        return "mp" if self.gpus_per_replica > 1 else "uni"

    @property
    def actor_gpus(self) -> float:
        """GPUs that the actor itself asks Ray for."""
        return 0.0 if self.spans_nodes else float(self.gpus_per_replica)

    def applied_to(self, options: GeneratorOptions) -> GeneratorOptions:
        """The options with what the cluster decides: threads on CPUs, and how an engine spreads over its GPUs."""
        engine = {"distributed_executor_backend": self.executor, **options.engine}
        return options.model_copy(update={"engine": engine, "threads": options.threads or self.threads})

    def actor_arguments(self) -> Callable[[], dict[str, Any]] | None:
        """What each new actor's Ray options are made by, where a replica spans nodes; else None."""
        return self._in_own_group if self.spans_nodes else None

    def _in_own_group(self) -> dict[str, Any]:
        group = placement_group([{"GPU": 1.0}] * self.gpus_per_replica, strategy="PACK")
        return {
            "scheduling_strategy": PlacementGroupSchedulingStrategy(group, placement_group_capture_child_tasks=True)
        }


def place_replicas(
    spec: ModelSpec,
    options: GeneratorOptions,
    asked: int | str,
    gpus_of_node: Sequence[int],
    cpus_of_node: Sequence[int],
) -> Placement:
    """Decide for one model on one cluster.

    Args:
        spec: the model.
        options: its tensor and pipeline parallel sizes.
        asked: replicas, or `auto`: all GPUs / (tensor x pipeline), else one.
        gpus_of_node: GPUs of each node.
        cpus_of_node: CPUs of each node.

    Raises:
        UserError: the cluster has too few GPUs for what is asked.
    """
    if spec.kind not in LOCAL_KINDS:
        return Placement(replicas=1 if asked == "auto" else int(asked), gpus_per_replica=0)
    if not sum(gpus_of_node):
        return _on_cpus(1 if asked == "auto" else int(asked), options, cpus_of_node)
    world = options.tensor_parallel_size * options.pipeline_parallel_size if spec.kind == "vllm" else 1
    fitting = sum(count // world for count in gpus_of_node)
    spans = fitting == 0
    possible = sum(gpus_of_node) // world if spans else fitting
    replicas = possible if asked == "auto" else int(asked)
    if not 0 < replicas <= possible:
        raise UserError(
            f"model.replicas {asked} x tensor_parallel_size x pipeline_parallel_size {world}: needs "
            f"{max(replicas, 1) * world} GPUs and the cluster has {sum(gpus_of_node)} ({possible} replicas fit). "
            "Lower one of them."
        )
    return Placement(replicas=replicas, gpus_per_replica=world, spans_nodes=spans)


def _on_cpus(replicas: int, options: GeneratorOptions, cpus_of_node: Sequence[int]) -> Placement:
    """Replicas share the CPUs of a node; Ray alone would give each a single thread."""
    per_node = -(-replicas // max(1, len(cpus_of_node)))
    threads = options.threads or max(1, min(cpus_of_node, default=1) // per_node)
    return Placement(replicas=replicas, gpus_per_replica=0, threads=threads)


def cluster_nodes() -> tuple[list[int], list[int]]:
    """GPUs and CPUs of each node that is alive, the largest first."""
    alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return (
        sorted((int(resources.get("GPU", 0)) for resources in alive), reverse=True),
        sorted((int(resources.get("CPU", 0)) or os.cpu_count() or 1 for resources in alive), reverse=True),
    )
