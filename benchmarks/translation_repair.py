"""Mend the sources of CodeFuseEval's code_trans that its files broke.

All rows of C++ and Java that come from MBXP have the function's opening brace twice: once at the end of the signature,
once alone on the next line. The rule: where a program has more opening than closing braces and a line that ends in `{`
is followed by a line that is only `{`, the second is taken out, until the braces balance. Texts that balance stay.
"""

from __future__ import annotations

import re

from benchmarks.code_answers import BRACES, depth

_DOUBLED = re.compile(r"(\{[ \t\r]*\n)[ \t]*\{[ \t\r]*\n")


def repaired(source: str, language: str) -> tuple[str, bool]:
    """The source, mended where it was broken, and whether it was."""
    if language not in BRACES:
        return source, False
    text = source
    while depth(language, text) > 0 and _DOUBLED.search(text):
        text = _DOUBLED.sub(r"\1", text, count=1)
    return text, text != source
