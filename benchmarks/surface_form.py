"""Runs inside the jail, as text: what tests of DS-1000 need of the module `parser`, which Python 3.10 removed.

Surface-form tests ask it for a program's syntax tree and look whether a word is among its leaves: that no loop is in
it, or that it calls a certain function. Leaves are the texts of tokens, a string being one of them and a comment none,
so tokens are all that is given here. benchmarks/codedatascience.py sends this module's source along with such tests;
it imports nothing of ours and nothing but the standard library.
"""

from __future__ import annotations

import ast
import io
import token as token_types
import tokenize
from collections.abc import Iterator

FILE_INPUT = 257
"""What a tree of `parser` began with."""
_LEFT_OUT = {token_types.COMMENT, token_types.NL, token_types.ENCODING}
_F_START = getattr(token_types, "FSTRING_START", -1)
_F_END = getattr(token_types, "FSTRING_END", -1)

Leaf = list[object]
Tree = list[object]


def suite(source: str) -> list[Leaf]:
    """The leaves of a program, each as [type, text].

    Raises:
        SyntaxError: it is no Python, for which `parser.suite` raised too.
    """
    ast.parse(source)
    return list(_leaves(source))


def st2list(leaves: list[Leaf], line_info: bool = False, col_info: bool = False) -> Tree:
    """A tree with the leaves of `suite`, all at one level; places in the source are never given."""
    return [FILE_INPUT, *leaves]


def _leaves(source: str) -> Iterator[Leaf]:
    """Tokens that were leaves; what stands in an f-string is one leaf, as before Python 3.12."""
    depth, parts = 0, ""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        depth += token.type == _F_START
        if depth:
            parts += token.string
            depth -= token.type == _F_END
            if not depth:
                yield [token_types.STRING, parts]
                parts = ""
        elif token.type not in _LEFT_OUT:
            yield [token.type, token.string]
