from __future__ import annotations

from actors.models import ModelSpec
from actors.options import GeneratorOptions
from actors.pace import pace_of

VLLM = ModelSpec(kind="vllm", target="ckpt")
DEFAULTS = GeneratorOptions()


def test_twice_as_many_samples_are_in_flight_as_the_engine_takes() -> None:
    """While it works on a full batch, as many again wait, so it never runs dry."""
    for n in (1, 4, 16):
        pace = pace_of(VLLM, DEFAULTS, n=n, num_prompts=10_000, num_workers=8)
        assert pace.calls * pace.block_prompts * n >= 2 * 256
    few = pace_of(VLLM, GeneratorOptions(engine={"max_num_seqs": 8}), n=1, num_prompts=10_000, num_workers=8)
    assert few.calls * few.block_prompts == 16


def test_threads_of_an_actor_are_bounded() -> None:
    """However large the back end's batch is."""
    options = GeneratorOptions(engine={"max_num_seqs": 100_000})
    assert pace_of(VLLM, options, n=1, num_prompts=10_000, num_workers=8).calls == 128


def test_a_batch_of_a_model_is_small() -> None:
    """Its first completion is executed when the last of a few prompts is there, not of many."""
    assert pace_of(VLLM, DEFAULTS, n=1, num_prompts=10_000, num_workers=8).block_prompts == 4
    assert pace_of(VLLM, DEFAULTS, n=200, num_prompts=164, num_workers=2).calls == 2


def test_every_executor_gets_several_batches() -> None:
    """A short plan is cut finer, down to one prompt."""
    assert pace_of(VLLM, DEFAULTS, n=1, num_prompts=16, num_workers=8).block_prompts == 1
    stored = ModelSpec(kind="replay", target="f")
    assert pace_of(stored, DEFAULTS, n=1, num_prompts=64, num_workers=2).block_prompts == 4
    assert pace_of(stored, DEFAULTS, n=1, num_prompts=10_000, num_workers=2).block_prompts == 16


def test_an_endpoint_gets_as_many_as_it_may_have() -> None:
    """Its concurrency decides."""
    spec = ModelSpec(kind="openai", target="http://h/v1", model="m")
    pace = pace_of(spec, GeneratorOptions(concurrency=64), n=1, num_prompts=10_000, num_workers=2)
    assert pace.calls * pace.block_prompts >= 128
