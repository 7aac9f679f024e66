"""How similar a program's text is to a reference. Pure functions: nothing is executed.

`similarity` gives the metrics by which code completion is reported besides execution. They say how alike two texts
are, not whether either is right. Grammars and libraries are imported when they are first needed.
"""

from __future__ import annotations

from benchmarks.code_grammars import KEYWORDS
from benchmarks.codebleu import bleu, codebleu_parts

__all__ = ["LANGUAGES", "MAX_CHARACTERS", "bleu", "edit_similarity", "exact_match", "similarity"]

LANGUAGES = frozenset(KEYWORDS)
"""What `similarity` takes as a language."""
MAX_CHARACTERS = 20_000
"""Characters of each text that `similarity` compares (all of them for `em`): runaway answers must not cost seconds."""


def similarity(language: str, candidate: str, reference: str) -> dict[str, float]:
    """Compare two texts, of which only the first `MAX_CHARACTERS` count except for `em`.

    Args:
        language: one of `LANGUAGES`.
        candidate: what a model wrote; any text, also one that does not parse.
        reference: what it should have written.

    Returns:
        `bleu`, `codebleu`, `es` (edit similarity) and `em` (exact match), each in [0, 1]. Identical texts have 1
        everywhere; a candidate without tokens has 0, unless the reference has none either.

    Raises:
        ValueError: the language is not known.
    """
    if language not in LANGUAGES:
        raise ValueError(f"No similarity for language {language!r}; known are {', '.join(sorted(LANGUAGES))}.")
    head, wanted = candidate[:MAX_CHARACTERS], reference[:MAX_CHARACTERS]
    parts = codebleu_parts(language, head, wanted)
    return {
        "bleu": parts.ngram,
        "codebleu": parts.codebleu,
        "es": edit_similarity(head, wanted),
        "em": exact_match(candidate, reference),
    }


def edit_similarity(candidate: str, reference: str) -> float:
    """Edit similarity of two texts without their outer blanks, in [0, 1]; 1 if both are empty.

    The indel ratio of CrossCodeEval (Ding et al. 2023) and RepoBench (Liu et al. 2024), `fuzz.ratio` / 100:
    1 - d / (|candidate| + |reference|), where d is the least number of characters inserted and deleted. It is not
    1 - Levenshtein / max(|candidate|, |reference|), where a substitution counts once. Both papers' packages round each
    pair to whole percents; this does not.
    """
    from rapidfuzz import fuzz

    return fuzz.ratio(candidate.strip(), reference.strip()) / 100.0


def exact_match(candidate: str, reference: str) -> float:
    """1.0 if both texts are equal after being split at blanks, else 0.0 (CodeXGLUE, Lu et al. 2021).

    Blanks count only as separators: indentation and line ends do not matter, `a+b` and `a + b` differ.
    """
    return float(candidate.split() == reference.split())
