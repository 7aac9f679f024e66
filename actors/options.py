"""How back ends are loaded and asked: the options of `model` in a configuration."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class GeneratorOptions(BaseModel):
    """How a back end is loaded and asked; each back end reads the fields that concern it."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    dtype: str = "auto"
    """transformers, vllm: `auto` (what the checkpoint says), `float32`, `bfloat16` or `float16`."""
    device: str = "auto"
    """transformers: `auto`, `cpu`, `cuda` or `cuda:N`."""
    batch_size: int = Field(default=16, ge=1)
    """transformers: samples generated together."""
    max_model_len: int | None = Field(default=None, ge=1)
    """transformers, vllm: tokens of prompt and completion together; None is what the checkpoint says."""
    chat_template: str | None = None
    """transformers, vllm: a Jinja template, or the path of a file with one, in place of the tokenizer's own."""
    trust_remote_code: bool = False
    """transformers, vllm: whether Python code that lies in the checkpoint may run in this process."""
    threads: int | None = Field(default=None, ge=1)
    """transformers, vllm on CPUs: threads of a replica; None is its part of the node's CPUs."""
    tensor_parallel_size: int = Field(default=1, ge=1)
    """vllm: GPUs that each layer is spread over."""
    pipeline_parallel_size: int = Field(default=1, ge=1)
    """vllm: groups of GPUs that the layers are spread over, one after the other."""
    quantization: str | None = None
    """vllm: how weights are quantised (`fp8`, `awq`, `gptq`, ...); None is what the checkpoint says."""
    gpu_memory_utilization: float | None = Field(default=None, gt=0, le=1)
    """vllm: share of a GPU's memory that weights and cache may take; None is vLLM's own default."""
    lora: str | None = None
    """vllm: folder of a LoRA adapter that is laid over the model."""
    stream_every: int = Field(default=8, ge=1)
    """vllm: of so many requests one is watched token by token, for the inter-token latency."""
    engine: dict[str, Any] = Field(default_factory=dict)
    """vllm: any other engine argument by its own name."""
    api_key_env: str = "OPENAI_API_KEY"
    """openai: name of the environment variable that holds the key; unset or empty sends no key."""
    concurrency: int = Field(default=32, ge=1)
    """openai: requests in flight at once, per generator."""
    timeout_seconds: float = Field(default=600.0, gt=0)
    """openai: longest silence of the server within one request."""
    max_retries: int = Field(default=6, ge=0)
    """openai: further attempts after the first; their waits add up to about a minute at the default."""
    extra_body: dict[str, Any] = Field(default_factory=dict)
    """openai: fields added to each request's body; null takes a field out."""
    allow_missing: bool = False
    """replay: score the tasks that have samples and count the others as missing."""
    allow_unknown: bool = False
    """replay: pass over samples of tasks that the benchmark does not have."""
