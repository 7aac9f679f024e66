"""The list of cases: what a model returned in another language than Python, and the program that it stands for."""

from __future__ import annotations

import pytest

from benchmarks.code_answers import answer_text, braces, closed, fenced, leaves
from benchmarks.go_imports import with_imports
from benchmarks.problem import Completion

CPP = "#include<vector>\nusing namespace std;\nint helper(int x){\n    return x;\n}\nint f(int x){\n"
JAVA = (
    "import java.util.*;\n\nclass Solution {\n    public int g(int x) {\n        return x;\n    }\n\n"
    "    public int f(int x) {\n"
)
GO = 'import (\n    "math"\n)\n\n// f of x.\nfunc F(x int) int {\n'
RUST = "use std::collections::{HashMap, HashSet};\nuse rand::Rng;\n\nfn f(x: i32) -> i32 {\n"
JS = "/* f of x. */\nconst f = (x) => {\n"


def whole(language: str, text: str, prompt: str, name: str = "f", form: str = "completion") -> str:
    """The program of one answer."""
    completion = Completion(text=text, form=form)  # type: ignore[arg-type]
    return answer_text(language, completion, prompt=prompt, entry_point=name, stop=("\nint main",))


@pytest.mark.parametrize(
    ("language", "prompt", "text", "body"),
    [
        ("cpp", CPP, "    return x;\n}\nint other(){}\n", "    return x;\n}"),
        (
            "cpp",
            CPP,
            "    if (x) { return '}'; }\n    return \"}\"[0];\n}\nrest",
            "    if (x) { return '}'; }\n    return \"}\"[0];\n}",
        ),
        ("cpp", CPP, "    // }\n    /* } */ return x;\n}\n}", "    // }\n    /* } */ return x;\n}"),
        ("cpp", CPP, "    return x;", "    return x;\n}\n"),
        ("cpp", CPP, "    return x;\n}\nint main() { }", "    return x;\n}"),
        ("java", JAVA, "        return x;\n    }\n", "        return x;\n    }\n}\n"),
        (
            "java",
            JAVA,
            "        return x;\n    }\n    int h() { return 1; }\n}\nclass Main {}",
            "        return x;\n    }\n    int h() { return 1; }\n}",
        ),
        (
            "rust",
            RUST,
            "    let c: &'static str = \"}\"; let d = '}'; x\n}\nfn g() {}",
            "    let c: &'static str = \"}\"; let d = '}'; x\n}",
        ),
        ("javascript", JS, "  return `${x}}`.length\n}\nf(1)\n", "  return `${x}}`.length\n}"),
        ("go", GO, "\treturn len(`}`) + x\n}\n\nfunc G() {}\n", "\treturn len(`}`) + x\n}"),
        ("bash", "f() {\n", "    echo 1\n}\n", "    echo 1\n}\n"),
    ],
)
def test_a_completion_ends_where_the_prompt_is_closed(language: str, prompt: str, text: str, body: str) -> None:
    """Braces in literals and comments do not count; what is open at the end is closed."""
    assert whole(language, text, prompt, "F" if language == "go" else "f") == prompt + body + "\n"


def test_verbatim_texts_and_solutions_are_left_alone() -> None:
    """A reference is run byte for byte."""
    reference = Completion(text="    return x;\n}\n}", verbatim=True)
    assert answer_text("cpp", reference, prompt=CPP, entry_point="f") == CPP + reference.text + "\n"
    solution = Completion(text="int f;", form="solution")
    assert answer_text("cpp", solution, prompt=CPP, entry_point="f") == "int f;\n"


def chat(language: str, tag: str, code: str, prompt: str, name: str = "f") -> str:
    """The program of a message with one fence."""
    return whole(language, f"Sure:\n```{tag}\n{code}\n```\nDone.", prompt, name, "chat")


def test_cpp_keeps_headers_and_helpers_and_drops_main() -> None:
    """What the answer defines itself is not taken from the prompt."""
    program = chat("cpp", "c++", "int f(int x) {\n    return helper(x);\n}\nint main() {\n    return 0;\n}", CPP)
    assert program.startswith("#include<vector>\nusing namespace std;\nint helper(int x){")
    assert program.count("int f(") == 1
    assert "main" not in program
    own = chat("cpp", "cpp", "int helper(int y) { return y; }\nint f(int x) { return helper(x); }", CPP)
    assert own.count("int helper(") == 1


def test_java_classes_methods_and_bodies_all_become_one_class() -> None:
    """A public class loses `public`, since the tests' class names the file."""
    method = "public int f(int x) {\n    return g(x);\n}"
    for code in (
        f"public class Solution {{\n{method}\n}}",
        f"import java.util.*;\nclass Solution {{\n{method}\n}}\npublic class Main {{ static void main() {{}} }}",
        method,
    ):
        program = chat("java", "java", code, JAVA)
        assert program.count("class Solution") == 1
        assert program.count("int f(") == 1
        assert program.count("int g(") == 1
        assert "public class" not in program
        assert program.count("import java.util.*;") == 1
        assert sum(1 if brace == "{" else -1 for _, brace in braces("java", program)) == 0
    body = chat("java", "java", "        return x;\n    }", JAVA)
    assert body.startswith(JAVA + "        return x;")
    assert body.rstrip().endswith("}\n}")


def test_go_answers_lose_package_and_imports() -> None:
    """Whoever puts the file together imports by what is used."""
    answer = (
        'package main\n\nimport (\n\t"fmt"\n)\n\nfunc F(x int) int { return x }\n\nfunc main() { fmt.Println(F(1)) }'
    )
    program = chat("go", "golang", answer, GO, "F")
    assert "import" not in program
    assert "package" not in program
    assert "func main" not in program
    assert program.count("func F(") == 1


def test_rust_brings_nothing_twice() -> None:
    """A name that the prompt's `use` brings is left out of the answer's."""
    program = chat(
        "rust", "rs", "use std::collections::{HashMap, BTreeMap};\nuse rand::Rng;\n\nfn f(x: i32) -> i32 { x }", RUST
    )
    assert program.count("HashMap") == 1
    assert "use std::collections::BTreeMap;" in program
    assert program.count("rand::Rng") == 1
    assert leaves("std::{slice::Iter, cmp::{max, self}, fmt as f}") == [
        ("Iter", "std::slice::Iter"),
        ("max", "std::cmp::max"),
        ("cmp", "std::cmp"),
        ("f", "std::fmt as f"),
    ]


@pytest.mark.parametrize(
    ("message", "blocks"),
    [
        ("```js\na\n```\n```python\nb\n```", ["a\n"]),
        ("```\na\n```", ["a\n"]),
        ("~~~js\na\n~~~", ["a\n"]),
        ("```js\nnever closed", ["never closed\n"]),
        ("no fence", []),
    ],
)
def test_fences_of_the_language_are_read(message: str, blocks: list[str]) -> None:
    """Else untagged ones, else all."""
    assert fenced("javascript", message) == blocks


def test_a_message_without_code_is_a_program_that_fails() -> None:
    """It is put behind the prompt as it is."""
    assert "I cannot" in whole("javascript", "I cannot help.", JS, form="chat")


def test_text_after_the_last_brace_of_an_unopened_prompt_stays() -> None:
    """Where the prompt opens nothing there is nothing to close."""
    assert closed("cpp", "// nothing\n", "int f() {}\nint g() {}\n") == "int f() {}\nint g() {}\n"


def test_go_imports_are_those_that_code_and_tests_use() -> None:
    """Words in comments and literals do not count; paths of the answer's own imports are known."""
    setup = 'package main\n\nimport (\n    "testing"\n    "github.com/stretchr/testify/assert"\n)\n'
    code = 'import "container/heap"\n\n// strings.Join\n'
    code += 'func F() int { s := "os.Exit"; heap.Init(nil); return int(math.Abs(1)) }\n'
    file = with_imports(setup, code, "func TestF(t *testing.T) { assert := assert.New(t); assert.Equal(1, F()) }")
    assert file.startswith("package main\n\nimport (\n")
    for path in ("testing", "github.com/stretchr/testify/assert", "container/heap", "math"):
        assert f'"{path}"' in file
    assert '"strings"' not in file
    assert '"os"' not in file
    assert file.count("import") == 1
