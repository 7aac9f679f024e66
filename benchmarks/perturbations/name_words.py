"""Ways to make names: words of a name, how they are joined, and tables of other words and other names."""

from __future__ import annotations

import builtins
import re
import string
from collections.abc import Callable, Collection, Iterable, Sequence
from random import Random
from typing import Literal

from benchmarks.code_grammars import KEYWORDS

Style = Literal["snake", "camel", "pascal"]
"""How the words of a name are joined: get_sum, getSum, GetSum."""
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_STYLES: dict[str, Style] = {"java": "camel", "javascript": "camel", "go": "pascal"}


def _list(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_LIBRARY = """
    main init test tests check candidate solution_test Main Solution Test self this cls std std_ String Object Math List
    Map Set Vec Option Result Box Some None Ok Err Iterator Debug Default Clone Copy drop array vector string map set
    pair tuple stack queue deque list bitset move forward swap sort find count search max min copy fill merge unique
    rotate reverse remove replace transform accumulate distance next prev begin end size data empty equal abs pow round
    floor ceil index time read write open close link div exp log signal rand exit any all none bind ref get left right
    plus minus hash distance advance greater less function optional lock iota partition shuffle includes y0 y1 yn j0 j1
    jn gamma toString equals hashCode getClass notify wait clone finalize process console require module exports global
    window document eval arguments undefined NaN Infinity isNaN parseInt parseFloat Number Array Promise Symbol Date
    RegExp JSON append cap close complex copy delete imag len make new panic print println real recover bool byte error
    float32 float64 int int8 int16 int32 int64 rune uint uintptr strings strconv math fmt errors bytes regexp rand time
    multiplies divides modulus negate equal_to not_equal_to greater_equal less_equal minmax clamp sample gcd lcm
    testing assert numpy np re sys itertools collections functools heapq copy datetime typing I E"""
RESERVED = frozenset(dir(builtins)) | frozenset(_LIBRARY.split())
"""Names that libraries bring, or that programs and tests have by custom: never a new name, in any language."""


def taken_names(language: str, texts: Iterable[str]) -> frozenset[str]:
    """Names that a new name must not be: all words of these texts, reserved words and names of libraries."""
    words = {word for text in texts for word in re.findall(r"[^\W\d]\w*", text)}
    return frozenset(words) | KEYWORDS.get(language, frozenset()) | RESERVED


def parts_of(name: str) -> list[str]:
    """The words of a name, in lower case: `has_closeElements2` are has, close, elements, 2."""
    return [part.lower() for part in _PARTS.findall(name)]


def style_of(name: str, language: str) -> Style:
    """How a name is written; where it is one word in lower case, how the language writes names."""
    if "_" in name.strip("_"):
        return "snake"
    if name[:1].isupper():
        return "pascal"
    return "camel" if re.search(r"[a-z\d][A-Z]", name) else _STYLES.get(language, "snake")


def joined(parts: Sequence[str], style: Style) -> str:
    """Words as one name."""
    if style == "snake":
        return "_".join(parts)
    capital = [part.capitalize() for part in parts]
    return "".join(capital if style == "pascal" else [parts[0], *capital[1:]])


def like(parts: Sequence[str], name: str, language: str) -> str:
    """Words as one name in the style of another; Go's exported names keep their capital."""
    new = joined(parts, style_of(name, language))
    return new[0].upper() + new[1:] if name[:1].isupper() else new[0].lower() + new[1:]


def other_style(name: str) -> str | None:
    """The name in camel case if it is in snake case, and the other way round; None if it is one word."""
    parts = parts_of(name.strip("_"))
    snake = "_" in name.strip("_")
    if len(parts) < 2:
        return None
    new = joined(parts, "camel" if snake else "snake")
    return new[0].upper() + new[1:] if name[:1].isupper() else new


def with_typos(name: str, random: Random, count: int) -> str:
    """Some letters of a name, not its first, are the key beside them."""
    letters = [at for at in range(min(1, len(name) - 1), len(name)) if name[at].isascii() and name[at].isalpha()]
    chars = list(name)
    for at in random.sample(letters, min(count, len(letters))):
        row = next(row for row in _ROWS if chars[at].lower() in row)
        key = row.index(chars[at].lower())
        typo = random.choice(row[max(0, key - 1) : key] + row[key + 1 : key + 2])
        chars[at] = typo.upper() if chars[at].isupper() else typo
    return "".join(chars)


def with_swaps(name: str, random: Random, count: int) -> str:
    """Some pairs of different letters side by side, none in two pairs, change places; the first stays if it can."""
    chars, swapped = list(name), set[int]()
    for _ in range(count):
        pairs = [
            at for at in range(len(chars) - 1) if not swapped & {at, at + 1} and _can_swap(chars[at], chars[at + 1])
        ]
        pairs = [at for at in pairs if at] or pairs
        if pairs:
            at = random.choice(pairs)
            chars[at], chars[at + 1] = chars[at + 1], chars[at]
            swapped |= {at, at + 1}
    return "".join(chars)


def _can_swap(left: str, right: str) -> bool:
    return left.isalpha() and right.isalpha() and left != right and left.islower() == right.islower()


def nonsense(random: Random) -> str:
    """Syllables that mean nothing."""
    return "".join(random.choice("bdfgklmnprstvz") + random.choice("aeiou") for _ in range(random.randint(3, 4)))


def gibberish(random: Random) -> str:
    """Letters by chance."""
    return "".join(random.choice(string.ascii_lowercase) for _ in range(random.randint(5, 8)))


NEUTRAL = _list("f solve func fn foo compute procedure task answer h")
"""Names of functions that say nothing of what they do."""
MISLEADING = tuple(
    words.split("_")
    for words in _list("""
reverse_string count_vowels is_leap_year sort_by_length compute_factorial find_longest_word remove_duplicates
to_upper_case parse_date merge_dictionaries multiply_matrices count_days is_palindrome average_of_list read_file
convert_to_binary largest_divisor validate_email shuffle_cards print_report
""")
)
"""Names of functions that say what few functions of a benchmark do."""
MISLEADING_LOCALS = tuple(
    words.split("_")
    for words in _list("""
file_name error_message user_id is_open max_depth start_time page_count matrix email_address is_sorted word_length
day_of_week parent_node color price checksum vowels leap_year password temperature
""")
)
"""Names of variables that few solutions have a use for."""

_SYNONYMS = _list("""
add:plus,sum_up all:every anti:counter array:sequence average:mean avg:mean balanced:matched below:under
begins:starts between:amid big:large bigger:larger bracketing:parens brackets:parens build:construct
calculate:compute calc:compute can:may car:vehicle change:alter char:letter check:verify choose:pick
circular:cyclic closest:nearest close:near collection:group combine:merge common:shared compare:contrast
compute:calculate concatenate:join concat:join contains:includes convert:transform correct:proper count:tally
create:make cube:third_power cut:trim cyclic:circular decimal:base_ten decode:decipher decrypt:decipher
delete:remove derivative:differential diff:difference difference:gap different:distinct digits:numerals
digit:numeral distance:gap distinct:different divide:split divisible:evenly_divisible divisor:factor
divisors:factors double:twice duplicate:repeated duplicates:repeats element:item elements:items empty:blank
encode:encipher encrypt:encipher equal:same even:paired exchange:swap exists:occurs extract:take factorize:factor
factors:divisors file:document filter:select find:locate first:initial flatten:unnest flip:invert fruit:produce
generate:produce get:fetch greatest:largest group:bundle happy:glad has:contains height:tallness highest:topmost
histogram:frequencies incr:increment increasing:ascending index:position insert:put integer:whole_number
integers:whole_numbers intersection:overlap intersperse:interleave is:check items:elements join:connect kth:nth
large:big larger:bigger largest:biggest last:final length:size letter:char letters:chars list:sequence
longest:lengthiest lower:small lucas:lucasian make:build matching:fitting match:fit matrix:grid max:maximum
maximum:max mean:average median:middle merge:combine min:minimum minimum:min minimal:least modify:alter
modulo:remainder monotonic:monotone move:shift multiple:many multiply:times music:melody name:label nearest:closest
negative:minus nested:inner nth:kth num:number number:num numbers:nums numerical:numeric occurrence:appearance
odd:uneven only:just order:arrange ordered:sorted pair:couple pairs:couples palindrome:mirror_word
parentheses:brackets paren:bracket parse:interpret path:route pattern:template perimeter:outline pluck:pick
poly:polynomial position:location positive:plus power:exponent prefix:beginning prefixes:beginnings
prime:indivisible primes:prime_numbers print:show prod:product product:multiplication range:interval
rearrange:reorder remove:delete replace:substitute rescale:normalize reverse:invert reversed:inverted right:correct
rolling:running rotate:turn rotation:turn round:approximate rounded:approximated row:line same:identical
search:look_for second:next select:choose separate:divide sequence:series series:sequence shift:move
shortest:briefest similar:alike simplify:reduce skip:omit smallest:least small:little solve:work_out sort:order
sorted:ordered special:particular split:divide square:quadrate squares:quadrates start:begin starts:begins
strange:odd strlen:text_length string:text strings:texts strip:trim sublist:partial_list substring:partial_string
substr:partial_string subtract:deduct sum:total sums:totals swap:exchange test:probe third:every_third_one to:into
total:sum tree:branching triangle:trigon triples:triads truncate:cut tuple:pack tuples:packs unique:distinct
upper:capital valid:proper validate:verify value:amount values:amounts vector:arrow vowel:open_sound
vowels:open_sounds will:shall word:term words:terms xor:exclusive_or zero:root fix:repair compress:shrink
volume:capacity area:surface sphere:ball cylinder:tube cone:taper freq:frequency frequency:rate dict:mapping
keys:labels key:label column:file columns:files rows:lines text:string sub:part subset:part maximize:raise
minimize:lower win:prevail move:step steps:moves step:move lists:sequences nums:numbers dictionary:mapping
coins:change jumps:leaps heap:pile
""")
SYNONYMS: dict[str, tuple[str, ...]] = {
    word: tuple(others.split(",")) for word, others in (entry.split(":") for entry in _SYNONYMS)
}
"""Words of names, and words that mean much the same."""
_UNINFLECTED = frozenset(
    _list(
        "a an the is are was of to in on at by for with from and or not if than as has have n k i x y it into all any"
    )
)
_IRREGULAR = {
    "is": "was",
    "has": "have",
    "find": "found",
    "get": "getting",
    "make": "making",
    "index": "indices",
    "vertex": "vertices",
    "matrix": "matrices",
    "child": "children",
    "split": "splitting",
    "max": "maximal",
    "min": "minimal",
    "cut": "cutting",
    "begin": "began",
    "build": "built",
}


def synonym_of(parts: Sequence[str], random: Random) -> list[str] | None:
    """The words with one of them replaced by a synonym; None where none is known."""
    places = [at for at, part in enumerate(parts) if part in SYNONYMS]
    if not places:
        return None
    at = random.choice(places)
    return [*parts[:at], *random.choice(SYNONYMS[parts[at]]).split("_"), *parts[at + 1 :]]


def inflection_of(parts: Sequence[str], random: Random) -> list[str] | None:
    """The words with one of them in another form: a plural for a singular, a past for a present."""
    places = [at for at, part in enumerate(parts) if _other_form(part) is not None]
    if not places:
        return None
    at = random.choice(places)
    return [*parts[:at], _other_form(parts[at]) or parts[at], *parts[at + 1 :]]


def _other_form(word: str) -> str | None:
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word in _UNINFLECTED or len(word) < 3 or not word.isalpha():
        return None
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1] if len(word) > 3 else None
    if word.endswith("y") and word[-2] not in "aeiou":
        return word[:-1] + "ies"
    return word + ("es" if word.endswith(("s", "x", "ch", "sh", "z")) else "s")


def first_free(make: Callable[[], str | None], taken: Collection[str], tries: int = 30) -> str | None:
    """The first of some names that is not taken; None where all are, or where none can be made."""
    for _ in range(tries):
        name = make()
        if name is None:
            return None
        if name not in taken and re.fullmatch(r"[A-Za-z_]\w*", name):
            return name
    return None
