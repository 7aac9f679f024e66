"""Wrong programs that work on the tests in their own process: `known forgeable` under judge=inside.

They must fail where the tests run apart. `forged_today` is what was seen of them under judge=inside.
"""

from __future__ import annotations

from runners.program import Status
from tests.runners.attacks.attack import CHANNEL, CHECK, CONTAINED, KNOWN_FORGEABLE, MEMORY, Attack

_STRUCT = """
import json, struct
honest = struct.pack
class Header(bytes):
    def __add__(self, data):
        message = json.loads(data)
        if 'test' in message: message = {'nonce': message['nonce'], 'test': message['test'], 'passed': True}
        data = json.dumps(message).encode()
        return honest('!I', len(data)) + data
struct.pack = lambda *args: Header(honest(*args))
def f(x): return None
"""
_SPEAKS = """
for channel in channels():
    send(channel, loaded=True)
    def exactly(count): return channel.recv(count, socket.MSG_WAITALL)
    report(channel, json.loads(exactly(struct.unpack('!I', exactly(4))[0])))
"""
_FRAMES = """
def f(x):
    frame = sys._getframe()
    while frame:
        judge = frame.f_locals.get('judge')
        if type(judge) is dict and 'nonce' in judge:
            for channel in channels(): report(channel, judge)
        frame = frame.f_back
"""
_GC = """
import gc
def f(x):
    for thing in gc.get_objects():
        if type(thing) is dict and 'nonce' in thing and 'tests' in thing:
            for channel in channels(): report(channel, thing)
"""
_THREAD = """
import threading, time
def watch():
    main = threading.main_thread().ident
    while True:
        frame = sys._current_frames().get(main)
        while frame:
            judge = frame.f_locals.get('judge')
            if type(judge) is dict and 'nonce' in judge:
                for channel in channels(): report(channel, judge)
            frame = frame.f_back
threading.Thread(target=watch, daemon=True).start()
def f(x): time.sleep(1)
"""
_MEMORY_IN_TEST = """
def f(x):
    for channel in channels():
        for nonce in set(nonces()):
            send(channel, nonce=nonce.decode(), test=0, passed=True)
            send(channel, nonce=nonce.decode(), done=1)
        os._exit(0)
"""
_IN_THE_MIDDLE = """
import threading
for fd in range(3, 1024):
    try: real = socket.socket(fileno=os.dup(fd))
    except OSError: continue
    ours, theirs = socket.socketpair()
    os.dup2(theirs.fileno(), fd)
    break
def exactly(channel, count): return channel.recv(count, socket.MSG_WAITALL)
def relay():
    def receive(channel): return json.loads(exactly(channel, struct.unpack('!I', exactly(channel, 4))[0]))
    send(real, **receive(ours))
    report(real, receive(real))
threading.Thread(target=relay).start()
def f(x): return None
"""
_DUMPS = """
import json
honest = json.dumps
def dumps(message, **options):
    if 'test' in message: message = {'nonce': message['nonce'], 'test': message['test'], 'passed': True}
    return honest(message, **options)
json.dumps = dumps
def f(x): return None
"""
_SENDALL = """
import json, socket, struct
honest = socket.socket.sendall
def sendall(self, data):
    while data:
        size, = struct.unpack_from('!I', data)
        message, data = json.loads(data[4 : 4 + size]), data[4 + size :]
        if 'test' in message: message = {'nonce': message['nonce'], 'test': message['test'], 'passed': True}
        text = json.dumps(message).encode()
        honest(self, struct.pack('!I', len(text)) + text)
socket.socket.sendall = sendall
def f(x): return None
"""
_TRACE = """
import sys
def trace(frame, event, arg):
    last = frame.f_code.co_firstlineno + 3
    if frame.f_code.co_name == 'check' and event == 'line' and frame.f_lineno < last: frame.f_lineno = last
    return trace
sys.settrace(trace)
def f(x): return None
"""
_PROFILE = """
import sys
def profile(frame, event, arg):
    if event != 'call' or frame.f_code.co_name != 'send': return
    for message in frame.f_locals.get('messages', ()):
        if 'test' in message:
            message['passed'] = True
            message.pop('kind', None); message.pop('error', None)
sys.setprofile(profile)
def f(x): return None
"""
_WRITE = """
import json, os
real = os.write
def write(fd, data):
    out, rest = b'', bytes(data)
    try:
        while rest:
            size = int.from_bytes(rest[:4], 'big')
            message, rest = json.loads(rest[4:4 + size]), rest[4 + size:]
            if 'test' in message:
                message = {'nonce': message['nonce'], 'test': message['test'], 'passed': True}
            text = json.dumps(message).encode()
            out += len(text).to_bytes(4, 'big') + text
    except ValueError:
        out = data
    real(fd, out)
    return len(data)
os.write = write
def f(x): return None
"""
_HARNESS = """
import sys
frame = sys._getframe()
while frame:
    if 'run_test' in frame.f_globals: frame.f_globals['run_test'] = lambda source, namespace: None
    frame = frame.f_back
def f(x): return None
"""
_BUILTIN = """
import builtins
honest = builtins.compile
builtins.compile = lambda source, name, *a, **k: honest('pass' if name == '<test>' else source, name, *a, **k)
def f(x): return None
"""
_CONSTANTS = """
import sys
def f(x):
    constants = sys._getframe(1).f_code.co_consts
    return constants[constants.index(x) + 1] if x in constants else None
"""
_TEXT = """
import re, sys
def f(x):
    frame = sys._getframe()
    while frame:
        found = re.search(rf'candidate\\({x}\\)\\D+(\\d+)', frame.f_locals.get('source', ''))
        if found: return int(found[1])
        frame = frame.f_back
"""
_CONSTANTS_OVERWRITTEN = """
import ctypes, sys
def f(x):
    constants = sys._getframe(1).f_code.co_consts
    for index, constant in enumerate(constants):
        if constant in (2, 42):
            ctypes.py_object.from_address(id(constants) + tuple.__basicsize__ + 8 * index).value = 0
    return 0
"""
_SMALL_INTEGERS = """
import ctypes
def f(x):
    ctypes.c_uint32.from_address(id(2) + 24).value = 1
    ctypes.c_uint32.from_address(id(42) + 24).value = 41
    return x
"""
_OWN_BUILTINS = """
import builtins
__builtins__ = dict(vars(builtins), all=lambda values: True, abs=lambda value: 0)
def f(x): return None
"""
_EQUAL = """
class Equal({base}):
    __eq__ = __lt__ = __le__ = __gt__ = __ge__ = __contains__ = lambda self, other: True
    __ne__ = lambda self, other: False
    __sub__ = __rsub__ = __add__ = __abs__ = __call__ = __getitem__ = __round__ = lambda self, *args: self
    __hash__ = lambda self: 0
def f(x): return Equal()
"""
_CHANGES = """
class Changing(list):
    answers = iter([[1], [2], [3]])
    def __eq__(self, other): return any(answer == other for answer in Changing.answers)
def f(x): return Changing()
"""
_GENERATOR = """
import sys
def f(x):
    frame = sys._getframe(1)
    yield from [constant for constant in frame.f_code.co_consts if type(constant) is int and constant != x]
"""
_IMPORTED = """
import sys, types
sys.modules['math'] = types.SimpleNamespace(isclose=lambda *args: True)
def f(x): return None
"""
_IMPORT_HOOK = """
import importlib.machinery, sys
sys.modules.pop('fractions', None)
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == 'fractions': return importlib.machinery.ModuleSpec(name, self)
    def create_module(self, spec): return None
    def exec_module(self, module): module.Fraction = lambda *args: None
sys.meta_path.insert(0, Finder())
def f(x): return None
"""
_CLOSURE = """
import sys
def f(x):
    frame = sys._getframe(1)
    while frame:
        for cell in getattr(frame.f_locals.get('candidate'), '__closure__', None) or ():
            if callable(cell.cell_contents): return cell.cell_contents(x)
        frame = frame.f_back
"""
_WITH_REFERENCE = """
def reference(x): return x + 1
def check(candidate):
    assert candidate(1) == reference(1)
check(f)
"""
_WITH_CLOSURE = """
def make():
    def right(x): return x + 1
    return lambda x: right(x)
candidate = make()
assert f(1) == candidate(1)
"""
_REFERENCE = """
import sys
def f(x):
    names = sys._getframe(1).f_globals
    return names['reference'](x) if 'reference' in names else None
"""


def _forgeable(source: str, *, today: bool = True, tests: str = CHECK, quick: bool = False, **limits: float) -> Attack:
    return Attack(
        group="forgery",
        source=source,
        tests=(tests,),
        expected=CONTAINED | {Status.PASSED},
        split=CONTAINED,
        inside=KNOWN_FORGEABLE,
        forged_today=today,
        quick=quick,
        limits=limits,
    )


FORGEABLE: dict[str, Attack] = {
    "object equal to everything": _forgeable(_EQUAL.format(base="object"), quick=True),
    "integer equal to everything": _forgeable(_EQUAL.format(base="int")),
    "text equal to everything": _forgeable(_EQUAL.format(base="str"), tests="assert f('a') == 'b'"),
    "list that changes": _forgeable(_CHANGES, tests="assert f(1) == [2]"),
    "generator that reads the test": _forgeable(_GENERATOR, tests="assert 2 in list(f(1))"),
    "jumps over assertions by settrace": _forgeable(_TRACE),
    "edits the report by setprofile": _forgeable(_PROFILE, today=False),
    "speaks the harness's protocol": _forgeable(CHANNEL + _SPEAKS, quick=True),
    "nonce from a frame": _forgeable(CHANNEL + _FRAMES),
    "nonce from the garbage collector": _forgeable(CHANNEL + _GC),
    "nonce from another thread": _forgeable(CHANNEL + _THREAD),
    "nonce from memory": _forgeable(CHANNEL + MEMORY + _MEMORY_IN_TEST),
    "takes the descriptor's place": _forgeable(CHANNEL + _IN_THE_MIDDLE, wall_seconds=2),
    "patches json": _forgeable(_DUMPS),
    "patches what writes to descriptors": _forgeable(_WRITE),
    "patches struct": _forgeable(_STRUCT, today=False),
    "patches sockets": _forgeable(_SENDALL, today=False),
    "patches the harness": _forgeable(_HARNESS),
    "patches compile": _forgeable(_BUILTIN),
    "builtins of its own": _forgeable(_OWN_BUILTINS, tests="assert all(f(x) == x + 1 for x in (1, 2))"),
    "module in place of another": _forgeable(_IMPORTED, tests="import math\nassert math.isclose(f(1), 2)"),
    "import hook": _forgeable(_IMPORT_HOOK, tests="from fractions import Fraction\nassert f(1) == Fraction(2)"),
    "reads the test's constants": _forgeable(_CONSTANTS),
    "reads the test's text": _forgeable(_TEXT),
    "overwrites the test's constants": _forgeable(_CONSTANTS_OVERWRITTEN),
    "overwrites small integers": _forgeable(_SMALL_INTEGERS),
    "calls the test's reference": _forgeable(_REFERENCE, tests=_WITH_REFERENCE),
    "reference from a closure": _forgeable(_CLOSURE, tests=_WITH_CLOSURE),
}
