"""Prompts as tokens: text, conversations, code around a gap, and reasoning."""

from __future__ import annotations

from typing import Any

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from actors.prompt_text import FIM_FAMILIES, FimFamily, PromptEncoder, reasoning_tokens
from benchmarks.problem import Message, Prompt
from runners.errors import UserError

PREFIX, SUFFIX = "def f(a):\n    x = ", "\n    return x\n"
TURNS = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"


def tokenizer(*marks: str, begins: bool = True) -> Any:
    """One token per byte, and one for each of the marks."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    bpe.train_from_iterator(
        [], trainers.BpeTrainer(special_tokens=["<s>", "</s>"], initial_alphabet=alphabet, show_progress=False)
    )
    bpe.add_special_tokens([AddedToken(mark, special=True) for mark in marks])
    if begins:
        bpe.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return PreTrainedTokenizerFast(tokenizer_object=bpe, bos_token="<s>", eos_token="</s>")


def sentence_piece(*marks: str) -> Any:
    """A vocabulary that puts a space before every text, as CodeLlama's does."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    bpe.decoder = decoders.Metaspace(prepend_scheme="always")
    trainer = trainers.BpeTrainer(special_tokens=["</s>"], initial_alphabet=["\u263a"], show_progress=False)
    bpe.train_from_iterator([PREFIX + SUFFIX], trainer)
    bpe.add_special_tokens([AddedToken(mark, special=True) for mark in marks])
    return PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token="</s>")


def gap() -> Prompt:
    return Prompt(task_id="t", form="fim", text=PREFIX, suffix=SUFFIX)


def chat() -> Prompt:
    return Prompt(task_id="t", form="chat", messages=(Message(role="user", content="hi"),))


@pytest.mark.parametrize("family", FIM_FAMILIES, ids=lambda family: family.name)
def test_gap_is_marked_as_its_family_does(family: FimFamily) -> None:
    """Prefix, suffix and gap stand in the family's order after the begin token, each mark one token of its own."""
    tokens = tokenizer(*family.marks, *family.ends)
    encoded = PromptEncoder(tokens, None).encode(gap())
    before, after = family.prefix + PREFIX, family.suffix + SUFFIX
    text = (after + before if family.suffix_first else before + after) + family.middle
    assert tokens.decode(encoded.ids) == "<s>" + text
    plain = len((PREFIX + SUFFIX).encode())
    assert len(encoded.ids) == 1 + plain + len(family.marks)
    assert {tokens.decode([end]) for end in encoded.end_ids} == set(family.ends)


def test_published_prompts_of_the_common_families() -> None:
    """The texts that Qwen2.5-Coder, DeepSeek-Coder and Codestral document, mark for mark."""
    bar, block = chr(0xFF5C), chr(0x2581)
    begin, hole, end = (f"<{bar}fim{block}{name}{bar}>" for name in ("begin", "hole", "end"))
    published = {
        ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"): "<|fim_prefix|>A<|fim_suffix|>B<|fim_middle|>",
        (begin, hole, end): f"{begin}A{hole}B{end}",
        ("[PREFIX]", "[SUFFIX]"): "[SUFFIX]B[PREFIX]A",
    }
    for marks, text in published.items():
        tokens = tokenizer(*marks, begins=False)
        asked = Prompt(task_id="t", form="fim", text="A", suffix="B")
        assert tokens.decode(PromptEncoder(tokens, None).encode(asked).ids) == text


def test_suffix_gets_no_space_of_its_own() -> None:
    """CodeLlama's prefix is encoded like any text, its suffix goes on without the space that begins a text."""
    family = next(family for family in FIM_FAMILIES if family.name == "CodeLlama")
    tokens = sentence_piece(*family.marks)
    asked = Prompt(task_id="t", form="fim", text="def", suffix="return")
    words = tokens.convert_ids_to_tokens(PromptEncoder(tokens, None).encode(asked).ids)
    assert "".join(words) == f"{family.prefix}\u2581def{family.suffix}return{family.middle}"


def test_gap_without_tokens_to_mark_it_is_a_user_error() -> None:
    """A tokenizer of no known family is refused, and the families are named."""
    with pytest.raises(UserError, match=r"model\.form=fim.*StarCoder.*Codestral"):
        PromptEncoder(tokenizer(), None).encode(gap())


def test_text_begins_as_the_tokenizer_does_and_is_left_open() -> None:
    """Plain text keeps its begin token; an end token that the tokenizer would add is taken off."""
    tokens = tokenizer()
    tokens.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    asked = Prompt(task_id="t", form="base", text="ab")
    assert tokens.decode(PromptEncoder(tokens, None).encode(asked).ids) == "<s>ab"


@pytest.mark.parametrize(
    ("end", "lead"),
    [("<think>\n", "<think>\n"), ("<think>", "<think>"), ("<think>\n\n</think>\n\n", ""), ("<assistant>", "")],
)
def test_reasoning_that_the_template_opens_is_the_lead(end: str, lead: str) -> None:
    """A `<think>` that the template leaves open belongs to the answer; one that it closes does not."""
    encoded = PromptEncoder(tokenizer(), f"{TURNS}{{{{ {end!r} }}}}").encode(chat())
    assert encoded.lead == lead
    assert tokenizer().decode(encoded.ids) == "<user>hi" + end


@pytest.mark.parametrize(
    ("text", "lead", "count"),
    [
        ("<think>ab</think>c", "", len("<think>ab</think>")),
        ("<think>\nab</think>c", "<think>\n", len("ab</think>")),
        ("ab</think>c", "", len("ab</think>")),
        ("<think>abc", "", 17),
        ("print(1)", "", None),
    ],
)
def test_reasoning_tokens_are_those_before_the_answer(text: str, lead: str, count: int | None) -> None:
    """Counted up to `</think>`; all where it never comes; none of it where the text does not reason."""
    assert reasoning_tokens(tokenizer(), text, 17 if count == 17 else 99, lead=lead) == count
