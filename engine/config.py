"""The configuration of a run: strict models for suite files and the command line. Every flag is a key here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from actors.options import GeneratorOptions
from benchmarks.prompt_template import DEFAULT as ZERO_SHOT

Count = Annotated[int, Field(ge=1)]
_LABEL = r"^[A-Za-z0-9][A-Za-z0-9_.:+-]*$"
_TAKEN = ("overall", "statuses", "latency", "execution", "throughput")
"""What figures of a whole run are called where a benchmark has its label."""


class Section(BaseModel):
    """Base of all sections: unknown keys are errors, values do not change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class BenchmarkConfig(BaseModel):
    """One benchmark of a suite; keys besides these are options of the benchmark itself."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str = Field(description="Registry name, as `codeassay list` shows it.")
    label: str | None = Field(
        None, description="Name under which metrics appear; the name and its options if empty.", pattern=_LABEL
    )
    data: Path | None = Field(None, description="The benchmark's original file on disk, instead of cache or hub.")
    prompt: str | None = Field(
        None, description="Prompt mode, as `codeassay list` shows it, or the path of a .yaml file; the run's if empty."
    )
    system: str | None = Field(
        None, description="System message of form `chat`; the run's, else the prompt mode's if not given."
    )
    examples: int | None = Field(None, description="How many of the prompt mode's examples are shown.", ge=1)

    @field_validator("label")
    @classmethod
    def _label_is_free(cls, label: str | None) -> str | None:
        if label in _TAKEN:
            raise ValueError(f"the totals of a run have this name; choose another than {', '.join(_TAKEN)}")
        return label

    @property
    def metric_label(self) -> str:
        """The label, else the name, the values of its options and the prompt mode: `mbpp:sanitized:few_shot`."""
        values = [str(value) for key, value in self.options().items() if key != "revision"]
        values += [] if self.prompt in (None, ZERO_SHOT) else [Path(self.prompt).stem]
        values += [] if self.examples is None else [str(self.examples)]
        return self.label or re.sub(r"[^A-Za-z0-9_.:+-]", "-", ":".join([self.name, *values]))

    def options(self) -> dict[str, Any]:
        """Keys that the benchmark itself understands."""
        return dict(self.model_extra or {})


class ModelConfig(GeneratorOptions):
    """Which model, and how it is loaded."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    spec: str = Field(
        "reference",
        description="`reference`, `replay:PATH`, `transformers:PATH`, `vllm:PATH`, `openai:URL#MODEL`, path or hub id.",
    )
    form: Literal["auto", "base", "chat", "fim"] = Field(
        "auto",
        description="Prompt form; `auto` is `chat` for endpoints and checkpoints with a chat template, else `base`.",
    )
    step: int | None = Field(None, description="Training step; read from names such as `step-1200` if empty.", ge=0)
    replicas: Count | Literal["auto"] = Field("auto", description="Model replicas; `auto` is one per GPU, else one.")


class GenerationConfig(Section):
    """How completions are drawn."""

    n: int | None = Field(
        None, description="Completions per problem; 1 if empty (replay: as many as are stored).", ge=1
    )
    temperature: float | None = Field(None, description="0 is greedy; if empty 0 for n = 1, else 0.8.", ge=0)
    top_p: float = Field(0.95, description="Nucleus sampling; without effect at temperature 0.", gt=0, le=1)
    top_k: int = Field(0, description="0 keeps the whole vocabulary.", ge=0)
    max_tokens: int = Field(512, description="Limit of generated tokens per completion.", ge=1)
    seed: int = Field(1234, description="Every sample's own seed derives from it, its problem and its index.")


class ExecutionConfig(Section):
    """How programs are run."""

    isolation: Literal["auto", "full", "rootless", "restricted", "none"] = Field(
        "auto",
        description="`auto` is the strongest this machine gives, at least `rootless`. By name only: `restricted` (no "
        "namespaces) and `none` (no protection: trusted programs only).",
    )
    judge: Literal["auto", "inside", "split"] = Field(
        "auto",
        description="Where tests run: `inside` the program's process (can be forged), in one of their own (`split`), "
        "or `auto`: inside first, passes confirmed in split where the reference passes there.",
    )
    cache: bool = Field(
        True, description="Keep verdicts on disk and serve repeated programs from there, in this and in later runs."
    )
    workers: Count | Literal["auto"] = Field(
        "auto", description="Execution actors; `auto` is one per CPU of the cluster."
    )
    cpus: int | None = Field(None, description="CPUs of a cluster that is started on this machine; all if empty.", ge=1)
    cpu_seconds: float | None = Field(
        None,
        description="CPU limit per program; if empty the benchmark's own, at least 5 times what the reference needs.",
        gt=0,
    )
    wall_seconds: float | None = Field(None, description="Wall limit per program, a safety net.", gt=0)
    memory_bytes: int | None = Field(None, description="Memory limit per program.", ge=16 << 20)
    stall_seconds: float = Field(
        1800, description="No row from any stage for this long ends the run with an error.", gt=0
    )

    def limits(self) -> dict[str, float]:
        """Fields of Limits that this configuration replaces."""
        values = {"cpu_seconds": self.cpu_seconds, "wall_seconds": self.wall_seconds, "memory_bytes": self.memory_bytes}
        return {name: value for name, value in values.items() if value is not None}


class ReportConfig(Section):
    """What is computed from the samples."""

    k: list[int] | None = Field(
        None, description="k of pass@k; if empty those of 1, 10, 100 that n allows.", min_length=1
    )
    confidence: float = Field(0.95, description="Level of the intervals.", gt=0, lt=1)
    resamples: int = Field(10_000, description="Bootstrap resamples over problems.", ge=100)
    seed: int = Field(0, description="Seed of the bootstrap.", ge=0)
    max_infra_errors: float = Field(
        0.005, description="Share of infrastructure errors above which a benchmark's headline is withheld.", ge=0, le=1
    )
    page: bool = Field(True, description="Write the report page into the run directory when the run has ended.")


class TrackingConfig(Section):
    """Where MLflow is."""

    enabled: bool = Field(True, description="Send the finished run to MLflow.")
    uri: str | None = Field(None, description="Tracking URI; MLFLOW_TRACKING_URI, else a SQLite file beside the runs.")
    experiment: str | None = Field(None, description="Experiment; the model family if empty.")


class PerturbationConfig(Section):
    """Which perturbed forms of each problem are asked beside it."""

    names: list[str] = Field(
        description="Perturbations, families or profiles (`smoke`, `core`, `full`), as `codeassay list perturbations` "
        "shows them.",
        min_length=1,
    )
    severities: list[Annotated[int, Field(ge=1, le=3)]] = Field(
        default=[2], description="How strong, from 1 to 3, where a perturbation has a scale.", min_length=1
    )
    seeds: int = Field(1, description="Variants of each perturbation and severity.", ge=1, le=100)
    replicas: int = Field(
        1, description="How often the nominal prompt is asked again: flips between these are the noise floor.", ge=0
    )

    @field_validator("names", mode="before")
    @classmethod
    def _one_name(cls, value: object) -> object:
        """One name is a list of one."""
        return [value] if isinstance(value, str) else value

    llm: str | None = Field(
        None, description="`openai:URL#MODEL` that rewords, for the perturbations that need one.", pattern="^openai:"
    )


class RunConfig(Section):
    """One run: a model, a suite, and everything that decides the numbers."""

    suite: str = Field("", description="Name of the suite.")
    prompt: str | None = Field(
        None, description="Prompt mode of the benchmarks that name none of their own; `zero_shot` if empty."
    )
    system: str | None = Field(None, description="System message of the benchmarks that give none of their own.")
    benchmarks: list[BenchmarkConfig] = Field(description="What is asked.", min_length=1)
    limit: int | None = Field(None, description="Only the first so many problems of each benchmark.", ge=1)
    model: ModelConfig = Field(default_factory=ModelConfig)
    generation: GenerationConfig = Field(default_factory=GenerationConfig)
    execution: ExecutionConfig = Field(default_factory=ExecutionConfig)
    report: ReportConfig = Field(default_factory=ReportConfig)
    tracking: TrackingConfig = Field(default_factory=TrackingConfig)
    perturbations: PerturbationConfig | None = Field(
        None, description="Nothing is perturbed without this section. A list of names is short for `names`."
    )
    output: Path | None = Field(None, description="The run directory; runs/<model>/<suite>-<id> if empty.")

    @field_validator("perturbations", mode="before")
    @classmethod
    def _names_alone(cls, value: object) -> object:
        """A list of names, or one, is short for a section with these."""
        return {"names": value} if isinstance(value, (str, list)) else value

    @field_validator("benchmarks")
    @classmethod
    def _asked_as_the_run_says(cls, benchmarks: list[BenchmarkConfig], info: ValidationInfo) -> list[BenchmarkConfig]:
        """Labels follow the prompt mode, so it is put where they are made."""
        common = {key: info.data.get(key) for key in ("prompt", "system")}
        return [
            entry.model_copy(update={key: value for key, value in common.items() if getattr(entry, key) is None})
            for entry in benchmarks
        ]
