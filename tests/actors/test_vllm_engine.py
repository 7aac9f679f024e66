from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from actors.options import GeneratorOptions
from actors.vllm_engine import ENVIRONMENT, engine_arguments, lora_rank, prepare_environment
from actors.vllm_errors import EngineLog, explain
from runners.errors import DataError, UserError

KNOWN = (
    *("model", "dtype", "max_model_len", "tensor_parallel_size", "pipeline_parallel_size", "quantization"),
    *("gpu_memory_utilization", "trust_remote_code", "disable_log_stats", "enable_lora", "max_lora_rank"),
    *("max_num_seqs", "enforce_eager", "distributed_executor_backend", "stream_interval"),
)


def test_options_become_engine_arguments() -> None:
    """Each option is passed by vLLM's name; those not set are left to vLLM, other arguments go through."""
    options = GeneratorOptions(
        dtype="bfloat16", tensor_parallel_size=2, quantization="fp8", engine={"max_num_seqs": 64, "enforce_eager": True}
    )
    assert engine_arguments("/m", options, KNOWN) == {
        "model": "/m",
        "dtype": "bfloat16",
        "tensor_parallel_size": 2,
        "pipeline_parallel_size": 1,
        "quantization": "fp8",
        "trust_remote_code": False,
        "disable_log_stats": False,
        "max_num_seqs": 64,
        "enforce_eager": True,
    }


REFUSED = {
    "max_num_seq": r"model\.engine\.max_num_seq: this vLLM has no such engine argument\. Did you mean max_num_seqs\?",
    "quantization": r"model\.engine\.quantization: set model\.quantization instead",
    "model": r"model\.engine\.model: set --model instead",
    "disable_log_stats": r"cannot be set, since latencies are read from it",
}


@pytest.mark.parametrize(("name", "message"), REFUSED.items(), ids=REFUSED)
def test_engine_argument_that_is_not_ours_to_pass_names_the_cure(name: str, message: str) -> None:
    """An unknown name is answered with the nearest one, a name with an option of its own with that option."""
    with pytest.raises(UserError, match=message):
        engine_arguments("/m", GeneratorOptions(engine={name: 1}), KNOWN)


def _adapter(folder: Path, config: object) -> Path:
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize(("rank", "room"), [(1, 1), (4, 8), (16, 16), (17, 32), (512, 512)])
def test_adapter_gets_the_room_that_its_rank_needs(tmp_path: Path, rank: int, room: int) -> None:
    """There is room for certain ranks only: the next larger one is taken."""
    options = GeneratorOptions(lora=str(_adapter(tmp_path, {"r": rank})))
    arguments = engine_arguments("/m", options, KNOWN)
    assert (arguments["enable_lora"], arguments["max_lora_rank"]) == (True, room)


@pytest.mark.parametrize("config", [{"r": 513}, {}, {"r": "x"}, []])
def test_adapter_without_a_usable_rank_is_refused(tmp_path: Path, config: object) -> None:
    """The message names the file and the field."""
    with pytest.raises(DataError, match=r"adapter_config\.json: field 'r'"):
        lora_rank(_adapter(tmp_path, config))
    with pytest.raises(DataError, match="cannot be read"):
        lora_rank(tmp_path / "elsewhere")


def test_environment_of_the_user_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is set stays; threads are an option and are set as it says."""
    for name in (*ENVIRONMENT, "VLLM_CPU_KVCACHE_SPACE", "OMP_NUM_THREADS"):
        monkeypatch.setenv(name, "to be restored")
        monkeypatch.delenv(name)
    monkeypatch.setenv("VLLM_LOGGING_LEVEL", "DEBUG")
    prepare_environment(GeneratorOptions(threads=3))
    assert (os.environ["VLLM_LOGGING_LEVEL"], os.environ["OMP_NUM_THREADS"]) == ("DEBUG", "3")
    assert os.environ["VLLM_CPU_OMP_THREADS_BIND"] == "nobind"
    assert int(os.environ["VLLM_CPU_KVCACHE_SPACE"]) >= 1


def test_share_of_memory_is_not_overridden(monkeypatch: pytest.MonkeyPatch) -> None:
    """On CPUs a fixed size of the cache would beat gpu_memory_utilization, so none is set beside that."""
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "to be restored")
    monkeypatch.delenv("VLLM_CPU_KVCACHE_SPACE")
    for name in ENVIRONMENT:
        monkeypatch.setenv(name, ENVIRONMENT[name])
    prepare_environment(GeneratorOptions(gpu_memory_utilization=0.3))
    assert "VLLM_CPU_KVCACHE_SPACE" not in os.environ


def test_log_of_children_is_passed_on_and_kept(capfd: pytest.CaptureFixture[str]) -> None:
    """What a child writes to stderr reaches stderr and is kept; what is written outside is not touched."""
    log = EngineLog()
    with log.collecting():
        os.system("echo cause of it >&2")
    os.system("echo outside >&2")
    log.close()
    log.close()
    assert log.text() == "cause of it\n"
    assert set(capfd.readouterr().err.splitlines()) == {"cause of it", "outside"}


NO_ROOM = (
    "(EngineCore pid=5681) ERROR 11-23 03:06:51 [core.py:1510] ValueError: To serve at least one request with the "
    "model's max seq len (1000000), (3.81 GiB KV cache is needed, which is larger than the available KV cache memory "
    "(1.0 GiB). Based on the available memory, the estimated maximum model length is 262016. Try increasing "
    "`gpu_memory_utilization` (which also controls CPU memory on the CPU backend) or decreasing `max_model_len` when "
    "initializing the engine.\n"
)
"""What vLLM 0.32 wrote for a context of a million tokens in a cache of 1 GiB."""

REASONS = {
    NO_ROOM: r"model\.max_model_len 1000000: .*\(262016 tokens would fit\).*VLLM_CPU_KVCACHE_SPACE",
    NO_ROOM.replace("Based on the available memory, the estimated", "The"): r"does not fit into memory\. Lower",
    "ValueError: No available memory for the cache blocks. Try increasing": r"model\.gpu_memory_utilization or",
    "ValueError: Free memory on device cuda:0 (3.1/79.2 GiB) on startup is less than desired GPU memory utilization": (
        r"other processes hold memory.*cuda:0 \(3\.1/79\.2 GiB\).*Lower model\.gpu_memory_utilization"
    ),
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.": r"model\.tensor_parallel_size or set",
    "Value error, User-specified max_model_len (100000) is greater than the derived max_model_len "
    "(max_position_embeddings=2048.0 or model_max_length=None in model's config.json).": (
        r"model\.max_model_len 100000 is more than this model was made for \(2048\)"
    ),
    "Value error, Total number of attention heads (2) must be divisible by tensor parallel size (3).": (
        r"Take another model\.tensor_parallel_size"
    ),
    "Value error, Cannot find the config file for awq [type=value_error, input_value=ArgsKwargs(())]": (
        r"model\.quantization: Cannot find the config file for awq\. Leave it out"
    ),
    "Model architectures ['NewForCausalLM'] are not supported for now.": r"NewForCausalLM'?\. Use transformers:PATH",
}


@pytest.mark.parametrize(("log", "message"), REASONS.items(), ids=range(len(REASONS)))
def test_why_an_engine_failed_names_the_setting_to_change(log: str, message: str) -> None:
    """The reason is found in the log of the child process, whatever the parent was told."""
    told = explain(log, RuntimeError("Engine core initialization failed. See root cause above."))
    assert re.search(message, told)
    assert "\n" not in told


def test_unknown_reason_is_told_as_it_stands() -> None:
    """The last exception that is no mere symptom, without its stack trace."""
    log = (
        "(EngineCore pid=7) ERROR 11-23 03:06:51 [core.py:15] KeyError: 'layers.0.bias'\n  File x, line 3\n"
        "RuntimeError: Engine core initialization failed. See root cause above.\n"
    )
    told = explain(log, RuntimeError("Engine core initialization failed."))
    assert told.startswith("vLLM's engine failed: KeyError: 'layers.0.bias'. Its log")
    assert "its processes ended" in explain("")
