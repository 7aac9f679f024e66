"""Counting loops of C++, Java, JavaScript, Go and Rust as `while` loops."""

from __future__ import annotations

import re
from collections.abc import Iterator

from benchmarks.perturbations.subject import Edit
from benchmarks.perturbations.tree_nodes import Branch, CodeTree, Site, is_block

_CLOSURES = frozenset(
    {"lambda_expression", "arrow_function", "function_expression", "function_declaration", "func_literal"}
    | {"closure_expression", "class_body"}
)
_DECLARING = frozenset({"declarator", "name", "pattern", "parameter", "parameters"})
_LEAVING = frozenset({"return_statement", "break_statement", "throw_statement", "yield_statement"})
_LOOPS = frozenset({"for_statement", "while_statement", "do_statement", "try_statement", "labeled_statement"})
_BODY_KINDS = frozenset({"block", "compound_statement", "statement_block"})


def loops(tree: CodeTree) -> Iterator[Site]:
    """Loops that count, with the counter before the loop and its step at the end of the body."""
    if tree.language == "rust":
        yield from _ranges(tree)
        return
    for loop in tree.of_kind("for_statement"):
        head = next((each for each in loop.children if each.kind == "for_clause"), loop)
        begin, test, body = head.child("initializer", "init"), head.child("condition"), loop.child("body")
        steps = [each for each in head.children if each.role in ("update", "increment") and each.named]
        if begin is None or test is None or body is None or not steps or body.kind not in _BODY_KINDS:
            continue
        names = _declared(tree, begin)
        if not _is_plain(tree, loop, body, names) or tree.text(test).rstrip("; ") == "true":
            continue
        end = "" if tree.language == "go" else ";"
        keyword = f"for {tree.text(test)} " if tree.language == "go" else f"while ({tree.text(test).rstrip('; ')}) "
        first = tree.text(begin).rstrip("; ") + end
        yield _site(tree, loop, body, names, [first], keyword, [tree.text(step) + end for step in steps])


def _ranges(tree: CodeTree) -> Iterator[Site]:
    for loop in tree.of_kind("for_expression"):
        name, numbers, body = loop.child("pattern"), loop.child("value"), loop.child("body")
        if (
            name is None
            or name.kind != "identifier"
            or body is None
            or any(each.kind == "label" for each in loop.children)
        ):
            continue
        ends = numbers.inner() if numbers is not None and numbers.kind == "range_expression" else []
        sign = {"..": "<", "..=": "<="}.get(numbers.children[1].kind) if numbers and len(ends) == 2 else None
        if sign is None or any(node.kind == "char_literal" for end in ends for node in end.walk()):
            continue
        word = tree.text(name)
        if not _is_plain(tree, loop, body, [word]):
            continue
        first, last = (tree.text(end) for end in ends)
        before = [f"let mut {word} = {first};"]
        names = [word]
        if ends[1].kind != "integer_literal":
            stop = next(tree.fresh([f"{word}_end"]))
            before.append(f"let {stop} = {last};")
            names, last = [*names, stop], stop
        yield _site(tree, loop, body, names, before, f"while {word} {sign} {last} ", [f"{word} += 1;"])


def _site(
    tree: CodeTree, loop: Branch, body: Branch, names: list[str], first: list[str], head: str, steps: list[str]
) -> Site:
    """Put what begins before the loop, in a block of its own where its names mean something else around it."""
    indent = tree.indent(loop.start)
    holder = loop.parent
    if holder is not None and holder.kind == "expression_statement":
        holder = holder.parent
    is_alone = holder is not None and is_block(holder) and tree.begins_line(loop)
    has_block = not is_alone or any(_elsewhere(tree, loop, name) for name in names)
    lines = [*(["{"] if has_block else []), *first, head]
    edits = [Edit(loop.start, body.start, f"\n{indent}".join(lines)), _last(tree, loop, body, steps)]
    if has_block:
        edits.append(Edit(loop.end, loop.end, f"\n{indent}}}"))
    return tuple(edits)


def _last(tree: CodeTree, loop: Branch, body: Branch, steps: list[str]) -> Edit:
    """The steps at the end of the body."""
    at = body.end - 1
    begin = tree.line(at)
    inside = tree.source[body.start + 1 : at].strip()
    tail = next((node for node in reversed(body.inner()) if node.kind != "statement_list"), None)
    is_value = tree.language == "rust" and tail is not None and not _is_statement(tail)
    if begin <= body.start or tree.source[begin:at].strip():
        open_end = inside and (is_value or tree.language == "go")
        return Edit(at, at, ("; " if open_end else " ") + " ".join(steps) + " ")
    if is_value:
        assert tail is not None
        indent = tree.indent(tail.start)
        return Edit(tail.end, tail.end, "".join([";", *(f"\n{indent}{step}" for step in steps)]))
    indent = tree.indent(loop.start) + tree.unit
    return Edit(begin, begin, "".join(f"{indent}{step}\n" for step in steps))


def _is_statement(node: Branch) -> bool:
    return node.kind.endswith(("_statement", "_declaration", "_item", "_definition"))


def _is_plain(tree: CodeTree, loop: Branch, body: Branch, names: list[str]) -> bool:
    """Whether moving the step to the end of the body changes nothing."""
    head = tree.source[loop.start : body.start]
    if "continue" in tree.text(body) or "//" in head or "/*" in head:
        return False
    if loop.parent is not None and loop.parent.kind == "labeled_statement":
        return False
    if tree.language == "java" and not _completes(body):
        return False
    return not any(tree.text(node) in names and _is_hidden(node, body) for node in tree.names(body))


def _is_hidden(node: Branch, body: Branch) -> bool:
    """Whether a name is declared anew in the body, or read by a function that may outlive the turn."""
    if node.role in _DECLARING:
        return True
    for up in node.above():
        if up is body:
            return False
        if up.kind in _CLOSURES or up.role == "parameters" or (up.kind == "let_declaration" and node.role == "pattern"):
            return True
        if up.kind in ("short_var_declaration", "range_clause") and _is_left(node, up):
            return True
    return False


def _is_left(node: Branch, up: Branch) -> bool:
    left = up.child("left")
    return left is not None and left.start <= node.start < left.end


def _completes(node: Branch) -> bool:
    """Whether Java lets a statement follow; no where that takes more to know."""
    if node.kind in _LEAVING or (node.kind in _LOOPS and node.kind != "for_statement") or "switch" in node.kind:
        return node.kind == "while_statement" and not any(each.kind == "true" for each in node.walk())
    if node.kind == "for_statement":
        return node.child("condition") is not None
    if node.kind == "if_statement":
        then, other = node.child("consequence"), node.child("alternative")
        return other is None or (then is not None and _completes(then)) or _completes(other)
    inner = node.inner()
    return node.kind != "block" or not inner or _completes(inner[-1])


def _declared(tree: CodeTree, begin: Branch) -> list[str]:
    """Names that the beginning of a loop declares."""
    if "declaration" not in begin.kind:
        return []
    left = begin.child("left")
    if left is not None:
        return [tree.text(node) for node in tree.names(left)]
    return [tree.text(node) for node in tree.names(begin) if node.role in ("declarator", "name")]


def _elsewhere(tree: CodeTree, loop: Branch, name: str) -> bool:
    places = (match.start() for match in re.finditer(rf"\b{re.escape(name)}\b", tree.source))
    return any(at < loop.start or at >= loop.end for at in places)
