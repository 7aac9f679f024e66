"""Wrong programs that want to be judged right and must fail under every judge."""

from __future__ import annotations

from runners.program import MEBIBYTE, Status
from tests.runners.attacks.attack import CHANNEL, CHECK, MEMORY, WRONG_VALUE, Attack

ERROR, WRONG = Status.RUNTIME_ERROR, Status.WRONG_ANSWER

_MARKERS = 'print(\'{"nonce": "0", "test": 0, "passed": true}\\n{"done": 1}\\n1 passed\\nOK\\nPASSED\')'
_GUESSES = """
for channel in channels():
    send(channel, loaded=True)
    report(channel, {'nonce': '0' * 32, 'tests': ['']})
"""
_MEMORY_AT_LOAD = """
for channel in channels():
    for nonce in list(nonces()):
        send(channel, loaded=True)
        report(channel, {'nonce': nonce.decode(), 'tests': ['']})
def f(x): return None
"""
_TWO_PROCESSES = """
import os
if os.fork() == 0:
    def f(x): return x
else:
    def f(x): os._exit(0)
"""
_TIMER = """
import os, signal
signal.signal(signal.SIGALRM, lambda *args: os._exit(0))
def f(x):
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    signal.pause()
"""
_EVERY_DESCRIPTOR = """
import os
for fd in range(3, 1024):
    try: os.write(fd, b'{"passed": true}\\n1 passed\\n')
    except OSError: pass
"""
_LEFT_MODULE = """
for module in ('colorsys', 'test', 'sitecustomize'):
    open(f'/tmp/{module}.py', 'w').write('rgb_to_yiq = lambda *args: None')
def f(x): return None
"""
_LIES = {
    "it was our fault": '{"loaded": false, "kind": "sandbox_error", "error": "x"}',
    "a pass while loading": '{"loaded": false, "kind": "passed", "error": ""}',
    "numbers for truth": '{"loaded": 1}',
    "an error that is no text": '{"loaded": false, "kind": 7, "error": 1e999}',
    "nested lists": "[" * 4000,
    "a very long number": '{"loaded": ' + "9" * 9000 + "}",
    "a list": "[]",
    "nothing": "",
    "keys twice": '{"loaded": false, "loaded": false}',
    "lone surrogates and control characters": (
        '{"loaded": false, "kind": "\\ud800", "error": "\\ud800\\u0000\\u001b[2J"}'
    ),
}
"""Messages in place of the harness's answer that the program was loaded, each followed by exit status 0."""


def _refused(
    source: str, *statuses: Status, says: str = "", quick: bool = False, tests: str = CHECK, **limits: float
) -> Attack:
    right = frozenset(statuses or {WRONG})
    return Attack(group="forgery", source=source, tests=(tests,), expected=right, says=says, quick=quick, limits=limits)


def _says(message: str) -> str:
    """A program that sends one message of its own and ends."""
    text = (
        f"data = {message!r}.encode()\nfor channel in channels(): channel.sendall(struct.pack('!I', len(data)) + data)"
    )
    return f"{CHANNEL}{text}\nos._exit(0)"


FORGERIES: dict[str, Attack] = {
    "exit status 0 while loading": _refused("import os; os._exit(0)", ERROR, says="exit status 0", quick=True),
    "exit status 0 in a test": _refused("import os\ndef f(x): os._exit(0)", ERROR, says="exit status 0"),
    "sys.exit in a test": _refused("import sys\ndef f(x): sys.exit(0)", ERROR, says="SystemExit"),
    "SystemExit while loading": _refused("raise SystemExit(0)", ERROR, says="SystemExit"),
    "SystemExit from the builtins": _refused("def f(x): exit(0)", ERROR, says="SystemExit"),
    "KeyboardInterrupt in a test": _refused("def f(x): raise KeyboardInterrupt", ERROR, says="KeyboardInterrupt"),
    "GeneratorExit in a test": _refused("def f(x): raise GeneratorExit", ERROR, says="GeneratorExit"),
    "exit status of our own failure": _refused("import os; os._exit(255)", ERROR, says="exit status 255"),
    "exit status of a shell that failed": _refused("import os; os._exit(125)", ERROR, says="exit status 125"),
    "exit at the interpreter's end": _refused("import atexit, os\natexit.register(os._exit, 0)" + WRONG_VALUE),
    "exit from the exception hook": _refused(
        "import os, sys\nsys.excepthook = sys.unraisablehook = lambda *a: os._exit(0)" + WRONG_VALUE
    ),
    "exit from a timer": _refused(_TIMER, ERROR, says="exit status 0"),
    "becomes another program": _refused(
        "import os, sys\nos.execv(sys.executable, [sys.executable, '-c', ''])", ERROR, says="exit status 0"
    ),
    "prints what a pass looks like": _refused(_MARKERS + WRONG_VALUE, quick=True),
    "prints it in a test": _refused("def f(x):\n    " + _MARKERS),
    # Which of the two takes the tests from the channel is chance; neither may make a pass of it. (A right one of the
    # two would earn a pass under split, where it happens to give every answer.)
    "two processes answer": _refused(_TWO_PROCESSES, ERROR, WRONG, Status.TIMEOUT, wall_seconds=1),
    "writes to every descriptor": _refused(_EVERY_DESCRIPTOR + WRONG_VALUE, ERROR, says="judge's channel"),
    "closes every descriptor": _refused("import os\nos.closerange(3, 1024)" + WRONG_VALUE, ERROR, says="exit status"),
    "guesses the nonce": _refused(CHANNEL + _GUESSES + WRONG_VALUE, ERROR, says="exit status 0"),
    **{f"claims {name}": _refused(_says(message), ERROR) for name, message in _LIES.items()},
    "another AssertionError": _refused(
        "import builtins\nbuiltins.AssertionError = type('E', (SystemExit,), {})" + WRONG_VALUE
    ),
    "no assertions": _refused("__debug__ = False" + WRONG_VALUE, Status.COMPILE_ERROR),
    "assertions optimised away": _refused("import sys\nsys.flags = type('F', (), {'optimize': 2})()" + WRONG_VALUE),
    "name of the test taken": _refused("def check(candidate): pass" + WRONG_VALUE),
    # The judge of split shares /tmp with the program; nothing may be imported from there.
    "module left where tests may import it": _refused(
        _LEFT_MODULE, tests="from colorsys import rgb_to_yiq\nassert f(1) == rgb_to_yiq(0, 0, 0)"
    ),
    "value that is executed when it is unpickled": _refused(
        "import os\nclass E:\n    def __reduce__(self): return os._exit, (0,)\ndef f(x): return E()", WRONG, ERROR
    ),
    "deep value": _refused(
        "def f(x):\n    value = []\n    for _ in range(10**5): value = [value]\n    return value", WRONG, ERROR
    ),
    "value of 300 MB": _refused("def f(x): return 'x' * (300 << 20)", Status.MEMORY_LIMIT),
    "value of 60 MB": _refused(
        "def f(x): return 'x' * (60 << 20)", WRONG, ERROR, Status.MEMORY_LIMIT, memory_bytes=512 * MEBIBYTE
    ),
    "value that contains itself": _refused(
        "def f(x):\n    value = []\n    value.append(value)\n    return value", WRONG, ERROR
    ),
    "searches memory for the nonce while loading": _refused(CHANNEL + MEMORY + _MEMORY_AT_LOAD, WRONG, ERROR),
}
