"""Wordings of our own for requests, by the language in which a benchmark asks."""

from __future__ import annotations

from typing import Literal

Text = Literal["en", "zh"]

REQUESTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        r"Complete (?:the following|this) (?P<title>[\w#+]+ )?function\. "
        r"Answer with the whole function in one (?:markdown )?code block\.",
        (
            "Below is the beginning of a {title}function. Write the whole function and put it in one markdown code "
            "block.",
            "Please finish this {title}function. Reply with all of it, as one markdown code block.",
            "The {title}function below has no body yet. Implement it, and give the complete function in one markdown "
            "code block.",
            "Your task is to implement the {title}function that follows. Give the full function, in one block of "
            "markdown code.",
            "I need the rest of this {title}function. Send me the entire function in a single markdown code block.",
        ),
    ),
    (
        r"Please provide a self-contained Python script that solves the following problem in a markdown code block:",
        (
            "Solve this problem with a self-contained Python script, given in a markdown code block:",
            "Here is a problem. Write a complete Python script that solves it, and put it in one markdown code block:",
            "Your task: write a Python script that stands on its own and solves the problem below. Use a markdown "
            "code block:",
            "I need a self-contained Python script for the following. Reply with it in a markdown code block:",
            "Implement what is described below as a self-contained Python script in a markdown code block:",
        ),
    ),
    (
        r"You are an expert Python programmer, and here is your task: ",
        (
            "Here is a task for a Python programmer: ",
            "You know Python well. Please solve this task: ",
            "Solve the following task in Python: ",
            "Your Python task is this: ",
            "Please write Python code for the following task: ",
        ),
    ),
    (
        r"Solve the following problem\.(?= The code that it gives)",
        (
            "Here is a problem to solve.",
            "Please solve the problem below.",
            "Your task is to solve this problem.",
        ),
    ),
    (
        r"Fill in the missing line between these two parts of a Python file\.",
        (
            "A line is missing between these two parts of a Python file. Write it.",
            "Here are two parts of a Python file. Give the line that belongs between them.",
            "Which line is missing between these parts of a Python file? Write it.",
        ),
    ),
    (
        r"请补全下面的 (?P<title>[\w#+]+ )函数，用一个 markdown 代码块给出完整的函数。",
        (
            "下面是一个 {title}函数的开头，请写出整个函数，并放在一个 markdown 代码块里。",
            "请实现下面的 {title}函数，用一个 markdown 代码块回答完整的函数。",
            "你的任务是完成下面的 {title}函数。请在一个 markdown 代码块中给出全部代码。",
            "这个 {title}函数还没有写完，请把它写完整，并用一个 markdown 代码块给出。",
        ),
    ),
    (
        r"Translate the following (?P<source>[\w#+]+) program to (?P<target>[\w#+]+)\.",
        (
            "Here is a {source} program. Rewrite it in {target}.",
            "Please turn this {source} program into {target}.",
            "Write the {target} version of the {source} program below.",
        ),
    ),
    (
        r"请把下面的 (?P<source>[\w#+]+) 程序翻译成 (?P<target>[\w#+]+)。",
        (
            "下面是一个 {source} 程序，请用 {target} 改写它。",
            "请写出下面这个 {source} 程序的 {target} 版本。",
        ),
    ),
)
"""What benchmarks write around code and tests, and other words for the same request."""
COMMENTS: dict[Text, dict[bool, tuple[str, ...]]] = {
    "en": {
        True: ("Complete the function below.", "Finish the following function.", "Implement this function."),
        False: ("Solve the task below.", "Write code for the following task.", "Here is the task."),
    },
    "zh": {
        True: ("请完成下面的函数。", "补全下面的函数。", "请实现这个函数。"),
        False: ("请完成下面的任务。", "请为下面的任务编写代码。", "下面是任务。"),
    },
}
"""One line before a prompt that is continued, where the prompt begins the function (True) or only tells the task."""
SYSTEMS: dict[Text, tuple[str, ...]] = {
    "en": (
        "You are a helpful assistant.",
        "You are a careful programmer who writes correct code.",
        "You help people with programming questions. Be brief.",
        "You are a senior software engineer. Your code is correct, readable and handles edge cases.",
        "You take part in a programming contest and answer with working code.",
    ),
    "zh": (
        "你是一个乐于助人的助手。",
        "你是一名细心的程序员，写出的代码总是正确的。",
        "你帮助人们解答编程问题，回答要简短。",
        "你是一名资深软件工程师，你的代码正确、易读，并且考虑边界情况。",
    ),
}
TRAILERS: dict[Text, tuple[str, ...]] = {
    "en": (
        "Answer with code only.",
        "Please leave out explanations; the code is enough.",
        "Give me nothing but the code block.",
        "No words around it are needed, just the code.",
    ),
    "zh": ("只回答代码。", "请不要解释，给出代码即可。", "除了代码块以外不需要其他内容。"),
}
TITLES = {
    "python": ("Python 3", "the Python language"),
    "cpp": ("C++", "the C++ language"),
    "c": ("C", "the C language"),
    "java": ("Java", "the Java language"),
    "javascript": ("JavaScript", "the JavaScript (JS) language"),
    "typescript": ("TypeScript", "the TypeScript (TS) language"),
    "go": ("Go", "the Go language (Golang)"),
    "rust": ("Rust", "the Rust language"),
    "php": ("PHP", "the PHP language"),
    "ruby": ("Ruby", "the Ruby language"),
    "bash": ("Bash", "the Bash shell language"),
    "perl": ("Perl", "the Perl language"),
    "lua": ("Lua", "the Lua language"),
}
"""Names of the languages of programs."""
STATED: dict[Text, tuple[str, ...]] = {
    "en": ("Write it in {title}.", "Use {title}.", "This is to be written in {title}."),
    "zh": ("编程语言是 {title}。", "请使用 {title}。", "请用 {title} 编写。"),
}
HEADINGS: dict[Text, tuple[tuple[str, str, str], ...]] = {
    "en": (("# Task", "# Code", "# Answer"), ("## Request", "## Given", "## Format")),
    "zh": (("# 任务", "# 代码", "# 回答"), ("## 要求", "## 已知", "## 格式")),
}
"""Headings of what is asked, of the code, and of what stands after it."""
TAGS = (("task", "code", "note"), ("request", "given", "format"), ("instruction", "context", "remark"))
"""The same as names of tags."""
