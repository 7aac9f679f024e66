"""Where the names of a program in C++, Java, JavaScript, Go or Rust stand, by its syntax tree.

A variable is all identifiers of one spelling within the function; it is left alone if any of them could be something
else: a field, a label, a name that the program has outside, or text that only the compiler takes apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import tree_sitter

from benchmarks.code_grammars import parsed
from benchmarks.perturbations.name_places import Names, Place, Variable


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_IDENTIFIERS = frozenset({"identifier", "type_identifier"})
_SHORT = frozenset(
    {"shorthand_property_identifier", "shorthand_property_identifier_pattern", "shorthand_field_initializer"}
)
_HEADS = frozenset({"function_definition", "method_declaration", "function_declaration", "function_item"})
_TARGETS = frozenset({"declarator", "name", "pattern", "left", "parameter", "parameters"})
"""Roles of children that bring names."""
_BRINGS = _words(
    """declaration init_declarator for_range_loop parameter_declaration optional_parameter_declaration
    variable_declarator enhanced_for_statement formal_parameter catch_formal_parameter resource short_var_declaration
    var_spec range_clause let_declaration for_expression let_condition closure_expression arrow_function
    for_in_statement lambda_expression const_spec parameter function_declaration catch_clause"""
)
"""Kinds of nodes that bring names, in the role of a target."""
_PATTERNS = _words(
    """pointer_declarator reference_declarator array_declarator init_declarator variable_declarator expression_list
    function_declarator structured_binding_declarator tuple_pattern reference_pattern ref_pattern mut_pattern
    array_pattern object_pattern pair_pattern rest_pattern assignment_pattern formal_parameters closure_parameters
    inferred_parameters parenthesized_declarator captured_pattern slice_pattern tuple_struct_pattern"""
)
"""Kinds of nodes within a target that have names in them."""
_FORMATTED = re.compile(r"\{\s*(\w+)\s*[:}]")


class Tree:
    """A text taken apart."""

    def __init__(self, language: str, text: str) -> None:
        self.language, self.text, self.data = language, text, text.encode()
        self.root = parsed(language, self.data).root_node
        self.nodes = list(_walk(self.root))
        self._is_ascii = text.isascii()

    def place(self, node: tree_sitter.Node, lead: str = "") -> Place:
        """Where a node stands, in characters."""
        start, end = node.start_byte, node.end_byte
        if not self._is_ascii:
            start = len(self.data[:start].decode())
            end = start + len(self.data[node.start_byte : end].decode())
        return Place(start, end, lead)

    def word(self, node: tree_sitter.Node) -> str:
        """Its text."""
        return self.data[node.start_byte : node.end_byte].decode()

    def is_free(self, node: tree_sitter.Node) -> bool:
        """Whether a name is none of a member or of a path: neither `.x` nor `::x` nor `x::`, ranges aside."""
        before = self.data[: node.start_byte].rstrip()[-2:] if node.start_byte else b""
        after = self.data[node.end_byte : node.end_byte + 2]
        arrow = b"->" if self.language == "cpp" else b"::"  # elsewhere it opens the body of a lambda or a case
        return not (before.endswith(b".") and before != b"..") and before not in (b"::", arrow) and after != b"::"

    def functions(self, name: str, nodes: Iterable[tree_sitter.Node], classes: frozenset[str]) -> Iterator[Place]:
        """Mentions of a function."""
        objects = self._objects(classes) if self.language == "java" else frozenset()
        for node in nodes:
            if node.type in _SHORT and self.word(node) == name:
                yield self.place(node, f"{name}: ")
            elif node.type == "identifier" and self.word(node) == name and self._is_call(node, objects):
                yield self.place(node)

    def _is_call(self, node: tree_sitter.Node, objects: frozenset[str]) -> bool:
        above = node.parent
        if above is None:
            return False
        if above.type in ("lifetime", "label", "shorthand_field_initializer"):
            return False
        if self.language != "java":
            return self.is_free(node)
        if above.type == "method_declaration":
            return True
        if above.type == "method_reference":
            return self.word(above).split("::")[0].strip() in objects
        if above.type != "method_invocation" or above.child_by_field_name("name") != node:
            return False
        target = above.child_by_field_name("object")
        return target is None or self.word(target) in objects or self._makes(target, objects)

    def _makes(self, node: tree_sitter.Node, objects: frozenset[str]) -> bool:
        while node.type == "parenthesized_expression" and node.named_children:
            node = node.named_children[0]
        made = node.child_by_field_name("type") if node.type == "object_creation_expression" else None
        return made is not None and self.word(made) in objects

    def _objects(self, classes: frozenset[str]) -> frozenset[str]:
        """Words before a dot that mean one of these classes or an object of one."""
        found = {"this", *classes}
        for node in self.nodes:
            kind = node.child_by_field_name("type") if node.type.endswith(("_declaration", "_parameter")) else None
            if kind is not None and self.word(kind) in classes:
                targets = [node, *node.children_by_field_name("declarator")]
                found |= {self.word(name) for each in targets for name in each.children_by_field_name("name")}
        return frozenset(found)


def classes_around(tree: Tree, name: str) -> frozenset[str]:
    """Names of the classes in which a method is declared."""
    found = set()
    for node in tree.nodes:
        if node.type == "method_declaration" and _named(tree, node, name):
            above = node.parent.parent if node.parent else None
            inner = above.child_by_field_name("name") if above else None
            found |= {tree.word(inner)} if inner else set()
    return frozenset(found)


def names_of(language: str, source: str, entry_point: str) -> Names:
    """The names of a program; none where it does not define the entry point."""
    tree = Tree(language, source)
    heads = [node for node in tree.nodes if _defines(tree, node, entry_point)]
    if not heads:
        return Names()
    places = tuple(sorted(set(tree.functions(entry_point, tree.nodes, classes_around(tree, entry_point)))))
    if len(heads) > 1 or heads[0].has_error:
        return Names(places)
    return Names(places, *_variables(tree, heads[0]))


def mentions(
    language: str, text: str, names: Iterable[str], classes: frozenset[str] = frozenset()
) -> dict[str, tuple[Place, ...]]:
    """Where these names stand in tests or fragments as functions; in Java as methods of these classes alone."""
    if not any(name in text for name in names):
        return {}
    tree = Tree(language, text)
    return {name: tuple(sorted(set(tree.functions(name, tree.nodes, classes)))) for name in names}


def _walk(node: tree_sitter.Node) -> Iterator[tree_sitter.Node]:
    todo = [node]
    while todo:
        each = todo.pop()
        yield each
        todo += reversed(each.children)


def _defines(tree: Tree, node: tree_sitter.Node, name: str) -> bool:
    if node.type in _HEADS:
        return _named(tree, node, name)
    if node.type != "variable_declarator" or not _named(tree, node, name):
        return False
    value = node.child_by_field_name("value")
    return value is not None and value.type in ("arrow_function", "function_expression")


def _named(tree: Tree, node: tree_sitter.Node, name: str) -> bool:
    named = node.child_by_field_name("name") or node.child_by_field_name("declarator")
    while named is not None and (inner := named.child_by_field_name("declarator")) is not None:
        named = inner
    # A reference declarator (`int& f()`) has its inner one without a role.
    if named is not None and named.type == "reference_declarator" and named.named_children:
        named = named.named_children[0].child_by_field_name("declarator")
    return named is not None and tree.word(named) == name and named.type in ("identifier", "type_identifier")


def _variables(tree: Tree, head: tree_sitter.Node) -> tuple[tuple[Variable, ...], tuple[Variable, ...]]:
    """Parameters and locals of a function."""
    function = head.child_by_field_name("value") or head
    inside = list(_walk(function))
    outside = {tree.word(node) for node in _outer(tree.root, head) if node.type in _IDENTIFIERS}
    blocked = outside | set(_odd(tree, inside))
    given = list(dict.fromkeys(_parameters(tree, function)))
    body = function.child_by_field_name("body")
    own = list(dict.fromkeys(_brought(tree, body))) if body else []
    uses = _uses(tree, inside)
    parameters = tuple(Variable(name, uses[name]) for name in given if _is_plain(name, blocked, uses))
    found = [Variable(name, uses[name]) for name in own if name not in given and _is_plain(name, blocked, uses)]
    return parameters, tuple(sorted(found, key=lambda each: each.places[0].start))


def _is_plain(name: str, blocked: set[str], uses: dict[str, tuple[Place, ...]]) -> bool:
    """Whether a name can be renamed; that a name begins with an underscore has a meaning in Go and Rust."""
    if name in blocked or name not in uses or not name.isidentifier() or name.startswith("_"):
        return False
    return name[0].islower() or len(name) == 1


def _parameters(tree: Tree, function: tree_sitter.Node) -> Iterator[str]:
    holder = function
    while holder.child_by_field_name("parameters") is None:
        inner = holder.child_by_field_name("declarator")
        if inner is None and holder.type == "reference_declarator" and holder.named_children:
            inner = holder.named_children[0]
        if inner is None:
            single = holder.child_by_field_name("parameter")
            yield from _names_in(tree, single) if single else ()
            return
        holder = inner
    listed = holder.child_by_field_name("parameters")
    for child in listed.named_children if listed else ():
        for role in ("declarator", "name", "pattern"):
            for target in child.children_by_field_name(role):
                yield from _names_in(tree, target)
        if function.type in ("arrow_function", "function_expression", "function_declaration") and tree.language != "go":
            yield from _names_in(tree, child)


def _brought(tree: Tree, body: tree_sitter.Node) -> Iterator[str]:
    """Names that a body's declarations bring, in order."""
    for node in _walk(body):
        if node.type in _BRINGS:
            for at, child in enumerate(node.children):
                if node.field_name_for_child(at) in _TARGETS:
                    yield from _names_in(tree, child)


def _names_in(tree: Tree, node: tree_sitter.Node) -> Iterator[str]:
    if node.type in ("identifier", "shorthand_property_identifier_pattern"):
        yield tree.word(node)
    elif node.type in _PATTERNS:
        for at, child in enumerate(node.children):
            if node.field_name_for_child(at) not in ("value", "type", "right", "parameters", "size"):
                yield from _names_in(tree, child)


def _uses(tree: Tree, nodes: Iterable[tree_sitter.Node]) -> dict[str, tuple[Place, ...]]:
    """All variables' mentions by name."""
    found: dict[str, set[Place]] = {}
    for node in nodes:
        name = tree.word(node) if node.type in _IDENTIFIERS or node.type in _SHORT else ""
        if node.type in _SHORT:
            found.setdefault(name, set()).add(tree.place(node, f"{name}: "))
        elif name and _is_variable(tree, node) and not (node.parent and node.parent.type in _SHORT):
            found.setdefault(name, set()).add(tree.place(node))
    return {name: tuple(sorted(places)) for name, places in found.items()}


def _is_variable(tree: Tree, node: tree_sitter.Node) -> bool:
    """Whether an identifier is no name of a method, macro, label or member."""
    above = node.parent
    if above is None or not tree.is_free(node):
        return False
    if tree.language == "java":
        named = above.child_by_field_name("name")
        calls = above.type in ("method_invocation", "method_declaration") and named == node
        return not calls and above.type not in ("labeled_statement", "break_statement", "continue_statement")
    return not (above.type == "macro_invocation" and above.child_by_field_name("macro") == node)


def _odd(tree: Tree, nodes: Iterable[tree_sitter.Node]) -> Iterator[str]:
    """Names that stand within the function where they may mean something else, or be read as text."""
    for node in nodes:
        if node.type in ("preproc_def", "preproc_function_def", "preproc_arg"):
            yield from re.findall(r"\w+", tree.word(node))
        elif node.type in ("lifetime", "label", "label_name", "labeled_statement"):
            yield from re.findall(r"\w+", tree.word(node)[:40])[:1]
        elif node.type == "string_literal" and tree.language == "rust":
            yield from _FORMATTED.findall(tree.word(node))
        elif node.type == "keyed_element" and node.named_children:
            yield from re.findall(r"\w+", tree.word(node.named_children[0]))
        elif node.type in ("field_access", "member_expression") and tree.word(node).startswith("this."):
            yield tree.word(node).removeprefix("this.")
        elif node.type in ("struct_item", "struct_specifier", "class_specifier", "class_declaration", "class_body"):
            yield from re.findall(r"\w+", tree.word(node))


def _outer(root: tree_sitter.Node, head: tree_sitter.Node) -> Iterator[tree_sitter.Node]:
    """What the program has outside of functions: heads of others without their bodies and parameters."""
    todo = [root]
    while todo:
        node = todo.pop()
        if node == head:
            continue
        yield node
        is_function = node.type in _HEADS or node.type in ("arrow_function", "function_expression")
        todo += [] if is_function else node.children
        if is_function:
            name = node.child_by_field_name("name") or node.child_by_field_name("declarator")
            while name is not None and (inner := name.child_by_field_name("declarator")) is not None:
                name = inner
            todo += [name] if name is not None else []
