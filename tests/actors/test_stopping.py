"""Decoding what follows a prompt, and ending a row."""

from __future__ import annotations

from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from actors.stopping import Decoder, Row, take, text_of

TEXT = "def add(a, b):\n    return a + b  # größe → 2\n"


def byte_level() -> Any:
    """One token per byte, so that characters of several bytes span tokens."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    bpe.train_from_iterator(
        [], trainers.BpeTrainer(special_tokens=["</s>"], initial_alphabet=alphabet, show_progress=False)
    )
    return PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token="</s>")


def sentence_piece() -> Any:
    """Words that carry the space before them, as in Llama 2: decoding drops the space of the first one."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    bpe.decoder = decoders.Metaspace(prepend_scheme="first")
    bpe.train_from_iterator(
        ["return add a b"] * 2, trainers.BpeTrainer(vocab_size=60, special_tokens=["</s>"], show_progress=False)
    )
    return PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token="</s>")


def ids_of(tokenizer: Any, text: str) -> list[int]:
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


@pytest.mark.parametrize("split", range(1, 6))
def test_text_begins_where_the_prompt_ends(split: int) -> None:
    """The space before the first word of a completion is kept with tokenizers that drop it at the start of a text."""
    tokenizer = sentence_piece()
    ids = ids_of(tokenizer, "return add a b")
    split = min(split, len(ids) - 1)
    assert tokenizer.decode(ids[:split]) + Decoder(tokenizer).text(ids[:split], ids[split:]) == "return add a b"
    assert not tokenizer.decode(ids[-1:]).startswith(" "), "this tokenizer would not show the fault"


def test_stop_of_many_tokens_is_seen_at_its_last_byte() -> None:
    """A row goes on until the byte that completes the stop, also inside characters of several bytes."""
    tokenizer = byte_level()
    decoder = Decoder(tokenizer)
    row = Row(prompt_ids=ids_of(tokenizer, "def add"), max_tokens=999, stop=("größe →", "never"))
    for token_id in ids_of(tokenizer, TEXT):
        if not row.finish_reason:
            take(row, token_id, decoder)
    assert row.finish_reason == "stop"
    assert text_of(row, decoder) == "def add(a, b):\n    return a + b  # "
    assert len(row.token_ids) == len((text_of(row, decoder) + "größe →").encode())


def test_long_row_is_searched_by_its_tail() -> None:
    """A stop far behind the start of a long row is seen, and the row keeps all the text before it."""
    tokenizer = byte_level()
    decoder = Decoder(tokenizer)
    row = Row(prompt_ids=ids_of(tokenizer, "x"), max_tokens=9999, stop=("\ndef ",))
    for token_id in ids_of(tokenizer, "    y = 1\n" * 60 + "\ndef g"):
        if not row.finish_reason:
            take(row, token_id, decoder)
    assert text_of(row, decoder) == "    y = 1\n" * 60
    assert tokenizer.decode(row.token_ids).endswith("\ndef ")


def test_end_token_is_no_part_of_the_text() -> None:
    """A token that ends the text is counted, not written, also where the tokenizer does not call it special."""
    tokenizer = byte_level()
    [bang] = ids_of(tokenizer, "!")
    row = Row(prompt_ids=[1], max_tokens=9, end_ids=frozenset({bang}))
    for token_id in ids_of(tokenizer, "ab!"):
        take(row, token_id, Decoder(tokenizer))
    assert (text_of(row, Decoder(tokenizer)), row.finish_reason, len(row.token_ids)) == ("ab", "stop", 3)


def test_stop_at_the_token_limit_is_a_stop() -> None:
    """A stop that the last allowed token completes ends the row as `stop`."""
    tokenizer = byte_level()
    row = Row(prompt_ids=[1], max_tokens=3, stop=("bc",))
    for token_id in ids_of(tokenizer, "abc"):
        take(row, token_id, Decoder(tokenizer))
    assert row.finish_reason == "stop"
