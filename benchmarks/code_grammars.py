"""What a text of code consists of, per language: tokens, keywords and a syntax tree. Pure functions.

A grammar is a module of its own that is imported when its language is first asked for. Perl and Lua have none here.
"""

from __future__ import annotations

import importlib
import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tree_sitter

_TOKEN = re.compile(r"\w+|[^\w\s]")
_GRAMMARS = {
    "python": ("tree_sitter_python", "language"),
    "c": ("tree_sitter_c", "language"),
    "cpp": ("tree_sitter_cpp", "language"),
    "java": ("tree_sitter_java", "language"),
    "javascript": ("tree_sitter_javascript", "language"),
    "typescript": ("tree_sitter_typescript", "language_typescript"),
    "go": ("tree_sitter_go", "language"),
    "rust": ("tree_sitter_rust", "language"),
    "php": ("tree_sitter_php", "language_php"),
    "ruby": ("tree_sitter_ruby", "language"),
    "bash": ("tree_sitter_bash", "language"),
}
"""Module and the function in it that gives the grammar."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_C = """auto break case char const continue default do double else enum extern float for goto if inline int long
    register restrict return short signed sizeof static struct switch typedef union unsigned void volatile while"""
_JAVASCRIPT = """async await break case catch class const continue debugger default delete do else enum export extends
    false finally for function if import in instanceof let new null of return static super switch this throw true try
    typeof var void while with yield"""
_WORDS = {
    "python": """False None True and as assert async await break case class continue def del elif else
    except finally for from global if import in is lambda match nonlocal not or pass raise return try type while with
    yield""",
    "c": _C,
    "cpp": _C
    + """ alignas alignof and and_eq asm bitand bitor bool catch class co_await co_return
        co_yield compl concept const_cast consteval constexpr constinit decltype delete dynamic_cast explicit export
        false final friend mutable namespace new noexcept not not_eq nullptr operator or or_eq override private
        protected public reinterpret_cast requires static_assert static_cast template this thread_local throw true try
        typeid typename using virtual wchar_t xor xor_eq""",
    "java": """abstract assert boolean break byte case catch char class const continue default do double else enum
        extends false final finally float for goto if implements import instanceof int interface long native new null
        package private protected public record return sealed short static strictfp super switch synchronized this
        throw throws transient true try var void volatile while yield""",
    "javascript": _JAVASCRIPT,
    "typescript": _JAVASCRIPT
    + """ abstract any as asserts bigint boolean declare
        implements infer interface is keyof module namespace never number object override package private protected
        public readonly satisfies string symbol type undefined unique unknown""",
    "go": """break case chan const continue default defer else fallthrough false for func go goto if import interface
        iota map nil package range return select struct switch true type var""",
    "rust": """Self as async await break const continue crate dyn else enum extern false fn for if impl in let loop
        match mod move mut pub ref return self static struct super trait true type union unsafe use where while""",
    "php": """abstract and array as break callable case catch class clone const continue declare default do echo else
        elseif empty enddeclare endfor endforeach endif endswitch endwhile enum eval exit extends false final finally
        fn for foreach function global goto if implements include include_once instanceof insteadof interface isset
        list match namespace new null or print private protected public readonly require require_once return static
        switch throw trait true try unset use var while xor yield""",
    "ruby": """BEGIN END alias and begin break case class def defined do else elsif end ensure false for if in module
        next nil not or redo rescue retry return self super then true undef unless until when while yield""",
    "bash": """break case continue coproc declare do done elif else esac eval exit export fi for function if in local
        readonly return select shift then time until unset while""",
    "perl": """and cmp continue default defined delete die do each else elsif eq eval exists for foreach ge given gt
        if last le local lt my ne next no not or our package redo require return sub undef unless until use wantarray
        when while xor""",
    "lua": """and break do else elseif end false for function goto if in local nil not or repeat return then true
        until while""",
}
KEYWORDS: dict[str, frozenset[str]] = {language: _words(words) for language, words in _WORDS.items()}
"""Reserved words and the contextual keywords of the languages' own references; its keys are the known languages."""


_VARIABLES = {
    "javascript": _words("identifier shorthand_property_identifier shorthand_property_identifier_pattern"),
    "typescript": _words("identifier shorthand_property_identifier shorthand_property_identifier_pattern"),
    "php": _words("variable_name"),
    "ruby": _words("identifier instance_variable class_variable global_variable"),
    "bash": _words("variable_name"),
}
"""Kinds of nodes that are variables, where these are not just the identifiers."""
_IDENTIFIER = _words("identifier")
_NAMES = {
    "name": _words(
        """function_definition class_definition keyword_argument method_declaration class_declaration class
        interface_declaration constructor_declaration enum_declaration record_declaration method_invocation
        function_declaration generator_function_declaration function_expression function_signature function_item method
        scoped_identifier qualified_identifier singleton_method"""
    ),
    "path": _words("scoped_identifier"),
    "function": _words("call call_expression generic_function"),
    "method": _words("call"),
    "constructor": _words("new_expression"),
    "macro": _words("macro_invocation"),
    "attribute": _words("attribute"),
    "field": _words("field_access"),
    "declarator": _words("function_declarator"),
    "type": _words("tuple_struct_pattern"),
}
"""Role, and kinds of parents, of identifiers that name a function, member, type or module."""
_NO_VARIABLES = {"python": _words("type import_statement import_from_statement future_import_statement")}
"""Kinds of nodes in which identifiers are no variables."""

Selector = str | int
"""Children of a node that have a role, or one by its place among the shown ones."""
_Rows = dict[str, tuple[Selector, Selector]]
_ASSIGNMENT: _Rows = {"assignment_expression": ("left", "right"), "update_expression": ("argument", "argument")}
_C_LIKE: _Rows = {**_ASSIGNMENT, "init_declarator": ("declarator", "value")}
_SCRIPT: _Rows = {
    **_ASSIGNMENT,
    "augmented_assignment_expression": ("left", "right"),
    "variable_declarator": ("name", "value"),
    "assignment_pattern": ("left", "right"),
    "for_in_statement": ("left", "right"),
}
DEFINITIONS: dict[str, _Rows] = {
    "python": {
        "assignment": ("left", "right"),
        "augmented_assignment": ("left", "right"),
        "named_expression": ("name", "value"),
        "default_parameter": ("name", "value"),
        "typed_default_parameter": ("name", "value"),
        "for_statement": ("left", "right"),
        "for_in_clause": ("left", "right"),
        "as_pattern": ("alias", 0),
    },
    "c": _C_LIKE,
    "cpp": {
        **_C_LIKE,
        "for_range_loop": ("declarator", "right"),
        "optional_parameter_declaration": ("declarator", "default_value"),
    },
    "java": {
        **_ASSIGNMENT,
        "update_expression": (0, 0),
        "variable_declarator": ("name", "value"),
        "enhanced_for_statement": ("name", "value"),
    },
    "javascript": _SCRIPT,
    "typescript": {**_SCRIPT, "required_parameter": ("pattern", "value")},
    "go": {
        "short_var_declaration": ("left", "right"),
        "assignment_statement": ("left", "right"),
        "var_spec": ("name", "value"),
        "const_spec": ("name", "value"),
        "range_clause": ("left", "right"),
        "inc_statement": (0, 0),
        "dec_statement": (0, 0),
    },
    "rust": {
        "let_declaration": ("pattern", "value"),
        "let_condition": ("pattern", "value"),
        "assignment_expression": ("left", "right"),
        "compound_assignment_expr": ("left", "right"),
        "for_expression": ("pattern", "value"),
    },
    "php": {
        **_ASSIGNMENT,
        "augmented_assignment_expression": ("left", "right"),
        "foreach_statement": (1, 0),
        "simple_parameter": ("name", "default_value"),
    },
    "ruby": {
        "assignment": ("left", "right"),
        "operator_assignment": ("left", "right"),
        "optional_parameter": ("name", "value"),
        "for": ("pattern", "value"),
    },
    "bash": {"variable_assignment": ("name", "value"), "for_statement": ("variable", "value")},
}
"""Per language the kinds of nodes that give variables a value: which children are targets, and which are values."""
LISTS = _words(
    """pattern_list expression_list tuple tuple_pattern list list_pattern array array_pattern object_pattern pair
    tuple_expression tuple_struct_pattern left_assignment_list right_assignment_list destructured_left_assignment
    list_literal structured_binding_declarator"""
)
"""Kinds of nodes that list targets or values."""
FUNCTIONS = _words(
    """lambda lambda_expression arrow_function function_expression func_literal closure_expression anonymous_function
    anonymous_function_creation_expression do_block"""
)
"""Kinds of values that are functions: what they read is no source of what they are assigned to."""
READ_FIRST = _words("for_in_clause")
"""Kinds of nodes that are evaluated before those that stand before them."""


@dataclass(slots=True, eq=False)
class Node:
    """One node of a syntax tree without comments; a tree is the list of its nodes in preorder."""

    kind: str
    role: str | None
    """The grammar's name for its place in its parent."""
    index: int
    """Its place in the list."""
    shown: bool
    """Whether an S-expression prints it: named nodes do, punctuation and operators do not."""
    variable: bytes | None
    """Its name if it is a variable."""
    children: list[Node] = field(default_factory=list)
    stop: int = 0
    """Place of the first node after its subtree."""
    has_variable: bool = False
    """Whether it is or contains a variable."""


Tree = Sequence[Node]


def code_tokens(text: str) -> list[str]:
    """Tokens of a text: runs of word characters (identifiers, keywords, numbers), each other non-blank by itself."""
    return _TOKEN.findall(text)


def syntax_tree(language: str, text: str) -> Tree | None:
    """Nodes of the concrete syntax tree in preorder, root first; None where the language has no grammar.

    Comments are left out, and so are statements of Python that are only a string (docstrings). Any text has a tree:
    what cannot be parsed becomes nodes of kind ERROR. PHP is read as if it began with `<?php` if that is nowhere in it.
    """
    if language not in _GRAMMARS:
        return None
    text = textwrap.dedent(text).strip()
    if language == "php" and "<?php" not in text:
        text = "<?php\n" + text
    source = text.encode("utf-8", "replace")
    return _with_subtrees(language, list(_preorder(language, parsed(language, source), source)))


def parsed(language: str, source: bytes) -> tree_sitter.Tree:
    """The tree of a text as tree-sitter gives it; never fails on the text."""
    from tree_sitter import Parser

    return Parser(_grammar(language)).parse(source)


def body_of(language: str, text: str, name: str) -> str | None:
    """What stands between the braces of the first function of a name; None where the text has none."""
    source = text.encode("utf-8", "replace")
    todo = [parsed(language, source).root_node]
    while todo:
        node = todo.pop()
        holder = node.child_by_field_name("value") or node  # `const f = (x) => { ... }`
        body = holder.child_by_field_name("body")
        if body is not None and _name_of(node) == name.encode():
            inner = source[body.start_byte : body.end_byte].decode("utf-8", "replace")
            return inner.removeprefix("{").removesuffix("}").strip("\n")
        todo += reversed(node.children)
    return None


def _name_of(node: tree_sitter.Node) -> bytes | None:
    """The name of a definition; those of C and C++ stand inside declarators of pointers and parameters."""
    named = node.child_by_field_name("name") or node.child_by_field_name("declarator")
    while named is not None and (inner := named.child_by_field_name("declarator")) is not None:
        named = inner
    return None if named is None else named.text


@cache
def _grammar(language: str) -> tree_sitter.Language:
    from tree_sitter import Language

    module, function = _GRAMMARS[language]
    return Language(getattr(importlib.import_module(module), function)())


def _preorder(language: str, tree: tree_sitter.Tree, source: bytes) -> Iterator[Node]:
    """Copy a tree without recursion, since hostile texts nest deeper than Python's stack."""
    variables = _VARIABLES.get(language, _IDENTIFIER)
    cursor, above, index = tree.walk(), list[Node](), 0
    while True:
        raw = cursor.node
        assert raw is not None
        if not above or not _is_left_out(language, raw):
            role = cursor.field_name
            named = _NAMES.get(role or "")
            is_variable = raw.type in variables and not (named and above[-1].kind in named)
            name = source[raw.start_byte : raw.end_byte] if is_variable else None
            kind = f"MISSING {raw.type}" if raw.is_missing else raw.type
            node = Node(kind, role, index, raw.is_named or raw.is_missing, name)
            if above:
                above[-1].children.append(node)
            index += 1
            yield node
            if cursor.goto_first_child():
                above.append(node)
                continue
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return
            above.pop()


def _is_left_out(language: str, raw: tree_sitter.Node) -> bool:
    if raw.type.endswith("comment"):
        return True
    if language != "python" or raw.type != "expression_statement" or raw.child_count != 1:
        return False
    only = raw.child(0)
    return only is not None and only.type == "string"


def _with_subtrees(language: str, nodes: list[Node]) -> Tree:
    """Fill in what is known of a node after its children."""
    without = _NO_VARIABLES.get(language, frozenset())
    for node in reversed(nodes):
        node.stop = node.children[-1].stop if node.children else node.index + 1
        inside = node.variable is not None or any(child.has_variable for child in node.children)
        node.has_variable = inside and node.kind not in without
    return nodes
