"""The transformers back end, on a model of a few thousand random weights."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from actors.generator import Sampling
from actors.transformers_generator import TransformersGenerator
from benchmarks.problem import Completion, Message, Prompt
from runners.errors import UserError

CONTEXT = 96
TEXT = "def add(a, b):\n    return a + b\n\nclass Row:\n    name = 'x'\n\nprint(add(1, 2))\n"
PROMPTS = ("def add(", "class Row:\n    name", "print(", TEXT, "    return a")
Request = tuple[Prompt, Sampling, Sequence[int]]
DRAWN = Sampling(temperature=1.0, top_p=0.95, top_k=40, max_tokens=24)
TEMPLATE = (
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    "<s>{{ m.content }}{% endfor %}"
)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Llama whose tokens are ASCII only, so that every text it can write is valid."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    bpe.train_from_iterator(
        [TEXT], trainers.BpeTrainer(vocab_size=64, special_tokens=["<s>", "</s>", "<pad>"], show_progress=False)
    )
    bpe.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    folder = tmp_path_factory.mktemp("models") / "tiny"
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe, bos_token="<s>", eos_token="</s>", pad_token="<pad>")
    tokenizer.save_pretrained(folder)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=CONTEXT,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=2,
        initializer_range=0.3,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def generator(checkpoint: Path) -> Iterator[TransformersGenerator]:
    """The back end with its usual batches."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    loaded = TransformersGenerator(checkpoint, device="cpu", batch_size=8)
    yield loaded
    asyncio.run(loaded.close())
    torch.set_num_threads(threads)


def base(text: str, *, stop: tuple[str, ...] = (), task_id: str = "") -> Prompt:
    return Prompt(task_id=task_id or text, form="base", text=text, stop=stop)


def ask(generator: TransformersGenerator, *requests: Request) -> list[list[Completion]]:
    """Send all requests at once and wait for all."""

    async def all_at_once() -> list[list[Completion]]:
        return await asyncio.gather(*(generator.generate(*request) for request in requests))

    return asyncio.run(all_at_once())


def texts(completions: list[list[Completion]]) -> list[list[str]]:
    return [[completion.text for completion in row] for row in completions]


def total_tokens(completion: Completion) -> int:
    return (completion.prompt_tokens or 0) + (completion.completion_tokens or 0)


def shapes_of_calls(generator: TransformersGenerator, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """A list that gets the shape (rows, tokens) of each batch that the model is given."""
    shapes: list[tuple[int, ...]] = []
    real: Callable[..., Any] = generator._loaded.model.forward

    @wraps(real)
    def counting(**arguments: Any) -> Any:
        shapes.append(tuple(arguments["input_ids"].shape))
        return real(**arguments)

    monkeypatch.setattr(generator._loaded.model, "forward", counting)
    return shapes


def test_greedy_is_what_the_model_writes_alone(checkpoint: Path, generator: TransformersGenerator) -> None:
    """A greedy completion out of a padded batch is the text of generate() on that prompt by itself."""
    tokenizer, model = AutoTokenizer.from_pretrained(checkpoint), AutoModelForCausalLM.from_pretrained(checkpoint)
    rows = ask(generator, *((base(text), Sampling(max_tokens=20), [0]) for text in PROMPTS))
    for text, [completion] in zip(PROMPTS, rows, strict=True):
        ids = tokenizer(text, return_tensors="pt")
        alone = model.generate(
            input_ids=ids["input_ids"], attention_mask=ids["attention_mask"], do_sample=False, max_new_tokens=20
        )[0, ids["input_ids"].shape[1] :]
        assert completion.text == tokenizer.decode(alone, skip_special_tokens=True)
        assert completion.completion_tokens == len(alone)
        assert completion.prompt_tokens == ids["input_ids"].shape[1]


def test_greedy_samples_are_computed_once(generator: TransformersGenerator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several greedy samples of a prompt are one row of a batch, returned several times."""
    shapes = shapes_of_calls(generator, monkeypatch)
    [row] = ask(generator, (base("def add("), Sampling(max_tokens=5), [0, 1, 2]))
    assert len(row) == 3 and row[0] == row[1] == row[2]
    assert {shape[0] for shape in shapes} == {1}


def test_prompt_of_several_samples_is_read_once(
    generator: TransformersGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Samples of one prompt share the pass over its tokens and are decoded as a batch afterwards."""
    shapes = shapes_of_calls(generator, monkeypatch)
    [row] = ask(generator, (base("def add("), replace(DRAWN, max_tokens=4), range(6)))
    assert shapes[0] == (1, row[0].prompt_tokens)
    assert {tokens for _, tokens in shapes[1:]} == {1} and shapes[1][0] == 6


def test_sample_does_not_depend_on_its_batch(checkpoint: Path, generator: TransformersGenerator) -> None:
    """A sample is the same alone, in a batch of others, and in another order."""
    requests = [(base(text), DRAWN, [0, 1, 2]) for text in PROMPTS]
    together = texts(ask(generator, *requests))
    assert texts(ask(generator, *requests[::-1]))[::-1] == together
    single = TransformersGenerator(checkpoint, device="cpu", batch_size=1)
    assert texts(ask(single, *requests)) == together
    [[third]] = texts(ask(generator, (base(PROMPTS[1]), DRAWN, [2])))
    assert third == together[1][2]


def test_calls_in_flight_share_batches(generator: TransformersGenerator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of different prompts are decoded together, never more than batch_size at a time."""
    shapes = shapes_of_calls(generator, monkeypatch)
    rows = ask(generator, *((base(text), DRAWN, [0, 1, 2]) for text in PROMPTS))
    steps = [count for count, tokens in shapes if tokens == 1]
    assert max(steps) == 8
    assert len(steps) < sum(completion.completion_tokens or 0 for row in rows for completion in row) / 3


def test_ended_rows_make_room_for_waiting_ones(
    generator: TransformersGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long row is not waited for: short ones that came later are answered in the places that become free."""
    shapes = shapes_of_calls(generator, monkeypatch)
    ends: list[int] = []

    async def session() -> None:
        async def one(number: int, max_tokens: int) -> None:
            await generator.generate(base(f"print({number}"), Sampling(max_tokens=max_tokens), [0])
            ends.append(max_tokens)

        await asyncio.gather(*(one(number, 60 if number == 0 else 4) for number in range(24)))

    asyncio.run(session())
    assert ends[-1] == 60
    assert len([1 for _, tokens in shapes if tokens == 1]) < 70


def test_requests_drawn_differently_are_kept_apart(generator: TransformersGenerator) -> None:
    """Greedy and drawn requests in flight together give what each gives alone."""
    drawn, greedy = (base("print("), DRAWN, [0]), (base("print("), Sampling(max_tokens=12), [0])
    assert texts(ask(generator, drawn, greedy)) == texts(ask(generator, drawn)) + texts(ask(generator, greedy))


def test_seeds_differ(generator: TransformersGenerator) -> None:
    """Samples differ by index, by the run's seed and by task."""
    again = replace(DRAWN, seed=7)
    prompt, other = base("print("), base("print(", task_id="other")
    rows = texts(ask(generator, (prompt, DRAWN, [0, 1, 2, 3]), (prompt, again, [0]), (other, DRAWN, [0])))
    assert len({text for row in rows for text in row}) == 6


def endless(generator: TransformersGenerator, prompt: Prompt) -> list[tuple[int, Completion]]:
    """Some samples, by index, that end with their token limit only."""
    row = ask(generator, (prompt, DRAWN, range(32)))[0]
    return [(index, sample) for index, sample in enumerate(row) if sample.finish_reason == "length"][:4]


@pytest.mark.parametrize("start", [0, 3, 8, 14])
def test_stop_cuts_exactly_wherever_it_begins(generator: TransformersGenerator, start: int) -> None:
    """With a stop, a sample is its own text up to the stop, and the token that completes the stop is its last."""
    samples = endless(generator, base("print("))
    assert len(samples) == 4
    for index, free in samples:
        mark = free.text[start : start + 3]
        [[cut]] = ask(generator, (base("print(", stop=("never written", mark)), DRAWN, [index]))
        assert cut.text == free.text[: free.text.index(mark)]
        assert cut.finish_reason == "stop"
        tokens = cut.completion_tokens or 0
        assert mark in text_of_first(tokens, generator, index)
        assert tokens == 1 or mark not in text_of_first(tokens - 1, generator, index)


def text_of_first(num_tokens: int, generator: TransformersGenerator, index: int) -> str:
    return ask(generator, (base("print("), replace(DRAWN, max_tokens=num_tokens), [index]))[0][0].text


def test_first_of_several_stops_cuts(generator: TransformersGenerator) -> None:
    """Of two stops that end at the same place, the one that begins first cuts."""
    index, free = endless(generator, base("print("))[0]
    early, late = free.text[:9], free.text[6:9]
    assert late not in free.text[:8]
    [[cut]] = ask(generator, (base("print(", stop=(late, early)), DRAWN, [index]))
    assert (cut.text, cut.finish_reason) == ("", "stop")


def test_token_limit_is_a_length(generator: TransformersGenerator) -> None:
    """A text that neither ends nor stops has max_tokens tokens and finish_reason `length`."""
    [[completion]] = ask(generator, (base("def add("), Sampling(max_tokens=3), [0]))
    assert (completion.completion_tokens, completion.finish_reason) == (3, "length")


def test_end_token_ends_a_row_alone(checkpoint: Path, generator: TransformersGenerator) -> None:
    """A row that writes its end token stops with that token counted and not written; its neighbours go on."""
    rows = ask(generator, (base("print("), Sampling(temperature=3.0, max_tokens=60), range(24)))[0]
    ended = [row for row in rows if row.finish_reason == "stop"]
    assert ended and any(row.finish_reason == "length" for row in rows)
    assert all("</s>" not in row.text for row in ended)
    assert len({row.completion_tokens for row in ended}) > 1


def test_rows_that_fill_the_context_do_not_cut_their_neighbours(
    checkpoint: Path, generator: TransformersGenerator
) -> None:
    """A prompt that nearly fills the context ends with `length`; a short one beside it keeps its whole room."""
    long, short = base(TEXT), base("print(")
    sampling = Sampling(temperature=0.7, max_tokens=80, seed=3)
    [[alone]] = ask(generator, (short, sampling, [0]))
    [[filled], [beside]] = ask(generator, (long, sampling, [0]), (short, sampling, [0]))
    assert filled.finish_reason == "stop" or total_tokens(filled) == CONTEXT
    assert (beside.completion_tokens or 0) > CONTEXT - (filled.prompt_tokens or 0)
    assert (beside.text, beside.completion_tokens) == (alone.text, alone.completion_tokens)


def test_prompt_beyond_the_context_is_an_error_of_its_row(generator: TransformersGenerator) -> None:
    """A prompt that is too long comes back as completions that name the setting; the others are completed."""
    [too_long, [fine]] = ask(generator, (base(TEXT * 9), DRAWN, [0, 1]), (base("print("), DRAWN, [0]))
    assert [row.finish_reason for row in too_long] == ["error", "error"]
    assert "model.max_model_len" in too_long[0].error and str(CONTEXT) in too_long[0].error
    assert not fine.error


def test_max_model_len_bounds_prompt_and_completion(checkpoint: Path) -> None:
    """With max_model_len, prompt and completion together have at most that many tokens."""
    generator = TransformersGenerator(checkpoint, device="cpu", max_model_len=20)
    [[completion]] = ask(generator, (base("def add("), Sampling(max_tokens=500), [0]))
    assert total_tokens(completion) == 20
    assert completion.finish_reason == "length"


def test_out_of_memory_names_the_setting(generator: TransformersGenerator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that does not fit on the device gives errors that say what to lower, not an exception."""

    def full(**_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nmore")

    monkeypatch.setattr(generator._loaded.model, "forward", full)
    [[completion]] = ask(generator, (base("print("), DRAWN, [0]))
    assert completion.finish_reason == "error"
    assert "model.batch_size (now 8)" in completion.error and "\n" not in completion.error


def test_dead_model_raises(generator: TransformersGenerator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any other failure of the model is raised to those who wait for it, and the next request is tried anew."""

    def dead(**_: object) -> None:
        raise RuntimeError("device lost")

    with monkeypatch.context() as patch:
        patch.setattr(generator._loaded.model, "forward", dead)
        with pytest.raises(RuntimeError, match="device lost"):
            ask(generator, (base("print("), DRAWN, [0]))
    assert not ask(generator, (base("print("), DRAWN, [0]))[0][0].error


ARCHITECTURES = {
    "keys and values in a sliding window": ("mistral", {"sliding_window": 7, "num_key_value_heads": 1}),
    "learned positions": ("gpt2", {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": CONTEXT}),
    "a state in place of keys": ("mamba", {}),
}


@pytest.mark.parametrize(("kind", "settings"), ARCHITECTURES.values(), ids=ARCHITECTURES)
def test_architectures_write_what_they_write_alone(
    checkpoint: Path, tmp_path: Path, kind: str, settings: dict[str, Any]
) -> None:
    """In a batch that is refilled, models of several architectures write what generate() writes one by one."""
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    tokenizer.save_pretrained(tmp_path)
    ids = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2}
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    settings = {**shape, **ids, "vocab_size": len(tokenizer), "initializer_range": 0.3, **settings}
    config = AutoConfig.for_model(kind, **settings)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    loaded = TransformersGenerator(tmp_path, device="cpu", batch_size=3)
    rows = ask(loaded, *((base(text), Sampling(max_tokens=20 - 3 * at), [0]) for at, text in enumerate(PROMPTS)))
    model = AutoModelForCausalLM.from_pretrained(tmp_path)
    for at, (text, [completion]) in enumerate(zip(PROMPTS, rows, strict=True)):
        inputs = {key: value for key, value in tokenizer(text, return_tensors="pt").items() if key != "token_type_ids"}
        alone = model.generate(**inputs, do_sample=False, max_new_tokens=20 - 3 * at)[0, inputs["input_ids"].shape[1] :]
        assert completion.text == tokenizer.decode(alone, skip_special_tokens=True)


def test_arrivals_of_tokens_are_told(generator: TransformersGenerator) -> None:
    """Queue, first token, gaps and last token of a request follow on one another."""
    before = time.time()
    rows = ask(generator, *((base(text), Sampling(max_tokens=9), [0]) for text in PROMPTS * 3))
    for [row] in rows:
        assert row.queue_seconds is not None and row.ttft_seconds is not None and row.seconds is not None
        assert 0 < row.queue_seconds < row.ttft_seconds <= row.seconds
        assert len(row.inter_token_seconds) == (row.completion_tokens or 0) - 1
        assert row.ttft_seconds + sum(row.inter_token_seconds) == pytest.approx(row.seconds)
        assert row.started_at is not None and before <= row.started_at <= time.time()
        assert row.reasoning_tokens is None


def test_logprobs_are_the_models_own(checkpoint: Path, generator: TransformersGenerator) -> None:
    """Asked for, each token of prompt and completion has its log probability and the likeliest alternatives'."""
    tokenizer, model = AutoTokenizer.from_pretrained(checkpoint), AutoModelForCausalLM.from_pretrained(checkpoint)
    asked = [replace(base(text), logprobs=2, prompt_logprobs=True) for text in PROMPTS[:2]]
    sampling = replace(DRAWN, temperature=3.0, max_tokens=6)
    for prompt, [row] in zip(asked, ask(generator, *((prompt, sampling, [0]) for prompt in asked)), strict=True):
        num_prompt, written = row.prompt_tokens or 0, [entry.token for entry in row.logprobs]
        ids = tokenizer(prompt.text)["input_ids"] + [tokenizer.get_vocab()[encode(token)] for token in written]
        with torch.no_grad():
            expected = model(input_ids=torch.tensor([ids])).logits[0, :-1].log_softmax(-1)
        told = [*row.prompt_logprobs, *row.logprobs]
        assert (len(row.prompt_logprobs), len(written)) == (num_prompt - 1, row.completion_tokens)
        assert [entry.logprob for entry in told] == pytest.approx(
            [float(expected[at, id_]) for at, id_ in enumerate(ids[1:])], abs=1e-4
        )
        best = expected.topk(2).values
        assert [[value for _, value in entry.top] for entry in told] == [
            pytest.approx(b.tolist(), abs=1e-4) for b in best
        ]


def encode(token: str) -> str:
    """A token's text as a byte-level vocabulary spells it."""
    return token.replace(" ", "Ġ").replace("\n", "Ċ")


def test_open_reasoning_of_the_template_stands_before_the_text(checkpoint: Path) -> None:
    """`<think>` that the template writes is put before the text, and what never leaves it is all reasoning."""
    generator = TransformersGenerator(checkpoint, device="cpu", chat_template=TEMPLATE + r"{{ '<think>\n' }}")
    chat = Prompt(task_id="t", form="chat", messages=(Message(role="user", content="print("),))
    [[completion]] = ask(generator, (chat, Sampling(max_tokens=5), [0]))
    assert completion.text.startswith("<think>\n")
    assert completion.reasoning_tokens == completion.completion_tokens == 5


def test_threads_are_those_asked_for(checkpoint: Path) -> None:
    """The model computes with the number of threads of the option, whatever the process began with."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    generator = TransformersGenerator(checkpoint, device="cpu", threads=1)
    assert generator._thread.submit(torch.get_num_threads).result() == 1
    torch.set_num_threads(before)


def test_chat_prompt_without_template_is_a_user_error(generator: TransformersGenerator) -> None:
    """A chat prompt for a tokenizer without template says how to ask as a base model."""
    chat = Prompt(task_id="t", form="chat", messages=(Message(role="user", content="def add("),))
    with pytest.raises(UserError, match=r"model\.form=base"):
        ask(generator, (chat, DRAWN, [0]))


def test_chat_template_makes_the_prompt(checkpoint: Path, tmp_path: Path) -> None:
    """A chat prompt is the template's text and no further special tokens; a role that it refuses is named."""
    template = tmp_path / "chat.jinja"
    template.write_text(TEMPLATE)
    generator = TransformersGenerator(checkpoint, device="cpu", chat_template=str(template))
    chat = Prompt(task_id="print(", form="chat", messages=(Message(role="user", content="print("),))
    [[as_chat], [as_base]] = ask(generator, (chat, DRAWN, [0]), (base("print("), DRAWN, [0]))
    assert as_chat.form == "chat" and as_base.form == "completion"
    assert (as_chat.text, as_chat.prompt_tokens) == (as_base.text, as_base.prompt_tokens)
    refused = Prompt(task_id="t", form="chat", messages=(Message(role="system", content="x"),))
    with pytest.raises(UserError, match="system"):
        ask(generator, (refused, DRAWN, [0]))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"batch_size": 0}, "model.batch_size 0"),
        ({"dtype": "float99"}, "model.dtype 'float99'"),
        ({"device": "abacus"}, "model.device 'abacus'"),
        ({"max_model_len": CONTEXT + 1}, f"made for {CONTEXT}"),
        ({"chat_template": "no/such/file"}, "model.chat_template no/such/file"),
    ],
)
def test_impossible_setting_is_a_user_error(checkpoint: Path, settings: dict[str, Any], words: str) -> None:
    """A setting that cannot be is refused when the model is loaded, by its name and value."""
    with pytest.raises(UserError, match=words):
        TransformersGenerator(checkpoint, **settings)


def test_folder_that_is_no_checkpoint_says_what_is_missing(tmp_path: Path, checkpoint: Path) -> None:
    """The message lists each missing part, and tells an adapter from a model."""
    with pytest.raises(UserError, match=r"config.json, weights .*, a tokenizer .* missing"):
        TransformersGenerator(tmp_path)
    with pytest.raises(UserError, match="no such folder"):
        TransformersGenerator(tmp_path / "nowhere")
    (tmp_path / "config.json").write_bytes((checkpoint / "config.json").read_bytes())
    with pytest.raises(UserError, match=r"checkpoint: weights"):
        TransformersGenerator(tmp_path)
    (tmp_path / "config.json").rename(tmp_path / "adapter_config.json")
    with pytest.raises(UserError, match="LoRA"):
        TransformersGenerator(tmp_path)


def test_sampling_defaults_of_the_checkpoint_are_not_used(checkpoint: Path, tmp_path: Path) -> None:
    """A repetition penalty in the checkpoint's generation_config.json changes nothing."""
    changed = tmp_path / "penalised"
    changed.mkdir()
    for file in checkpoint.iterdir():
        (changed / file.name).write_bytes(file.read_bytes())
    (changed / "generation_config.json").write_text('{"repetition_penalty": 50.0, "eos_token_id": 1}')
    request = (base("print("), Sampling(max_tokens=20), [0])
    plain, penalised = TransformersGenerator(checkpoint, device="cpu"), TransformersGenerator(changed, device="cpu")
    assert texts(ask(penalised, request)) == texts(ask(plain, request))
