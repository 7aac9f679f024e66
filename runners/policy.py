"""Read the seccomp policies of `policies/`: what is done with each system call, by its number on one machine.

The files are written in the part of kafel's language that they need, and stay readable by nsjail:

    POLICY name { ACTION { call, call(argument, ...) { test || test }, ... }, ... }  USE name DEFAULT ACTION

where ACTION is ALLOW, KILL_PROCESS, KILL or ERRNO(n), and a test is `argument == number` or
`(argument & number) == number`. Comments are `// ...` and `/* ... */`. Anything else is refused.

A test compares all 64 bits. Where the kernel looks at the lower half only (an int), garbage above makes the test fail:
under ALLOW that refuses the call, which is safe; under KILL and ERRNO it would let a program slip by.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from runners.errors import UserError
from runners.syscalls import MACHINES, Machine, is_known

ALLOW = 0x7FFF0000
KILL_PROCESS = 0x80000000
KILL_THREAD = 0x00000000
ERRNO = 0x00050000
"""SECCOMP_RET_* of linux/seccomp.h; the error number is added to ERRNO."""

_ACTIONS = {"ALLOW": ALLOW, "KILL_PROCESS": KILL_PROCESS, "KILL": KILL_THREAD}
_MAX_ERRNO = 4095
_MAX_ARGUMENTS = 6
_ALL_BITS = 0xFFFFFFFFFFFFFFFF

_TOKEN = re.compile(
    r"(?P<space>\s+|//[^\n]*|/\*.*?\*/)|(?P<number>(?:0[xX][0-9a-fA-F]+|0|[1-9][0-9]*)(?!\w))"
    r"|(?P<name>[A-Za-z_]\w*)|(?P<sign>\|\||==|[{}(),&])",
    re.DOTALL | re.ASCII,
)


class PolicyError(UserError):
    """A policy that is not one, or that this machine cannot hold; names the line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Whether one argument of a call, under a mask, has a value."""

    argument: int
    """Position, from 0."""
    mask: int = _ALL_BITS
    value: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What is done with a call if any of the conditions holds, or always if there is none."""

    action: int
    any_of: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A parsed policy for one machine."""

    default: int
    """The action for all that has no rule or whose rules do not apply."""
    rules: Mapping[int, tuple[Rule, ...]]
    """By system call number; the first rule that applies decides."""

    def decision(self, number: int) -> tuple[Rule, ...]:
        """The rules of a call; the last one always applies."""
        rules = self.rules.get(number, ())
        return rules if rules and not rules[-1].any_of else (*rules, Rule(action=self.default))


def parse_policy(text: str, *, machine: str) -> Policy:
    """Read a policy; calls that exist on other machines only are left out.

    Raises:
        PolicyError: the text is not a policy, names an unknown call, or there is no table for the machine.
    """
    if machine not in MACHINES:
        raise PolicyError(
            f"no system call table for machine {machine!r}; seccomp policies work on {', '.join(MACHINES)}"
        )
    return _Parser(text, MACHINES[machine]).policy()


def tightened(base: Policy, *others: Policy) -> Policy:
    """A policy with the rules of others before its own, the first of them first; its default stays."""
    rules: dict[int, list[Rule]] = {}
    for policy in (*others, base):
        for number, more in policy.rules.items():
            known = rules.setdefault(number, [])
            if not known or known[-1].any_of:  # else a rule that always applies has decided
                known.extend(more)
    return Policy(default=base.default, rules={number: tuple(chosen) for number, chosen in rules.items()})


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    """`number`, `name`, `sign`, or `end`."""
    text: str
    line: int


def _tokens(text: str) -> Iterator[_Token]:
    position, line = 0, 1
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise PolicyError(f"policy line {line}: {text[position]!r} is not part of a policy")
        if match.lastgroup != "space":
            yield _Token(str(match.lastgroup), match.group(), line)
        line += match.group().count("\n")
        position = match.end()
    yield _Token("end", "the end of the text", line)


class _Parser:
    """Reads a policy from left to right; one method per piece of the grammar."""

    def __init__(self, text: str, machine: Machine) -> None:
        self._machine = machine
        self._tokens = _tokens(text)
        self._next = next(self._tokens)
        self._rules: dict[int, list[Rule]] = {}

    def policy(self) -> Policy:
        """POLICY name { block, ... } USE name DEFAULT action."""
        self._expect("POLICY")
        name = self._take("name")
        self._expect("{")
        while not self._accept("}"):
            self._block()
            self._accept(",")
        self._expect("USE")
        used = self._take("name")
        if used.text != name.text:
            raise _fault(used, f"policy {used.text!r} is not defined; this file defines {name.text!r}")
        self._expect("DEFAULT")
        default = self._action()
        self._take("end")
        return Policy(default=default, rules={number: tuple(rules) for number, rules in self._rules.items()})

    def _block(self) -> None:
        """ACTION { call, ... }."""
        action = self._action()
        self._expect("{")
        self._call(action)
        while self._accept(","):
            self._call(action)
        self._expect("}")

    def _action(self) -> int:
        """ALLOW, KILL_PROCESS, KILL or ERRNO(n)."""
        action = self._take("name")
        if action.text in _ACTIONS:
            return _ACTIONS[action.text]
        if action.text != "ERRNO":
            raise _fault(action, f"unknown action {action.text!r}; known are {', '.join(_ACTIONS)} and ERRNO(n)")
        self._expect("(")
        number = self._number(_MAX_ERRNO)
        self._expect(")")
        return ERRNO | number

    def _call(self, action: int) -> None:
        """A name, or name(argument, ...) { test || test }."""
        name = self._take("name")
        if not is_known(name.text):
            raise _fault(name, f"unknown system call {name.text!r}; runners/syscalls.py has the names")
        conditions = self._conditions() if self._accept("(") else ()
        number = self._machine.number(name.text)
        if number is None:
            return
        rules = self._rules.setdefault(number, [])
        if rules and not rules[-1].any_of:
            raise _fault(name, f"{name.text!r} is decided above; remove one of the two")
        rules.append(Rule(action=action, any_of=conditions))

    def _conditions(self) -> tuple[Condition, ...]:
        """What follows `name(`: the names of the first arguments, and the alternatives in braces."""
        arguments = [self._take("name").text]
        while self._accept(","):
            arguments.append(self._take("name").text)
        if len(set(arguments)) != len(arguments) or len(arguments) > _MAX_ARGUMENTS:
            raise _fault(self._next, f"a call has at most {_MAX_ARGUMENTS} arguments, each with a name of its own")
        self._expect(")")
        self._expect("{")
        conditions = [self._condition(arguments)]
        while self._accept("||"):
            conditions.append(self._condition(arguments))
        self._expect("}")
        return tuple(conditions)

    def _condition(self, arguments: list[str]) -> Condition:
        """`argument == number` or `(argument & number) == number`."""
        masked = self._accept("(")
        name = self._take("name")
        if name.text not in arguments:
            raise _fault(name, f"no argument is called {name.text!r}; this call names {', '.join(arguments)}")
        mask = _ALL_BITS
        if masked:
            self._expect("&")
            mask = self._number(_ALL_BITS)
            self._expect(")")
        self._expect("==")
        line = self._next
        value = self._number(_ALL_BITS)
        if value & ~mask:
            raise _fault(line, f"{value:#x} has bits outside the mask {mask:#x}, so the test can never hold")
        return Condition(argument=arguments.index(name.text), mask=mask, value=value)

    def _number(self, largest: int) -> int:
        token = self._take("number")
        value = int(token.text, 0)
        if value > largest:
            raise _fault(token, f"{token.text} is more than {largest:#x}")
        return value

    def _take(self, kind: str) -> _Token:
        """The next token, which must be of a kind."""
        token = self._next
        if token.kind != kind:
            raise _fault(token, f"expected {'the end' if kind == 'end' else f'a {kind}'}, found {token.text!r}")
        self._next = next(self._tokens, token)
        return token

    def _expect(self, text: str) -> None:
        """Go past a keyword or sign, which must be the next token."""
        if not self._accept(text):
            raise _fault(self._next, f"expected {text!r}, found {self._next.text!r}")

    def _accept(self, text: str) -> bool:
        """Go past a keyword or sign if it is the next token."""
        if self._next.kind == "end" or self._next.text != text:
            return False
        self._next = next(self._tokens)
        return True


def _fault(token: _Token, problem: str) -> PolicyError:
    return PolicyError(f"policy line {token.line}: {problem}")
