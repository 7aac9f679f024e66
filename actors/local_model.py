"""Load a Hugging Face checkpoint into this process, and say plainly what is missing where that fails."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig
from transformers.utils import logging as transformers_logging

from runners.errors import UserError

DTYPES = ("auto", "float32", "float16", "bfloat16")
WEIGHTS = ("*.safetensors", "*.bin")
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "tokenizer_config.json", "vocab.json")
UNSET_LENGTH = 10**9
"""transformers writes a number above this as a tokenizer's model_max_length where none is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalModel:
    """A causal language model on its device, and its tokenizer."""

    model: Any
    tokenizer: Any
    context_tokens: int | None
    """Positions the model was made for; None where its configuration does not tell."""
    end_ids: frozenset[int]
    """Tokens that end a text, by the checkpoint's own files."""
    pad_id: int

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        device: torch.device = self.model.device
        return device


def load(path: str | Path, *, dtype: str, device: str, trust_remote_code: bool) -> LocalModel:
    """Load model and tokenizer from a folder, or by hub id from the local hub cache or the hub.

    The checkpoint's own sampling defaults (temperature, repetition penalty) are dropped: what is measured is drawn as
    the run's sampling says and nothing else.

    Raises:
        UserError: the folder lacks files, the hub id cannot be had, or dtype or device is not possible here.
    """
    if dtype not in DTYPES:
        raise UserError(f"model.dtype {dtype!r} is unknown; choose one of {', '.join(DTYPES)}.")
    target = _device(device)
    source = _source(path)
    transformers_logging.disable_progress_bar()
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=trust_remote_code)
        model = AutoModelForCausalLM.from_pretrained(source, dtype=dtype, trust_remote_code=trust_remote_code)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise UserError(f"model {source}: cannot be loaded: {_hint(error)}") from error
    end_ids = _end_ids(model, tokenizer)
    pad_id = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else min(end_ids, default=0)
    model.generation_config = GenerationConfig()
    return LocalModel(
        model=model.to(target).eval(),
        tokenizer=tokenizer,
        context_tokens=_context_tokens(model, tokenizer),
        end_ids=end_ids,
        pad_id=pad_id,
    )


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UserError(f"model.device {name!r} is unknown; choose auto, cpu, cuda or cuda:<number>.") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UserError(
            f"model.device {name!r}: this process sees {torch.cuda.device_count()} GPUs; choose auto or cpu."
        )
    return device


def _source(path: str | Path) -> str:
    """The folder if it is whole, else a hub id."""
    folder = Path(path).expanduser()
    if folder.is_dir():
        _check_folder(folder)
        return str(folder)
    looks_like_id = isinstance(path, str) and path.count("/") <= 1 and not path.startswith((".", "/", "~"))
    if folder.exists() or not looks_like_id:
        raise UserError(f"model {path}: there is no such folder; name a Hugging Face checkpoint folder or a hub id.")
    return str(path)


def _check_folder(folder: Path) -> None:
    if (folder / "adapter_config.json").exists() and not (folder / "config.json").exists():
        raise UserError(f"model {folder}: holds a LoRA adapter only; merge it into its base model and save that.")
    missing = [] if (folder / "config.json").is_file() else ["config.json"]
    if not any(any(folder.glob(pattern)) for pattern in WEIGHTS):
        missing.append("weights (*.safetensors or *.bin)")
    if not any((folder / name).is_file() for name in TOKENIZERS):
        missing.append("a tokenizer (tokenizer.json)")
    if missing:
        raise UserError(
            f"model {folder}: not a Hugging Face checkpoint: {', '.join(missing)} missing. Save it with"
            " model.save_pretrained() and tokenizer.save_pretrained(), or name the folder that holds these files."
        )


def _hint(error: Exception) -> str:
    first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if "trust_remote_code" in str(error):
        return "it carries its own Python code. If you trust that code, set model.trust_remote_code=true."
    if os.environ.get("HF_HUB_OFFLINE"):
        return f"{first} (HF_HUB_OFFLINE is set: only folders and the local hub cache are read.)"
    return first


def _end_ids(model: Any, tokenizer: Any) -> frozenset[int]:  # noqa: ANN401 - transformers has no types
    declared = (model.generation_config.eos_token_id, model.config.eos_token_id, tokenizer.eos_token_id)
    return frozenset(
        id_ for ids in declared if ids is not None for id_ in (ids if isinstance(ids, Iterable) else [ids])
    )


def _context_tokens(model: Any, tokenizer: Any) -> int | None:  # noqa: ANN401
    positions = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if positions is not None:
        return int(positions)
    return int(tokenizer.model_max_length) if tokenizer.model_max_length < UNSET_LENGTH else None
