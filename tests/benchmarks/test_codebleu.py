"""CodeBLEU's parts: against the package codebleu 0.7.0 where they agree by design, else by hand.

The package's constants were computed with codebleu 0.7.0 on tree-sitter 0.26.1 and the same grammars, with our tokens
as its `tokenizer`. Data flow is not compared with it: its edges include literals, attributes and function names, and
its values change with the hash seed of the process.
"""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys

import pytest

from benchmarks.code_grammars import KEYWORDS, Tree, syntax_tree
from benchmarks.codebleu import (
    CodeBleuParts,
    codebleu_parts,
    data_flow,
    data_flow_match,
    syntax_match,
    weighted_ngram_match,
)

PACKAGE = {
    "python": (
        "def f(a, b):\n    if a < b:\n        return a - b\n    return 0\n",
        "def f(a, b):\n    if b < a:\n        return b - a\n    return abs(a)\n",
        (0.4440884835, 0.4537284977, 0.5),
    ),
    "python, much shorter": (
        "def f(xs):\n    return sum(xs)\n",
        "def f(xs):\n    total = 0\n    for x in xs:\n        total = total + x\n    return total\n",
        (0.1999014059, 0.2481723264, 0.0833333333),
    ),
    "java": (
        "class A { int f(int x) { int y = x * 2; return y; } }",
        "class A { int f(int x) { int y = x + 1; if (y > 3) { y = g(y); } return y; } }",
        (0.396425986, 0.4746145595, 0.4545454545),
    ),
    "javascript": (
        "function f(xs) { let s = 0; for (let i = 0; i < xs.length; i++) { s += xs[i]; } return s; }",
        "function f(xs) { return xs.reduce((s, x) => s + x, 0); }",
        (0.1592562548, 0.2700670773, 0.1818181818),
    ),
    "go": (
        "func f(a int, b int) int {\n\tif a > b {\n\t\treturn a\n\t}\n\treturn b\n}\n",
        "func f(a int, b int) int {\n\tc := a\n\tif b > c {\n\t\tc = b\n\t}\n\treturn c\n}\n",
        (0.4462479666, 0.4617093068, 0.5263157895),
    ),
    "rust": (
        "fn f(x: T) -> T { let y = x; y }",
        "fn f(x: T) -> T { let mut y = x; y += x; return y }",
        (0.5865521969, 0.5879236603, 0.2222222222),
    ),
    "c": (
        "int f(int a) { int b = a; return b; }",
        "int f(int a) { int b = a; while (b > 1) { b = b / 2; } return b; }",
        (0.3692147027, 0.4705896439, 0.375),
    ),
    "cpp": (
        "int f(const A &a) { int b = a.size(); return b; }",
        "int f(const A &a) { int b = 0; for (auto x : a) { b += x; } return b; }",
        (0.4198284288, 0.4473379078, 0.375),
    ),
    "php": (
        "<?php function f($a) { $b = $a; return $b; }",
        "<?php function f($a) { $b = $a + 1; if ($b > 2) { return $b; } return $a; }",
        (0.4414263662, 0.5034033227, 0.5),
    ),
    "ruby": (
        "def f(a)\n  a.map { |x| x + 1 }\nend\n",
        "def f(a)\n  b = a.map { |x| x * 2 }\n  b\nend\n",
        (0.5474807721, 0.559380088, 0.6),
    ),
}
SUMS = {
    "python": "def f(a):\n    t = 0\n    for x in a:\n        t += x\n    return t\n",
    "javascript": "const f = (a) => { let t = 0; for (const x of a) { t += x; } return t; }",
    "typescript": "function f(a: number[]): number { let t = 0; for (const x of a) { t += x; } return t; }",
    "java": "class A { int f(int[] a) { int t = 0; for (int x : a) { t += x; } return t; } }",
    "rust": "fn f(a: &Vec<i32>) -> i32 { let mut t = 0; for x in a { t += x; } t }",
    "cpp": "int f(vector<int> a) { int t = 0; for (auto x : a) { t += x; } return t; }",
    "php": "function f($a) { $t = 0; foreach ($a as $x) { $t += $x; } return $t; }",
    "ruby": "def f(a)\n  t = 0\n  for x in a do\n    t += x\n  end\n  t\nend\n",
}
"""One function in each language that has a loop over elements."""
FLOWS = {
    **SUMS,
    "go": "func f(a []int) int {\n\tt := 0\n\tfor _, x := range a {\n\t\tt += x\n\t}\n\treturn t\n}\n",
    "c": "int f(int *a, int n) { int t = 0; for (int i = 0; i < n; i++) { t += a[i]; } return t; }",
    "bash": "f() { t=0; for x in $a; do t=$((t + x)); done; echo $t; }",
}


def tree(language: str, text: str) -> Tree:
    """The tree of a text in a language that has a grammar."""
    found = syntax_tree(language, text)
    assert found is not None
    return found


def flow(text: str, language: str = "python") -> dict[tuple[int, str, tuple[int, ...]], int]:
    """Edges of a text with their counts."""
    return dict(data_flow(language, tree(language, text)))


@pytest.mark.parametrize("name", PACKAGE)
def test_three_parts_have_the_packages_values(name: str) -> None:
    """BLEU, keyword-weighted BLEU and syntax match are those of codebleu 0.7.0."""
    candidate, reference, expected = PACKAGE[name]
    parts = codebleu_parts(name.partition(",")[0], candidate, reference)
    assert (parts.ngram, parts.weighted_ngram, parts.syntax) == pytest.approx(expected, abs=1e-9)


def test_codebleu_is_the_mean_of_the_parts_that_exist() -> None:
    """A quarter each; a part that is None gives its weight to the others."""
    assert CodeBleuParts(ngram=0.1, weighted_ngram=0.2, syntax=0.5, data_flow=0.4).codebleu == pytest.approx(0.3)
    assert CodeBleuParts(ngram=0.1, weighted_ngram=0.2, syntax=0.6, data_flow=None).codebleu == pytest.approx(0.3)
    assert CodeBleuParts(ngram=0.1, weighted_ngram=0.2, syntax=0.5, data_flow=0.0).codebleu == pytest.approx(0.2)


def test_a_reference_without_data_flow_is_judged_by_the_other_three_parts() -> None:
    """Data flow is None for it, whatever the candidate has."""
    assert codebleu_parts("python", SUMS["python"], "def f():\n    return 0\n").data_flow is None


def test_a_candidate_without_the_references_data_flow_has_none_of_it() -> None:
    """A total mismatch is 0, not 1."""
    assert codebleu_parts("python", "def f():\n    return 0\n", SUMS["python"]).data_flow == 0.0


@pytest.mark.parametrize("language", ["perl", "lua"])
def test_a_language_without_grammar_is_judged_by_its_tokens(language: str) -> None:
    """Syntax and data flow are None, so that CodeBLEU is the mean of both BLEUs."""
    parts = codebleu_parts(language, "local a = b + 1", "local a = c + 1")
    assert (parts.syntax, parts.data_flow) == (None, None)
    assert parts.codebleu == pytest.approx((parts.ngram + parts.weighted_ngram) / 2)


def test_keywords_weigh_five_times_as_much_among_unigrams() -> None:
    """Recall of 1.2 out of 1.6 by weight, 1 of 3 bigrams, and a tenth of a match in the longer orders."""
    found = weighted_ngram_match(["return", "x"], ["return", "x", "+", "y"], KEYWORDS["python"])
    assert found == pytest.approx((1.2 / 1.6 * 1 / 3 * 0.1 / 2 * 0.1 / 1) ** 0.25)


@pytest.mark.parametrize("text", ["x", "return x", "a + b"])
def test_weighted_match_of_a_short_text_with_itself_is_full(text: str) -> None:
    """Orders that the reference is too short for do not count."""
    assert math.isclose(weighted_ngram_match(text.split(), text.split(), KEYWORDS["python"]), 1.0)


def test_syntax_match_counts_the_references_subtrees() -> None:
    """Of module, statement, assignment and sum in `x = a + b` the candidate `x = a` has none, and `y = c - d` all."""
    reference = tree("python", "x = a + b")
    assert syntax_match(tree("python", "x = a"), reference) == 0.0
    assert syntax_match(tree("python", "y = c - d"), reference) == 1.0
    assert syntax_match(tree("python", "a + b\nprint()"), reference) == 1 / 4


def test_comments_and_docstrings_are_no_syntax() -> None:
    """A function with them has the tree of the same function without."""
    plain = "def f(a):\n    return a\n"
    told = '# told\ndef f(a):  # of a\n    """Docstring."""\n    # why\n    return a\n'
    assert syntax_match(tree("python", told), tree("python", plain)) == 1.0
    assert len(tree("python", told)) == len(tree("python", plain))


def test_indentation_around_a_whole_text_does_not_matter() -> None:
    """A method's body has the tree of the same statements at the margin."""
    body = "if a:\n    b = a\nreturn b\n"
    indented = "".join(f"        {line}\n" for line in body.splitlines())
    assert syntax_match(tree("python", indented), tree("python", body)) == 1.0


@pytest.mark.parametrize("language", FLOWS)
def test_renamed_variables_have_the_same_data_flow(language: str) -> None:
    """Names count only by their order."""
    renamed = re.sub(r"\b([atxin])\b(?! \$)", r"\1\1\1", FLOWS[language].replace(" in ", " \0 ")).replace("\0", "in")
    parts = codebleu_parts(language, renamed, FLOWS[language])
    assert parts.data_flow == 1.0
    assert parts.ngram < 1.0


@pytest.mark.parametrize("language", SUMS)
def test_the_same_function_has_the_same_data_flow_in_every_language(language: str) -> None:
    """The sequence is read, the element comes from it, and the sum from both itself and the element."""
    sequence, element, total = 0, 1, 2
    assert flow(SUMS[language], language) == {
        (sequence, "comesFrom", (sequence,)): 1,
        (element, "computedFrom", (sequence,)): 1,
        (element, "comesFrom", (element,)): 1,
        (total, "comesFrom", (total,)): 2,
        (total, "computedFrom", (element, total)): 1,
    }


@pytest.mark.parametrize(
    ("text", "edges"),
    [
        ("x = 1", {}),
        ("x = f(y)", {(1, "computedFrom", (0,)): 1}),
        ("x = y.z", {(1, "computedFrom", (0,)): 1}),
        ("x: List[int] = y", {(1, "computedFrom", (0,)): 1}),
        ("a, b = b, a", {(1, "computedFrom", (0,)): 1, (0, "computedFrom", (1,)): 1}),
        ("a, b = c", {(1, "computedFrom", (0,)): 1, (2, "computedFrom", (0,)): 1}),
        ("a.b[c] = d", {(1, "computedFrom", (0,)): 1}),
        ("f = lambda x: y", {}),
        ("with p as q: pass", {(1, "computedFrom", (0,)): 1}),
        ("import os\nos.getcwd(); os.getpid()", {(0, "comesFrom", (0,)): 1}),
        (
            "x = [y for y in z]",
            {(2, "computedFrom", (0, 1)): 1, (0, "comesFrom", (0,)): 1, (0, "computedFrom", (1,)): 1},
        ),
    ],
)
def test_data_flow_of_a_statement_is_what_its_rule_says(
    text: str, edges: dict[tuple[int, str, tuple[int, ...]], int]
) -> None:
    """Values flow into targets; literals, functions, attributes and types are no variables."""
    assert flow(text) == edges


@pytest.mark.parametrize(("short", "long"), [("x += y", "x = x + y"), ("a[i] += y", "a[i] = a[i] + y")])
def test_a_compound_assignment_flows_as_the_plain_one(short: str, long: str) -> None:
    """Its target is read and written."""
    assert flow(short) == flow(long)


def test_data_flow_match_clips_repeated_edges() -> None:
    """One read of x in the candidate matches one of three in the reference."""
    once, thrice = (tree("python", "x = 1\n" + "print(x)\n" * count) for count in (1, 3))
    assert data_flow_match("python", once, thrice) == pytest.approx(1 / 3)


def test_values_do_not_depend_on_the_hash_seed() -> None:
    """Two processes with different seeds agree on every digit."""
    code = (
        "from benchmarks.codebleu import codebleu_parts\n"
        "print(codebleu_parts('python', 'while a:\\n b, c = c, b + a + d\\n', 'while a:\\n b = c + b + d + a\\n'))"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "PYTHONHASHSEED": seed}
        ).stdout
        for seed in "12"
    }
    assert len(printed) == 1
    assert "data_flow=" in printed.pop()
