"""Compile a seccomp policy into the filter that the kernel installs, without a compiler or a library.

The filter looks at the architecture first, then finds the system call by binary search over ranges of numbers that
are answered alike: what a filter costs to install grows with its length, because the kernel runs it for every number.
The format is classic BPF: `struct sock_filter` of linux/filter.h over `struct seccomp_data` of linux/seccomp.h.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

from runners.policy import KILL_PROCESS, Condition, Policy, PolicyError, Rule, parse_policy
from runners.syscalls import MACHINES

_MAX_INSTRUCTIONS = 4096
_MAX_JUMP = 255
_MAX_EXCEPTIONS = 2  # more would save instructions and cost steps
_WORD = 0xFFFFFFFF

_LOAD, _AND, _JUMP, _IF_EQUAL, _IF_AT_LEAST, _RETURN = 0x20, 0x54, 0x05, 0x15, 0x35, 0x06
_NUMBER_AT, _ARCH_AT, _ARGUMENTS_AT = 0, 4, 16  # offsets in struct seccomp_data; its words are little-endian


def compile_policy(text: str, *, machine: str) -> bytes:
    """The filter of a policy: an array of `struct sock_filter`, 8 bytes each, for PR_SET_SECCOMP.

    `machine` is what `platform.machine()` says. Calls of another architecture or convention kill the process.

    Raises:
        PolicyError: as `parse_policy`, or the filter is longer than the kernel takes.
    """
    return compile_rules(parse_policy(text, machine=machine), machine=machine)


def compile_rules(policy: Policy, *, machine: str) -> bytes:
    """The filter of a policy that has been read for this machine; see `compile_policy`.

    Raises:
        PolicyError: the filter is longer than the kernel takes.
    """
    code = _Filter()
    code.search(_ranges(policy, MACHINES[machine].num_limit))
    number = code.load(_NUMBER_AT)
    code.jump(_IF_EQUAL, MACHINES[machine].audit_arch, number, code.give(KILL_PROCESS))
    code.load(_ARCH_AT)
    return code.to_bytes()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Range:
    """Numbers that are answered alike, from `first` to the next range, but for a few in between."""

    first: int
    rules: tuple[Rule, ...]
    exceptions: tuple[tuple[int, tuple[Rule, ...]], ...] = ()


def _ranges(policy: Policy, num_limit: int) -> list[_Range]:
    """The ranges from 0 to the last 32-bit number."""
    bounds = sorted({0} | {n for number in policy.rules for n in (number, number + 1)})
    answers = [(number, policy.decision(number)) for number in bounds]
    if num_limit <= _WORD:
        answers.append((num_limit, (Rule(action=KILL_PROCESS),)))
    changes = [answer for i, answer in enumerate(answers) if i == 0 or answer[1] != answers[i - 1][1]]
    return _folded([_Range(first=first, rules=rules) for first, rules in changes])


def _folded(ranges: Sequence[_Range]) -> list[_Range]:
    """Make a single number between two like ranges an exception: one comparison instead of two."""
    folded: list[_Range] = []
    rest = deque(ranges)
    while rest:
        base = rest.popleft()
        exceptions: list[tuple[int, tuple[Rule, ...]]] = []
        while len(rest) > 1 and len(exceptions) < _MAX_EXCEPTIONS:
            odd, again = rest[0], rest[1]
            if again.rules != base.rules or again.first != odd.first + 1:
                break
            exceptions.append((odd.first, odd.rules))
            rest.popleft()
            rest.popleft()
        folded.append(replace(base, exceptions=tuple(exceptions)))
    return folded


class _Filter:
    """A filter, written from its end to its beginning, so that each jump knows how far its targets are.

    Targets are instructions counted from the end; all methods that write return that of their first instruction.
    """

    def __init__(self) -> None:
        self._reversed: list[tuple[int, int, int, int]] = []
        self._returns: dict[int, int] = {}

    def to_bytes(self) -> bytes:
        """The instructions in the order of execution."""
        if len(self._reversed) > _MAX_INSTRUCTIONS:
            raise PolicyError(
                f"the policy needs {len(self._reversed)} instructions, the kernel takes {_MAX_INSTRUCTIONS}; "
                "use fewer argument tests"
            )
        return b"".join(struct.pack("=HBBI", *instruction) for instruction in reversed(self._reversed))

    def search(self, ranges: Sequence[_Range]) -> int:
        """Find the range of the loaded number by halving, and answer."""
        if len(ranges) > 1:
            middle = len(ranges) // 2
            above = self.search(ranges[middle:])
            below = self.search(ranges[:middle])
            return self.jump(_IF_AT_LEAST, ranges[middle].first, above, below)
        target = self.decide(ranges[0].rules)
        for number, rules in ranges[0].exceptions:
            target = self.jump(_IF_EQUAL, number, self.decide(rules), target)
        return target

    def decide(self, rules: Sequence[Rule]) -> int:
        """Answer by the first rule that applies; the last one always does."""
        target = self.give(rules[-1].action)
        for rule in reversed(rules[:-1]):
            target = self._if_any(rule.any_of, self.give(rule.action), target)
        return target

    def give(self, action: int) -> int:
        """Return an action; one instruction serves all jumps that reach it."""
        target = self._returns.get(action)
        if target is None or self._distance(target) > _MAX_JUMP - 1:
            target = self._returns[action] = self._write(_RETURN, action)
        return target

    def jump(self, code: int, operand: int, yes: int, no: int) -> int:
        """Compare what is loaded; jumps have 8 bits, so a target further away is reached by a step between."""
        yes = self._near(yes, _MAX_JUMP - 1)  # the step for `no` may come between
        no = self._near(no, _MAX_JUMP)
        return self._write(code, operand, self._distance(yes), self._distance(no))

    def load(self, offset: int, mask: int = _WORD) -> int:
        """Load 32 bits of struct seccomp_data, then go on with what was written last."""
        if mask != _WORD:
            self._write(_AND, mask)
        return self._write(_LOAD, offset)

    def _if_any(self, conditions: Sequence[Condition], yes: int, no: int) -> int:
        """Tests that share the upper half of an argument look at it once, or not at all if it is masked out."""
        for (argument, mask, value), low_tests in reversed(_grouped_by_upper_half(conditions).items()):
            target = no
            for low_mask, low_values in reversed(low_tests.items()):
                for low_value in reversed(low_values):
                    target = self.jump(_IF_EQUAL, low_value, yes, target)
                target = self.load(_ARGUMENTS_AT + 8 * argument, low_mask)
            if mask:
                self.jump(_IF_EQUAL, value, target, no)
                target = self.load(_ARGUMENTS_AT + 8 * argument + 4, mask)
            no = target
        return no

    def _near(self, target: int, reach: int) -> int:
        if self._distance(target) <= reach:
            return target
        code, _, _, operand = self._reversed[target]
        return self._write(_RETURN, operand) if code == _RETURN else self._write(_JUMP, self._distance(target))

    def _distance(self, target: int) -> int:
        """How many instructions lie between the one that is written next and the target."""
        return len(self._reversed) - 1 - target

    def _write(self, code: int, operand: int, if_true: int = 0, if_false: int = 0) -> int:
        self._reversed.append((code, if_true, if_false, operand))
        return len(self._reversed) - 1


def _grouped_by_upper_half(conditions: Sequence[Condition]) -> dict[tuple[int, int, int], dict[int, list[int]]]:
    """(argument, upper mask, upper value) to lower mask to lower values; the order of alternatives does not matter."""
    groups: dict[tuple[int, int, int], dict[int, list[int]]] = {}
    for condition in conditions:
        upper = (condition.argument, condition.mask >> 32, condition.value >> 32)
        groups.setdefault(upper, {}).setdefault(condition.mask & _WORD, []).append(condition.value & _WORD)
    return groups
