"""ReCode's recipes, with its parameters, applied to what may be changed here; its released files are a benchmark."""

from __future__ import annotations

from benchmarks.perturbations import recode_code as code
from benchmarks.perturbations import recode_lexicon as lexicon
from benchmarks.perturbations import recode_names as names
from benchmarks.perturbations import recode_words as words
from benchmarks.perturbations.layout_python import PYTHON_LAYOUT
from benchmarks.perturbations.perturbation import CODE_ONLY, HALF, PROSE_ONLY, Apply, Keeps, Perturbation
from benchmarks.perturbations.syntax_python import PYTHON_SYNTAX

_PAPER = "ReCode (2212.10264)"


def _words(name: str, recipe: str, apply: Apply, what: str, *, needs_llm: bool = False) -> Perturbation:
    """A change of the docstring's words."""
    return Perturbation(
        name=name,
        family="recode",
        summary=f"ReCode's {recipe}: {what}",
        apply=apply,
        source=_PAPER,
        keeps=PROSE_ONLY,
        text="en",
        needs_llm=needs_llm,
    )


def _name(name: str, recipe: str, apply: Apply, what: str) -> Perturbation:
    """Another name of the function under test."""
    return Perturbation(
        name=name,
        family="recode",
        summary=f"ReCode's {recipe}: {what}",
        apply=apply,
        source=_PAPER,
        keeps=frozenset({"numbers"}),
        languages=("python",),
    )


def _code(
    name: str,
    recipe: str,
    apply: Apply,
    what: str,
    *,
    keeps: frozenset[Keeps] = CODE_ONLY,
    restructures: bool = False,
) -> Perturbation:
    """A change of given code, or of its layout."""
    return Perturbation(
        name=name,
        family="recode",
        summary=f"ReCode's {recipe}: {what}",
        apply=apply,
        source=_PAPER,
        keeps=keeps,
        languages=("python",),
        baseline=HALF,
        restructures=restructures,
    )


def _syntax(name: str, recipe: str, ours: str, what: str) -> Perturbation:
    """A change at one place of given code, as our perturbation of this name makes it at severity 1."""
    return _code(name, recipe, PYTHON_SYNTAX[ours], what, restructures=True)


TABLE: tuple[Perturbation, ...] = (
    _words("recode_butter_fingers", "ButterFingers", words.butter_fingers, "6 % of letters are a key beside"),
    _words("recode_change_char_case", "ChangeCharCase", words.change_char_case, "35 % of letters change case"),
    _words("recode_swap_characters", "SwapCharacters", words.swap_characters, "5 % of letter pairs change places"),
    _words("recode_whitespace", "Whitespace", words.whitespace, "10 % of blanks go, 5 % of letters get one after"),
    _words("recode_inflection", "EnglishInflectionalVariation", lexicon.inflection, "other forms of all words"),
    _words("recode_synonym_insertion", "SynonymInsertion", lexicon.synonym_insertion, "half get a synonym beside"),
    _words("recode_synonym_substitution", "SynonymSubstitution", lexicon.synonym_substitution, "half are synonyms"),
    _words("recode_tense_past", "TenseTransformationPast", lexicon.tense_past, "verbs stand in the past"),
    _words("recode_tense_future", "TenseTransformationFuture", lexicon.tense_future, "verbs stand in the future"),
    _words(
        "recode_back_translation", "BackTranslation", lexicon.back_translation, "to German and back", needs_llm=True
    ),
    _name("recode_func_camel_case", "FuncRenameCamelCase", names.func_camel_case, "has_close to hasClose, and back"),
    _name("recode_func_butter_finger", "FuncRenameButterFinger", names.func_butter_finger, "6 % of letters are others"),
    _name("recode_func_swap_char", "FuncRenameSwapChar", names.func_swap_char, "5 % of letter pairs change places"),
    _name("recode_func_change_char", "FuncRenameChangeChar", names.func_change_char, "35 % of letters change case"),
    _name("recode_func_inflection", "FuncRenameInflectionalVariation", names.func_inflection, "other forms of words"),
    _name("recode_func_synonym", "FuncRenameSynonymSub", names.func_synonym, "half of the words are synonyms"),
    _syntax("recode_dead_code", "DeadCodeInserter", "dead_code", "one block that never runs"),
    _syntax("recode_for_while", "ForWhileTransformer", "for_to_while", "one loop is a while loop"),
    _syntax("recode_operand_swap", "OperandSwap", "operand_swap", "one comparison is said the other way round"),
    _code("recode_var_renamer_naive", "VarRenamerNaive", names.var_renamer_naive, "one variable is VAR_0"),
    _code("recode_var_renamer_rn", "VarRenamerRN", names.var_renamer_rn, "one variable has a name at random"),
    _code("recode_tab_indent", "tab_indent", PYTHON_LAYOUT["tabs"], "tabs instead of blanks"),
    _code("recode_split_lines", "split_lines", code.split_lines, "a backslash breaks the longest line of code"),
    _code(
        "recode_doc2comments",
        "doc2comments",
        PYTHON_LAYOUT["docstring_to_comments"],
        "comments say the docstring",
        keeps=frozenset(),
    ),
    _code("recode_new_lines", "new_lines", code.new_lines, "an empty line after half of the lines"),
    _code("recode_new_line_after_code", "new_line_aftercode", code.new_line_after_code, "one after the code"),
    _code("recode_new_line_after_doc", "new_line_afterdoc", code.new_line_after_doc, "one after the docstring"),
)
