"""Other names for the function, its parameters and its variables, in prompt, reference and tests alike.

Renamings of the function and of its parameters change the question; those of local variables change the half of the
solution that is given, and keep the question's words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from random import Random
from string import ascii_lowercase

from benchmarks.perturbations import name_words as words
from benchmarks.perturbations import names_functions as functions
from benchmarks.perturbations.name_places import Variable, renamed_at, renamings
from benchmarks.perturbations.names_functions import MakeName
from benchmarks.perturbations.names_program import is_telling, keeps_numbers, program_of, told_in_descriptions
from benchmarks.perturbations.perturbation import CODE_ONLY, HALF, Keeps, Perturbation
from benchmarks.perturbations.subject import Edit, Subject, in_instruction
from benchmarks.problem import Problem

LANGUAGES = ("python", "cpp", "java", "javascript", "go", "rust")
_NUMBERS: frozenset[Keeps] = frozenset({"numbers"})
_ABBREVIATED = frozenset({"lst", "arr", "nums", "num", "strs", "dic", "mat", "txt", "idx", "op", "xs", "ys"})
"""Names of parameters that are no words, though they look like some."""


def renamed_parameters(subject: Subject, names: Mapping[str, str], *, told: bool) -> Problem | None:
    """Give parameters other names, in the code and, where `told`, where the description means them."""
    program, problem = program_of(subject), subject.problem
    variables = [each for each in program.names.parameters if each.name in names]
    if not subject.joined or not variables:
        return None
    edits = list(renamings(variables, names))
    wrong = _wrong(subject, {each.name: names[each.name] for each in variables})
    told_edits: list[Edit] = []
    if told:
        for name, new in names.items():
            told_edits += _told_parameter(subject, name, new)
    made = subject.with_edits([*edits, *told_edits], wrong=wrong)
    if made is None or (told_edits and not keeps_numbers(subject, made)):
        return None
    if made.prompt == problem.prompt or in_instruction(problem, made.prompt) is None:
        return None
    return made


def _wrong(subject: Subject, names: Mapping[str, str]) -> tuple[str, ...]:
    """The wrong solutions with these names; those of other languages than Python use no parameters."""
    if subject.language != "python":
        return subject.problem.wrong
    program = program_of(subject)
    found = [(text, {old: program.mentions(text, old) or () for old in names}) for text in subject.problem.wrong]
    return tuple(renamed_at(text, places, names) for text, places in found)


def _told_parameter(subject: Subject, name: str, new: str) -> list[Edit]:
    is_bare = is_telling(name) or name in _ABBREVIATED or (len(name) == 1 and name not in "aAI")
    found = told_in_descriptions(subject, {name: new}, (), is_bare=True)
    prompt = subject.problem.prompt
    return [edit for edit in found if is_bare or _is_shown(prompt, edit)]


def _is_shown(text: str, edit: Edit) -> bool:
    """Whether a word is clearly an identifier: in quotes, indexed, or said to be equal to something."""
    quotes = text[edit.start - 1 : edit.start]
    after = text[edit.end : edit.end + 12]
    return (quotes in ("`", "'", '"') and after[:1] == quotes) or re.match(
        r"\[|\s*={1,2}\s*[\w\[\"'({-]", after
    ) is not None


def parameters_neutral(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Call parameters by their places."""
    given = program_of(subject).names.parameters
    for form in random.sample(("p{}", "arg{}", "param{}"), 3):
        names = {each.name: form.format(at) for at, each in enumerate(given, 1)}
        made = _all_free(subject, names) and renamed_parameters(subject, names, told=True)
        if made:
            return made
    letters = {each.name: f"arg_{ascii_lowercase[at % 26]}" for at, each in enumerate(given)}
    return renamed_parameters(subject, letters, told=True) if _all_free(subject, letters) else None


def _all_free(subject: Subject, names: Mapping[str, str]) -> bool:
    return not program_of(subject).taken & set(names.values()) and len(set(names.values())) == len(names)


def parameters_made(
    subject: Subject, random: Random, severity: int, *, make: Callable[[Random], str]
) -> Problem | None:
    """Give all parameters other names."""
    names = _fresh(subject, program_of(subject).names.parameters, random, make)
    return renamed_parameters(subject, names, told=True)


def parameters_swapped(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Let two parameters change their names; what each is follows from its place, as before."""
    given = program_of(subject).names.parameters
    if len(given) < 2:
        return None
    one, other = random.sample(given, 2)
    return renamed_parameters(subject, {one.name: other.name, other.name: one.name}, told=False)


def renamed_locals(subject: Subject, random: Random, severity: int, *, make: Callable[[Random], str]) -> Problem | None:
    """Give one, half or all of the variables in the given code other names, in the rest of the solution too."""
    return _with_locals(subject, random, severity, lambda chosen: _fresh(subject, chosen, random, make))


def locals_neutral(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Number the variables in the order in which they appear."""
    return _with_locals(
        subject, random, severity, lambda chosen: {each.name: f"VAR_{at}" for at, each in enumerate(chosen)}
    )


def _with_locals(
    subject: Subject, random: Random, severity: int, name: Callable[[Sequence[Variable]], Mapping[str, str]]
) -> Problem | None:
    given = [each for each in program_of(subject).names.locals if each.places[0].start < subject.split]
    if not subject.joined or not given:
        return None
    count = {1: 1, 2: (len(given) + 1) // 2, 3: len(given)}[severity]
    places = sorted(random.sample(range(len(given)), count))
    chosen = [given[at] for at in places]
    names = name(chosen)
    if not names or not _all_free(subject, names):
        return None
    return subject.with_edits(renamings(chosen, names))


def _fresh(
    subject: Subject, variables: Sequence[Variable], random: Random, make: Callable[[Random], str]
) -> dict[str, str]:
    """A new name for each variable, as far as there are any."""
    taken, names = set(program_of(subject).taken), dict[str, str]()
    for variable in variables:
        new = words.first_free(lambda: make(random), taken, tries=60)
        if new is not None:
            names[variable.name] = new
            taken.add(new)
    return names


def _letter(random: Random) -> str:
    return random.choice(ascii_lowercase)


def _unrelated(language: str) -> Callable[[Random], str]:
    style = "camel" if language in ("java", "javascript", "go") else "snake"
    return lambda random: words.joined(random.choice(words.MISLEADING_LOCALS), style)  # type: ignore[arg-type]


def locals_misleading(subject: Subject, random: Random, severity: int) -> Problem | None:
    """Name variables after what they are not."""
    return renamed_locals(subject, random, severity, make=_unrelated(subject.language))


_LETTERS = ("one letter", "two letters", "three letters")
_VARIABLES = ("one variable", "half of the variables", "all variables")


def _function(name: str, summary: str, make: MakeName, source: str, *, letters: bool = False) -> Perturbation:
    return Perturbation(
        name=name,
        family="names",
        summary=summary,
        apply=partial(functions.renamed_function, make=make),
        source=source,
        keeps=_NUMBERS,
        languages=LANGUAGES,
        scale=_LETTERS if letters else None,
        restructures=True,
        misleads=make is functions.misleading,
    )


def _parameters(
    name: str,
    summary: str,
    apply: Callable[[Subject, Random, int], Problem | None],
    source: str,
    keeps: frozenset[Keeps] = _NUMBERS,
) -> Perturbation:
    return Perturbation(
        name=name,
        family="names",
        summary=summary,
        apply=apply,
        source=source,
        keeps=keeps,
        languages=LANGUAGES,
        restructures=True,
        misleads=apply is parameters_swapped,
    )


def _locals(
    name: str, summary: str, apply: Callable[[Subject, Random, int], Problem | None], source: str
) -> Perturbation:
    return Perturbation(
        name=name,
        family="names",
        summary=summary,
        apply=apply,
        source=source,
        keeps=CODE_ONLY,
        languages=LANGUAGES,
        scale=_VARIABLES,
        baseline=HALF,
        restructures=True,
        misleads=apply is locals_misleading,
    )


_RECODE = "ReCode (2212.10264)"
TABLE: tuple[Perturbation, ...] = (
    _function("function_camel_case", "the function's name in camel case, or in snake case", functions.camel, _RECODE),
    _function("function_typo", "letters of the function's name are mistyped", functions.typo, _RECODE, letters=True),
    _function(
        "function_swapped_letters",
        "letters of the function's name change places",
        functions.swapped,
        _RECODE,
        letters=True,
    ),
    _function("function_random", "the function has a name that means nothing", functions.meaningless, "codeassay"),
    _function("function_neutral", "the function's name says nothing: f, solve", functions.neutral, "codeassay"),
    _function("function_synonym", "a word of the function's name is a synonym", functions.synonym, _RECODE),
    _function("function_inflection", "a word of the function's name is in another form", functions.inflection, _RECODE),
    _function("function_misleading", "the function's name says something else", functions.misleading, "codeassay"),
    _parameters("parameters_neutral", "parameters are called by their places", parameters_neutral, "codeassay"),
    _parameters(
        "parameters_random",
        "parameters have names that mean nothing",
        partial(parameters_made, make=words.gibberish),
        "codeassay",
    ),
    _parameters(
        "parameters_single_letter",
        "parameters have names of one letter",
        partial(parameters_made, make=_letter),
        "codeassay",
    ),
    _parameters(
        "parameters_swapped", "two parameters change their names", parameters_swapped, "codeassay", keeps=CODE_ONLY
    ),
    _locals("locals_neutral", "variables are numbered: VAR_0", locals_neutral, "ReCode (2212.10264) VarRenamerNaive"),
    _locals(
        "locals_random",
        "variables have names that mean nothing",
        partial(renamed_locals, make=words.gibberish),
        "ReCode (2212.10264) VarRenamerRN",
    ),
    _locals(
        "locals_single_letter",
        "variables have names of one letter",
        partial(renamed_locals, make=_letter),
        "codeassay",
    ),
    _locals("locals_misleading", "variables are named after what they are not", locals_misleading, "codeassay"),
)
