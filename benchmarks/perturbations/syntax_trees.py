"""Given code of C++, Java, JavaScript, Go and Rust in another syntax that does the same.

Each function has the signature of `Perturbation.apply`; the catalogue's tables of syntax look them up here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from random import Random

from benchmarks.perturbations.layout_trees import TREE_LAYOUT
from benchmarks.perturbations.perturbation import Apply
from benchmarks.perturbations.subject import Edit, Subject
from benchmarks.perturbations.tree_loops import loops
from benchmarks.perturbations.tree_nodes import LANGUAGES, Branch, CodeTree, Site, rewritten, tree_of, with_lines
from benchmarks.problem import Problem

__all__ = ["TREE_LANGUAGES", "TREE_LAYOUT", "TREE_SYNTAX"]

_NUM_INSERTED = {1: 1, 2: 2, 3: 4}
_SPARE = ("spare", "leftover", "scratch", "unneeded")
_DECLARED = {
    "cpp": "int {0} = {1};",
    "java": "int {0} = {1};",
    "javascript": "let {0} = {1};",
    "go": "{0} := {1}",
    "rust": "let _{0} = {1};",
}
_MIRRORED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "==": "==", "!=": "!=", "===": "===", "!==": "!=="}
_BLOCKS = frozenset({"block", "compound_statement", "statement_block"})
_SIMPLE = frozenset({"expression_statement", "return_statement"})
_DUALS = {"&&": "||", "||": "&&", "and": "or", "or": "and"}
_CONDITIONAL = ("if_statement", "while_statement", "if_expression", "while_expression", "for_statement", "do_statement")
_PURE = frozenset(
    {
        "identifier",
        "number",
        "number_literal",
        "decimal_integer_literal",
        "decimal_floating_point_literal",
        "int_literal",
        "float_literal",
        "integer_literal",
        "char_literal",
        "character_literal",
        "rune_literal",
        "string",
        "string_literal",
        "interpreted_string_literal",
        "true",
        "false",
        "null",
        "null_literal",
        "nullptr",
        "nil",
        "boolean_literal",
        "undefined",
    }
)
_LENGTH = re.compile(r"[A-Za-z_]\w*(?:\.(?:size|length|len)\(\)|\.length)|len\([A-Za-z_]\w*\)")
_NUMERIC = re.compile(
    r"(?:const\s+|unsigned\s+|static\s+)*(?:int|long|long long|size_t|double|float|long int|unsigned)"
)
_STEP = re.compile(r"(?P<name>[A-Za-z_]\w*)\s*(?P<sign>[-+*])=\s*(?P<number>\d+)")
_SUM = re.compile(r"(?P<name>[A-Za-z_]\w*)\s*=\s*(?P=name)\s*(?P<sign>[-+*])\s*(?P<number>\d+)")
_ASSIGNMENTS = (
    "assignment_expression",
    "augmented_assignment_expression",
    "assignment_statement",
    "compound_assignment_expr",
)
_DECLARING = (
    *("declaration", "parameter_declaration", "field_declaration", "for_range_loop", "structured_binding_declarator"),
    *("local_variable_declaration", "formal_parameter", "enhanced_for_statement", "resource"),
)
_HAS_NO_VALUE = frozenset({"initializer_list", "let_condition", "let_chain", "declaration", "comma_expression"})


def dead_code(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Insert blocks whose condition is false."""

    def block(tree: CodeTree, indent: str) -> str:
        name = random.choice(list(islice(tree.fresh(_SPARE), len(_SPARE))))
        declared = _unused(tree, name, random.randrange(10), indent + tree.unit)
        head = "if false {" if tree.language in ("go", "rust") else "if (false) {"
        return f"{indent}{head}\n{declared}{indent}}}\n"

    return with_lines(subject, random, _NUM_INSERTED[severity], block)


def unused_variable(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Insert variables that nothing reads, each of its own name."""
    tree = tree_of(subject)
    if tree is None:
        return None
    names = tree.fresh(random.sample(_SPARE, len(_SPARE)))

    def declared(tree: CodeTree, indent: str) -> str:
        return _unused(tree, next(names), random.randrange(10), indent)

    return with_lines(subject, random, _NUM_INSERTED[severity], declared)


def _unused(tree: CodeTree, name: str, value: int, indent: str) -> str:
    """A declaration that compiles although nothing reads the name."""
    line = f"{indent}{_DECLARED[tree.language].format(name, value)}\n"
    return line + (f"{indent}_ = {name}\n" if tree.language == "go" else "")


def for_to_while(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Write counting loops as `while` loops."""
    return rewritten(subject, random, severity, loops)


def operand_swap(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Mirror comparisons: `a < b` as `b > a`."""
    return rewritten(subject, random, severity, _comparisons)


def de_morgan(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Write `a && b` in conditions as `!(!(a) || !(b))`, and the like with `||`."""
    return rewritten(subject, random, severity, _conjunctions)


def if_else_inversion(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Negate conditions and exchange the two blocks."""
    return rewritten(subject, random, severity, _branchings)


def augmented_assignment(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Write `x += 1` as `x = x + 1`, and the reverse."""
    return rewritten(subject, random, severity, _assignments)


def redundant_parentheses(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Put parentheses around conditions, around operands of `&&` and `||`, and around what is returned."""
    return rewritten(subject, random, severity, _values)


def _comparisons(tree: CodeTree) -> Iterator[Site]:
    for node in tree.of_kind("binary_expression"):
        left, sign, right = _parts(node)
        if left is None or sign is None or right is None or sign.kind not in _MIRRORED:
            continue
        if _is_pure(tree, left) and _is_pure(tree, right) and tree.text(left) != tree.text(right):
            yield (
                Edit(left.start, left.end, tree.text(right)),
                Edit(sign.start, sign.end, _MIRRORED[sign.kind]),
                Edit(right.start, right.end, tree.text(left)),
            )


def _parts(node: Branch) -> tuple[Branch | None, Branch | None, Branch | None]:
    """Left operand, operator and right operand."""
    return node.child("left"), node.child("operator"), node.child("right")


def _is_pure(tree: CodeTree, node: Branch) -> bool:
    """Whether a value can be computed sooner or later, or twice, without anyone noticing."""
    return node.kind in _PURE or _LENGTH.fullmatch(tree.text(node)) is not None


def _conditions(tree: CodeTree) -> Iterator[Branch]:
    """Conditions of branches and loops, without their parentheses."""
    for node in tree.of_kind(*_CONDITIONAL):
        test = node.child("condition")
        if test is not None and test.kind in ("condition_clause", "parenthesized_expression"):
            inner = test.inner()
            test = inner[0] if len(inner) == 1 else None
        if test is not None and not any(each.kind in _HAS_NO_VALUE or each.is_comment for each in test.walk()):
            yield test


def _conjunctions(tree: CodeTree) -> Iterator[Site]:
    for test in _conditions(tree):
        sign = test.child("operator")
        if test.kind == "binary_expression" and sign is not None and sign.kind in _DUALS:
            other = _DUALS[sign.kind]
            parts = [f"!({tree.text(part)})" for part in _operands(test, sign.kind)]
            if "instanceof" not in tree.text(test):
                yield (Edit(test.start, test.end, f"!({f' {other} '.join(parts)})"),)


def _operands(node: Branch, kind: str) -> Iterator[Branch]:
    """What one operator joins, from left to right."""
    left, sign, right = _parts(node)
    if node.kind != "binary_expression" or sign is None or sign.kind != kind or left is None or right is None:
        yield node
        return
    yield from _operands(left, kind)
    yield right


def _branchings(tree: CodeTree) -> Iterator[Site]:
    tests = {id(test): test for test in _conditions(tree)}
    for node in tree.of_kind("if_statement", "if_expression"):
        test, then, other = node.child("condition"), node.child("consequence"), node.child("alternative")
        if test is not None and test.kind in ("condition_clause", "parenthesized_expression"):
            test = next(iter(test.inner()), None)
        if other is not None and other.kind == "else_clause":
            other = next(iter(other.inner()), None)
        if test is None or then is None or other is None or id(test) not in tests or "instanceof" in tree.text(test):
            continue
        # A branch that is not given yet stays behind the end of the prompt.
        if other.end <= tree.split and _is_movable(tree, then) and _is_movable(tree, other):
            yield (
                Edit(test.start, test.end, _negated(tree, test)),
                Edit(then.start, then.end, tree.text(other)),
                Edit(other.start, other.end, tree.text(then)),
            )


def _is_movable(tree: CodeTree, branch: Branch) -> bool:
    """Whether a branch can stand where the other stood: a block, or a simple statement with blanks and `;` around."""
    if branch.kind in _BLOCKS:
        return True
    is_apart = tree.source[branch.start - 1].isspace() and tree.source[branch.end - 1] == ";"
    return is_apart and branch.kind in _SIMPLE


def _negated(tree: CodeTree, test: Branch) -> str:
    return f"!{tree.text(test)}" if test.kind == "identifier" else f"!({tree.text(test)})"


def _assignments(tree: CodeTree) -> Iterator[Site]:
    numeric = _numbers(tree) if tree.language in ("cpp", "java") else None
    for node in tree.of_kind(*_ASSIGNMENTS):
        text = tree.text(node)
        if match := _STEP.fullmatch(text):
            new = f"{match['name']} = {match['name']} {match['sign']} {match['number']}"
        elif match := _SUM.fullmatch(text):
            new = f"{match['name']} {match['sign']}= {match['number']}"
        else:
            continue
        if numeric is None or match["name"] in numeric:
            yield (Edit(node.start, node.end, new),)


def _numbers(tree: CodeTree) -> frozenset[str]:
    """Names that are declared as numbers into which no sum has to be narrowed, and as nothing else."""
    wide, other = set[str](), set[str]()
    for node in tree.of_kind(*_DECLARING):
        kind = node.child("type")
        into = wide if kind is not None and _NUMERIC.fullmatch(tree.text(kind)) else other
        for child in node.children:
            if child.role in ("declarator", "name"):
                name = child.child("declarator", "name") or child
                into.add(tree.text(name))
    return frozenset(wide - other)


def _values(tree: CodeTree) -> Iterator[Site]:
    for node in (*_conditions(tree), *_returned(tree), *_joined(tree)):
        text = tree.text(node)
        is_bare = not node.kind.startswith("parenthesized") and node.kind not in _HAS_NO_VALUE
        if is_bare and not any(each.is_comment for each in node.children) and text:
            yield Edit(node.start, node.start, "("), Edit(node.end, node.end, ")")


def _returned(tree: CodeTree) -> Iterator[Branch]:
    for node in tree.of_kind("return_statement", "return_expression"):
        inner = node.inner()
        if len(inner) == 1 and inner[0].kind == "expression_list":
            inner = inner[0].inner()
        if len(inner) == 1:
            yield inner[0]


def _joined(tree: CodeTree) -> Iterator[Branch]:
    for node in tree.of_kind("binary_expression"):
        left, sign, right = _parts(node)
        if left is not None and sign is not None and right is not None and sign.kind in _DUALS:
            has_value = not any(each.kind in _HAS_NO_VALUE for each in node.walk())
            yield from (left, right) if has_value else ()


TREE_SYNTAX: dict[str, Apply] = {
    "dead_code": dead_code,
    "for_to_while": for_to_while,
    "operand_swap": operand_swap,
    "de_morgan": de_morgan,
    "if_else_inversion": if_else_inversion,
    "unused_variable": unused_variable,
    "augmented_assignment": augmented_assignment,
    "redundant_parentheses": redundant_parentheses,
}
"""By name of the perturbation."""
TREE_LANGUAGES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys((*TREE_SYNTAX, *TREE_LAYOUT), LANGUAGES),
    "quotes": ("javascript",),
}
"""In which languages each of them works."""
