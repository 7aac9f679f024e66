from __future__ import annotations

import pytest

from actors.models import ModelSpec
from actors.options import GeneratorOptions
from actors.placement import place_replicas
from runners.errors import UserError

VLLM = ModelSpec(kind="vllm", target="ckpt")
LOCAL = ModelSpec(kind="transformers", target="ckpt")
ENDPOINT = ModelSpec(kind="openai", target="http://h/v1", model="m")


def _options(tp: int = 1, pp: int = 1) -> GeneratorOptions:
    return GeneratorOptions(tensor_parallel_size=tp, pipeline_parallel_size=pp)


@pytest.mark.parametrize(
    ("tp", "pp", "gpus", "replicas"),
    [(1, 1, [8, 8], 16), (2, 1, [8], 4), (2, 2, [8, 4], 3), (4, 1, [6, 6], 2), (8, 1, [8, 8], 2)],
)
def test_auto_takes_all_gpus_that_whole_replicas_can_have(tp: int, pp: int, gpus: list[int], replicas: int) -> None:
    """A replica stays within a node where one fits; GPUs that are left over in a node stay idle."""
    placed = place_replicas(VLLM, _options(tp, pp), "auto", gpus, [64] * len(gpus))
    assert (placed.replicas, placed.gpus_per_replica, placed.spans_nodes) == (replicas, tp * pp, False)
    assert placed.actor_gpus == tp * pp
    assert placed.executor == ("uni" if tp * pp == 1 else "mp")
    assert placed.actor_arguments() is None


def test_a_replica_larger_than_a_node_spans_nodes() -> None:
    """Its actor asks for no GPU itself; its engine has Ray workers in a placement group of its own."""
    placed = place_replicas(VLLM, _options(16), "auto", [8, 8, 8, 8], [64] * 4)
    assert (placed.replicas, placed.spans_nodes, placed.actor_gpus, placed.executor) == (2, True, 0.0, "ray")
    assert placed.actor_arguments() is not None


def test_too_few_gpus_are_told_with_the_numbers() -> None:
    """More replicas than fit would wait for ever; the message says what there is."""
    with pytest.raises(UserError, match="needs 12 GPUs and the cluster has 8"):
        place_replicas(VLLM, _options(4), 3, [8], [64])
    with pytest.raises(UserError, match="needs 16 GPUs and the cluster has 8"):
        place_replicas(VLLM, _options(16), "auto", [8], [64])


def test_replicas_on_cpus_share_the_threads_of_a_node() -> None:
    """Ray gives an actor without CPUs one thread; here each replica gets its part of the node."""
    assert place_replicas(VLLM, _options(), "auto", [0], [8]).threads == 8
    assert place_replicas(LOCAL, _options(), 2, [0], [8]).threads == 4
    assert place_replicas(LOCAL, _options(), 4, [0, 0], [8, 6]).threads == 3
    assert place_replicas(LOCAL, GeneratorOptions(threads=1), 1, [0], [8]).threads == 1


def test_an_endpoint_asks_the_cluster_for_nothing() -> None:
    """Endpoints and stored samples take no GPU however many there are."""
    placed = place_replicas(ENDPOINT, _options(), "auto", [8], [64])
    assert (placed.replicas, placed.actor_gpus, placed.threads) == (1, 0.0, None)


def test_other_local_back_ends_take_one_gpu_each() -> None:
    """Back end transformers has no tensor parallelism here."""
    assert place_replicas(LOCAL, _options(4), "auto", [2, 1], [8, 8]).replicas == 3


def test_the_cluster_decides_only_what_the_user_left_open() -> None:
    """Engine arguments and threads that are given stay."""
    placed = place_replicas(VLLM, _options(2), "auto", [8], [64])
    assert placed.applied_to(_options(2)).engine == {"distributed_executor_backend": "mp"}
    own = GeneratorOptions(engine={"distributed_executor_backend": "ray"}, threads=3)
    assert place_replicas(VLLM, own, 1, [0], [8]).applied_to(own) == own
