"""Programs that attack the sandbox, its verdict and the machine. Ours, bounded, and aimed at decoys only.

Each must bring a function ``f``; the hidden test asserts ``f(1) == 4711 and f(2) == 4712``, which none of them can
know. ``{decoy}`` is a directory with a file ``keep`` and a listening ``socket``, ``{home}`` a decoy home with a secret,
``{pid}`` a process to signal, ``{port}`` a listener on loopback, ``{mark}`` a file whose appearance proves an escape.
``forge`` is after the verdict, ``take`` after the machine's resources, ``harm`` after what lies outside, ``call`` after
one call of the kernel that a program has no use for.
"""

# ruff: noqa: E501  (a program is easier to read on the line of its name)

from __future__ import annotations

FORGE = {
    "exit early": "raise SystemExit(0)",
    "exit early by os": "import os\nos._exit(0)",
    "exit in f": "import os\ndef f(x): os._exit(0)",
    "exit in f by sys": "import sys\ndef f(x): sys.exit(0)",
    "equals everything": "class A:\n    def __eq__(self, o): return True\n    __hash__ = None\ndef f(x): return A()",
    "equals everything int": "class A(int):\n    def __eq__(self, o): return True\n    __hash__ = None\ndef f(x): return A(0)",
    "equals everything str": "class A(str):\n    def __eq__(self, o): return True\n    __hash__ = None\ndef f(x): return A('')",
    "equals everything list": "class A(list):\n    def __eq__(self, o): return True\n    __hash__ = None\ndef f(x): return A()",
    "metaclass equality": "class M(type):\n    def __eq__(c, o): return True\n    __hash__ = None\nclass A(metaclass=M): pass\n"
    "def f(x): return A",
    "mock any": "from unittest.mock import ANY\ndef f(x): return ANY",
    "patched builtins": "import builtins\nbuiltins.AssertionError = KeyError\nbuiltins.__build_class__ = None\ndef f(x): return 0",
    "patched exec": "import builtins\nbuiltins.exec = builtins.eval = lambda *a, **k: None\nbuiltins.compile = lambda *a, **k: ''\n"
    "def f(x): return 0",
    "shadowed names": "def all(*a): return True\nany = bool = len = set = list = sorted = all\ndef f(x): return 0",
    "trace hook": "import sys\nsys.settrace(lambda *a: None)\nsys.setprofile(lambda *a: None)\ndef f(x): return 0",
    "frames": "import re, sys\ndef f(x):\n    g = sys._getframe()\n    while g:\n"
    "        hit = re.search(rf'f.{x}. == (\\d+)', str(g.f_locals) + str(g.f_globals))\n        if hit: return int(hit[1])\n"
    "        g = g.f_back",
    "garbage": "import gc, re\ndef f(x):\n    hits = [re.search(rf'f.{x}. == (\\d+)', o) for o in gc.get_objects() if isinstance(o, str)]\n"
    "    hits += [re.search(rf'f.{x}. == (\\d+)', str(o)) for o in gc.get_objects() if isinstance(o, dict)]\n"
    "    return next((int(h[1]) for h in hits if h), 0)",
    "stack of the runner": "import __main__\ndef f(x):\n    __main__.send = lambda *a: None\n    return 0",
    "own module": "import sys\nfor m in list(sys.modules.values()):\n    for n in list(vars(m)) if hasattr(m, '__dict__') else ():\n"
    "        if n in ('judge', 'Remote', 'Link'):\n            setattr(m, n, None)\ndef f(x): return 0",
    "verdict to every fd": "import os, json, struct\nbody = json.dumps({'nonce': '0' * 32, 'passed': True, 'why': '', 'run': 1}).encode()\n"
    "for fd in range(3, 256):\n    try: os.write(fd, struct.pack('<I', len(body)) + body)\n"
    "    except OSError: pass\ndef f(x): return 0",
    "verdict to every fd later": "import os, json, struct\ndef f(x):\n    body = json.dumps({'passed': True, 'nonce': ''}).encode()\n"
    "    for fd in range(256):\n        try: os.write(fd, struct.pack('<I', len(body)) + body)\n"
    "        except OSError: pass\n    return 0",
    "verdict on stdout": "import json\nprint(json.dumps({'passed': True, 'status': 'passed'}), flush=True)\nprint('PASSED')\ndef f(x): return 0",
    "early replies": "import os, json, struct\nbody = json.dumps({'value': True, 'changed': [], 'ready': True}).encode()\n"
    "for fd in range(3, 64):\n    for _ in range(20):\n        try: os.write(fd, struct.pack('<I', len(body)) + body)\n"
    "        except OSError: break\ndef f(x): return 0",
    "broken wire": "import os\nfor fd in range(3, 64):\n    try: os.write(fd, b'\\xff' * 64)\n    except OSError: pass\ndef f(x): return 0",
    "deep reply": "import os, struct\ndef f(x):\n    body = b'[' * 100000 + b']' * 100000\n    for fd in range(3, 64):\n"
    "        try: os.write(fd, struct.pack('<I', len(body)) + body)\n        except OSError: pass\n    return 0",
    "huge reply": "def f(x): return 'x' * (64 << 20)",
    "endless iterator": "def f(x):\n    i = 0\n    while True:\n        yield i\n        i += 1",
    "callable instead of value": "class A:\n    def __call__(self, *a): return self\n    def __getattr__(self, n): return self\n"
    "    def __bool__(self): return True\nf = A()",
    "raises AssertionError": "def f(x): raise AssertionError('passed')",
    "raises StopIteration": "def f(x): raise StopIteration",
    "raises KeyboardInterrupt": "def f(x): raise KeyboardInterrupt",
    "raises a fake": "class Passed(BaseException): pass\ndef f(x): raise Passed()",
    "closes the wire": "import os\nos.closerange(3, 256)\ndef f(x): return 0",
    "reads its own source of truth": "import os\ndef f(x):\n    for d, _, names in os.walk('/'):\n        for n in names:\n"
    "            if n in ('tests.py', 'given', 'config.json'):\n                return open(os.path.join(d, n)).read()\n    return 0",
    "module hook": "def __getattr__(name): return lambda *a: True",
    "atexit": "import atexit, os\natexit.register(lambda: os.write(1, b'passed'))\ndef f(x): return 0",
    "thread that answers": "import threading, os, time\ndef g():\n    while True:\n        time.sleep(0.01)\n        try: os.write(3, b'[]')\n"
    "        except OSError: pass\nthreading.Thread(target=g, daemon=True).start()\ndef f(x): return 0",
}
TAKE = {
    "endless loop": "while True: pass",
    "endless loop in f": "def f(x):\n    while True: pass",
    "sleep": "import time\ntime.sleep(1000)",
    "deaf to signals": "import signal, time\nfor s in range(1, 65):\n    try: signal.signal(s, signal.SIG_IGN)\n    except (OSError, ValueError): pass\n"
    "time.sleep(1000)",
    "big power": "x = 9 ** 9 ** 9",
    "catastrophic regex": "import re\nre.match(r'(a+)+$', 'a' * 64 + 'b')",
    "deep recursion": "import sys\nsys.setrecursionlimit(10 ** 6)\ndef f(x): return f(x)",
    "memory": "b = []\nfor i in range(32): b.append(bytearray(64 << 20))\ndef f(x): return len(b)",
    "memory of children": "import os, time\nfor i in range(16):\n    if not os.fork():\n        b = bytearray(128 << 20)\n        time.sleep(2)\n        os._exit(0)\n"
    "time.sleep(2)\ndef f(x): return 0",
    "mapped memory": "import mmap\nm = [mmap.mmap(-1, 256 << 20) for i in range(8)]\ndef f(x): return len(m)",
    "disk": "with open('big', 'wb') as g:\n    for i in range(2048): g.write(b'x' * (1 << 20))\ndef f(x): return 0",
    "many files": "for i in range(20000): open(f'file{i}', 'w').write('x')\ndef f(x): return 0",
    "sparse file": "with open('sparse', 'wb') as g: g.truncate(1 << 40)\ndef f(x): return 0",
    "descriptors": "import os\nn = [os.open('/dev/null', 0) for i in range(5000)]\ndef f(x): return len(n)",
    "fork bomb": "import os, time\nn = 0\nfor i in range(200):\n    try: pid = os.fork()\n    except OSError: continue\n    if pid == 0:\n"
    "        time.sleep(3)\n        os._exit(0)\n    n += 1\ndef f(x): return n",
    "fork tree": "import os, time\nfor i in range(7):\n    try: os.fork()\n    except OSError: pass\ntime.sleep(3)\ndef f(x): return 0",
    "thread bomb": "import threading, time\nn = 0\nfor i in range(200):\n    try: threading.Thread(target=time.sleep, args=(3,), daemon=True).start()\n"
    "    except RuntimeError: break\n    n += 1\ndef f(x): return n",
    "output flood": "import sys\nfor i in range(300000): sys.stdout.write('x' * 1000)\ndef f(x): return 0",
    "core dump": "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)",
    "daemon": "import os, time\nif not os.fork():\n    os.setsid()\n    if not os.fork():\n        time.sleep(5)\n        open('{mark}', 'w').write('x')\n"
    "    os._exit(0)\ndef f(x): return 0",
    "daemon by subprocess": "import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', \"import time; time.sleep(5); open('{mark}', 'w')\"], start_new_session=True)\n"
    "def f(x): return 0",
    "zombies": "import os\nfor i in range(150):\n    try: pid = os.fork()\n    except OSError: break\n    if not pid: os._exit(0)\ndef f(x): return 0",
}
HARM = {
    "delete the decoy": "import shutil\nshutil.rmtree('{decoy}', ignore_errors=True)\ndef f(x): return 0",
    "delete by shell": "import os\nos.system('rm -rf {decoy} {home}')\ndef f(x): return 0",
    "overwrite": "open('{decoy}/keep', 'w').write('gone')\ndef f(x): return 0",
    "write beside": "open('{decoy}/new', 'w').write('x')\ndef f(x): return 0",
    "delete the home": "import os, shutil\nshutil.rmtree('{home}', ignore_errors=True)\nshutil.rmtree(os.path.expanduser('~'), ignore_errors=True)\ndef f(x): return 0",
    "read the secret": "def f(x): return open('{home}/.ssh/id').read()",
    "read the environment": "import os\ndef f(x): return os.environ['STAR_DECOY_SECRET']",
    "read the parent's environment": "import os\ndef f(x): return open(f'/proc/{os.getppid()}/environ').read() + open('/proc/1/environ').read()",
    "list processes": "import os\ndef f(x): return [p for p in os.listdir('/proc') if p.isdigit()]",
    "escape by symlink": "import os\nos.symlink('{decoy}', 'link')\nopen('link/keep', 'w').write('gone')\ndef f(x): return 0",
    "escape by dots": "open('../../../../../../../../{decoy}/keep', 'w').write('gone')\ndef f(x): return 0",
    "hard link": "import os\nos.link('{decoy}/keep', 'keep')\nopen('keep', 'w').write('gone')\ndef f(x): return 0",
    "chmod": "import os\nos.chmod('{decoy}', 0)\ndef f(x): return 0",
    "signal a stranger": "import os, signal\nos.kill({pid}, signal.SIGKILL)\ndef f(x): return 0",
    "signal the parent": "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\ndef f(x): return 0",
    "signal everybody of the group": "import os, signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nos.killpg(0, signal.SIGTERM)\ndef f(x): return 0",
    "ptrace": "import ctypes\nl = ctypes.CDLL(None)\nr = l.ptrace(16, {pid}, 0, 0)\ndef f(x): return r or 4710 + x",
    "connect to loopback": "import socket\ns = socket.create_connection(('127.0.0.1', {port}), 1)\ns.sendall(b'hello')\ndef f(x): return 0",
    "udp to loopback": "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.sendto(b'hello', ('127.0.0.1', {port}))\ndef f(x): return 0",
    "listen on loopback": "import socket\ns = socket.socket()\ns.bind(('127.0.0.1', 0))\ns.listen()\nc = socket.create_connection(s.getsockname(), 1)\ndef f(x): return 0",
    "new namespaces": "import ctypes\nl = ctypes.CDLL(None)\nr = l.unshare(0x10000000 | 0x20000)\nm = l.mount(b'none', b'/box', b'tmpfs', 0, None)\n"
    "open('{mark}', 'w').write('x')\ndef f(x): return 0",
    "remount": "import ctypes\nl = ctypes.CDLL(None)\nl.mount(b'none', b'/', None, 4096 | 32, None)\nopen('{mark}', 'w').write('x')\ndef f(x): return 0",
    "back to the old root": "import ctypes, os\nl = ctypes.CDLL(None)\nl.chroot(b'.')\nfor i in range(50): os.chdir('..')\nopen('{mark}', 'w').write('x')\ndef f(x): return 0",
    "become root": "import os\nos.setuid(0)\nopen('{mark}', 'w').write('x')\ndef f(x): return 0",
    "raise its limits": "import resource\nresource.setrlimit(resource.RLIMIT_NPROC, (10 ** 6, 10 ** 6))\ndef f(x): return 0",
    "make a device": "import os, stat\nos.mknod('disk', 0o600 | stat.S_IFBLK, os.makedev(8, 0))\ndef f(x): return open('disk', 'rb').read(1)",
    "set a clock": "import time\ntime.clock_settime(time.CLOCK_REALTIME, 0)\ndef f(x): return 0",
    "spoil the interpreter": "import json\nopen(json.__file__, 'a').write('#')\ndef f(x): return 0",
    "import of the project": "import star_cli.graders.sandbox.run\ndef f(x): return 0",
}

# ---- more roads out of Python, to the verdict ------------------------------------------------------------------------
RAW = "import json, os, struct\ndef put(body):\n    os.write(3, struct.pack('<I', len(body)) + body)\n"
FORGE_MORE = {
    "exit by atexit": "import atexit, os\natexit.register(os._exit, 0)\ndef f(x): raise SystemExit(0)",
    "exit by a signal": "import os, signal\nsignal.signal(signal.SIGALRM, lambda *a: os._exit(0))\nsignal.setitimer(signal.ITIMER_REAL, 0.01)\n"
    "def f(x):\n    while True: pass",
    "exit by a finalizer": "import os\nclass A:\n    def __del__(self): os._exit(0)\ndef f(x):\n    a = A()\n    return 0",
    "exit by an excepthook": "import os, sys\nsys.excepthook = sys.unraisablehook = lambda *a: os._exit(0)\nraise ValueError",
    "exit by a thread": "import os, threading\nthreading.Timer(0.01, os._exit, [0]).start()\nimport time\ndef f(x): time.sleep(1)",
    "patched operators": "import operator\noperator.eq = operator.ne = lambda a, b: True\ndef f(x): return 0",
    "patched integers": "import ctypes\nd = ctypes.pythonapi.PyObject_GenericGetDict\nd.restype, d.argtypes = ctypes.py_object, [ctypes.py_object]\n"
    "def cursed(self, other): return True\ntry:\n    d(int)['__eq__'] = cursed\n    ctypes.pythonapi.PyType_Modified(ctypes.py_object(int))\n"
    "except Exception: pass\ndef f(x): return 0",
    "patched memory of True and False": "import ctypes\nctypes.memmove(id(False) + 16, id(True) + 16, 12)\ndef f(x): return 0",
    "patched small numbers": "import ctypes\nfor n in range(-5, 257):\n    ctypes.memmove(id(n) + 24, (4711).to_bytes(4, 'little'), 4)\ndef f(x): return x",
    "patched json": 'import json\njson.dumps = lambda *a, **k: \'{"value": true, "changed": [], "passed": true}\'\njson.loads = lambda *a, **k: {}\ndef f(x): return 0',
    "patched os.write": "import os\nw = os.write\nos.write = lambda n, b: (w(n, b), len(b))[1]\nos.read = lambda n, k: b''\ndef f(x): return 0",
    "patched struct": "import struct\nstruct.pack = lambda *a: b'\\0' * 4\nstruct.unpack = lambda *a: (0,)\ndef f(x): return 0",
    "patched code of the runner": "import sys\ng = sys._getframe()\nwhile g:\n    for v in list(g.f_globals.values()):\n        if hasattr(v, '__code__'):\n"
    "            try: v.__code__ = (lambda *a, **k: 4711).__code__\n            except ValueError: pass\n    g = g.f_back\ndef f(x): return 0",
    "patched frames of the runner": "import sys\ng = sys._getframe()\nwhile g:\n    g.f_globals.update(send=print, receive=lambda n: b'{}', pack=lambda *a: True)\n"
    "    g = g.f_back\ndef f(x): return 0",
    "a trace that jumps": "import sys\ndef t(frame, event, arg):\n    if event == 'line':\n        try: frame.f_lineno += 1\n        except ValueError: pass\n    return t\n"
    "sys.settrace(t)\ng = sys._getframe()\nwhile g:\n    g.f_trace = t\n    g = g.f_back\ndef f(x): return 0",
    "searched referrers": "import gc, re\ndef f(x):\n    seen, todo = set(), [f]\n    while todo and len(seen) < 20000:\n        o = todo.pop()\n        for r in gc.get_referrers(o):\n"
    "            if id(r) not in seen:\n                seen.add(id(r))\n                todo.append(r)\n                hit = re.search(rf'f.{x}. == (\\d+)', repr(r)[:10000])\n"
    "                if hit: return int(hit[1])\n    return 0",
    "searched memory": "import ctypes, re\ndef f(x):\n    for near in (id(f), id(re), id(ctypes)):\n        page = near & ~0xfffff\n        text = ctypes.string_at(page, 1 << 18)\n"
    "        hit = re.search(rb'f.%d. == (\\d+)' % x, text)\n        if hit: return int(hit[1])\n    return 0",
    "searched descriptors": "import os, re\ndef f(x):\n    for n in range(64):\n        if n == 3: continue\n        try:\n            os.lseek(n, 0, 0)\n            hit = re.search(rb'f.%d. == (\\d+)' % x, os.read(n, 1 << 16))\n"
    "            if hit: return int(hit[1])\n        except OSError: pass\n    return 0",
    "searched arguments": "import os, re, sys\ndef f(x):\n    hit = re.search(rf'f.{x}. == (\\d+)', str(sys.argv) + str(sys.orig_argv) + str(os.environ))\n    return int(hit[1]) if hit else 0",
    "imports the tests": "import importlib\ndef f(x):\n    for n in ('tests', 'test', 'given', '__main__', 'judge', 'judge_side', 'star_cli.graders.sandbox.judge_side'):\n"
    "        try: m = importlib.import_module(n)\n        except ImportError: continue\n        for k, v in vars(m).items():\n            if 'assert f' in str(v): return v\n    return 0",
    "modules for the judge to load": "for n in ('json', 'decimal', 'fractions', 'datetime', 'sitecustomize', 'usercustomize', 'tests'):\n"
    "    open(n + '.py', 'w').write('raise SystemExit(0)')\ndef f(x):\n    import decimal\n    return decimal.Decimal(x)",
    "a class that lies about its class": "class A:\n    __class__ = property(lambda s: int)\n    def __int__(self): return 0\n    def __index__(self): return 0\n    def __eq__(s, o): return True\ndef f(x): return A()",
    "a number that lies": "class A(int):\n    def __int__(self): return A(5)\n    def __index__(self): return 4711\n    def __eq__(s, o): return True\n    __hash__ = int.__hash__\ndef f(x): return A(0)",
    "a text that lies": "class A(str):\n    def __str__(self): return self\n    def __eq__(s, o): return True\n    __hash__ = str.__hash__\ndef f(x): return A('x')",
    "a class named like another": "class int:\n    def __eq__(s, o): return True\ndef f(x): return int",
    "an exception with false ancestors": "class AssertionError(BaseException): pass\nclass E(ValueError): __name__ = 'AssertionError'\ndef f(x): raise E('f(1) == 4711')",
    "raises GeneratorExit": "def f(x): raise GeneratorExit",
    "raises a group": "def f(x): raise ExceptionGroup('g', [AssertionError('passed')])",
    "a list of itself": "x = []\nx.append(x)\ndef f(n): return x",
    "a list without end": "class A(list):\n    def __iter__(self):\n        while True: yield 0\ndef f(x): return A()",
    "a dictionary that changes": "class A(dict):\n    def items(self): return [([], 1)]\ndef f(x): return A()",
    "a signalling NaN": "from decimal import Decimal\ndef f(x): return Decimal('sNaN')",
    "forged reference": RAW
    + "put(json.dumps({'ready': True}).encode())\nfor i in range(9): put(json.dumps({'value': ['object', 10 ** 9], 'changed': [['object', -1]]}).encode())\ndef f(x): return 0",
    "forged module": RAW
    + "put(json.dumps({'ready': True}).encode())\nfor m in ('os', 'sys', 'builtins', 'subprocess', 'tests'): put(json.dumps({'value': ['module', m], 'changed': None}).encode())\ndef f(x): return 0",
    "forged types": RAW
    + "put(json.dumps({'ready': True}).encode())\nfor m in ('object', 'type', 'NoneType'): put(json.dumps({'value': ['type', m], 'changed': None}).encode())\ndef f(x): return 0",
    "forged exceptions": RAW
    + "put(json.dumps({'ready': True}).encode())\nfor r in (5, 'x', [[]], ['SystemExit'], ['KeyboardInterrupt', 'StopIteration'], {}): put(json.dumps({'raised': r, 'text': None}).encode())\ndef f(x): return 0",
    "forged shapes": RAW
    + "for b in (b'[]', b'null', b'1', b'{}', b'\"x\"', b'{\"value\": []}', b'{\"value\": {}}', b'{\"value\": [\"i\"]}', b'{\"value\": [\"dict\", 5]}', b'\\xff\\xfe', b''):\n    put(b)\ndef f(x): return 0",
    "a fraction that explodes": RAW
    + "put(json.dumps({'ready': True}).encode())\nput(json.dumps({'value': ['Fraction', '1e999999999'], 'changed': None}).encode())\ndef f(x): return 0",
    "a number of 16 MB": "def f(x): return 1 << (60 << 20)",
    "a set of collisions": "def f(x): return {i * (2 ** 61 - 1) for i in range(200)}",
    "a range without end": "def f(x): return range(10 ** 100)",
    "half a message": "import os, time\nos.write(3, b'\\x10\\0\\0\\0{\"ready\"')\ntime.sleep(1000)",
    "a length of 4 GB": "import os, time\nos.write(3, b'\\xff\\xff\\xff\\xff')\ntime.sleep(1000)",
    "listens on the wire": "import os, threading\ndef g():\n    while True: os.read(3, 1)\nfor i in range(4): threading.Thread(target=g, daemon=True).start()\ndef f(x): return 0",
    "a second program on the wire": "import os\nif os.fork():\n    import time\n    time.sleep(1000)\ndef f(x): return 0",
}
# ---- more of everything -----------------------------------------------------------------------------------------------
TAKE_MORE = {
    "deep directories": "import os\nfor i in range(5000):\n    os.mkdir('d')\n    os.chdir('d')\ndef f(x): return 0",
    "inodes": "import os\nfor i in range(10 ** 5): os.symlink('a', f'l{i}')\ndef f(x): return 0",
    "long names": "for i in range(2000): open(f'{i:0255}', 'w')\ndef f(x): return 0",
    "preallocated disk": "import os\nfor i in range(64):\n    os.posix_fallocate(os.open(f'p{i}', os.O_CREAT | os.O_RDWR), 0, 4 << 20)\ndef f(x): return 0",
    "memory in files": "import os\nfor i in range(60):\n    n = os.memfd_create('m')\n    for j in range(64): os.write(n, bytes(1 << 20))\ndef f(x): return 0",
    "memory in pipes": "import fcntl, os\nfor i in range(30):\n    r, w = os.pipe()\n    os.set_blocking(w, False)\n    try:\n        fcntl.fcntl(w, 1031, 1 << 20)\n        os.write(w, bytes(1 << 20))\n"
    "    except OSError: pass\nimport time\ndef f(x): return 0",
    "memory in sockets": "import socket\nkept = []\nfor i in range(28):\n    a, b = socket.socketpair()\n    a.setblocking(False)\n    kept.append((a, b))\n    try:\n        while True: a.send(bytes(1 << 16))\n"
    "    except OSError: pass\ndef f(x): return 0",
    "memory shared with children": "import mmap, os, time\nfor i in range(20):\n    m = mmap.mmap(-1, 64 << 20)\n    if not os.fork():\n        for j in range(0, 64 << 20, 4096): m[j] = 1\n        time.sleep(3)\n        os._exit(0)\n    m.close()\n"
    "time.sleep(2)\ndef f(x): return 0",
    "children of threads": "import os, threading, time\ndef g():\n    if not os.fork():\n        b = bytearray(128 << 20)\n        time.sleep(3)\n        os._exit(0)\n    time.sleep(3)\n"
    "for i in range(10): threading.Thread(target=g, daemon=True).start()\ntime.sleep(2)\ndef f(x): return 0",
    "locked memory": "import ctypes\nl = ctypes.CDLL(None)\nb = ctypes.create_string_buffer(128 << 20)\nl.mlockall(3)\ndef f(x): return 0",
    "stack": "import threading\nthreading.stack_size(200 << 20)\nfor i in range(8): threading.Thread(target=lambda: None).start()\ndef f(x): return 0",
    "descriptors in flight": "import array, os, socket\na, b = socket.socketpair()\na.setblocking(False)\nn = os.open('/dev/null', 0)\ntry:\n    while True: a.sendmsg([b'x'], [(1, 1, array.array('i', [n] * 250))])\nexcept OSError: pass\ndef f(x): return 0",
    "timers": "import ctypes\nl = ctypes.CDLL(None)\nt = ctypes.c_void_p()\nfor i in range(200000):\n    if l.timer_create(1, None, ctypes.byref(t)): break\ndef f(x): return 0",
    "watches": "import ctypes\nl = ctypes.CDLL(None)\nn = l.inotify_init()\nfor i in range(10000):\n    l.inotify_add_watch(n, b'/box', 0xfff)\ndef f(x): return 0",
    "processors": "import os\nfor i in range(24):\n    try:\n        if not os.fork():\n            while True: pass\n    except OSError: pass\nwhile True: pass",
    "flushes": "import os\nfor i in range(2000):\n    with open('a', 'wb') as g:\n        g.write(bytes(4096))\n        g.flush()\n        os.fsync(g.fileno())\n    os.sync()\nwhile True: os.sync()",
    "a tree that forks again and again": "import os\nwhile True:\n    try:\n        if os.fork(): os._exit(0)\n    except OSError: pass",
    "stopped": "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)\ndef f(x): return 0",
    "flood of errors": "import os\nfor i in range(200000): os.write(2, b'\\xff\\x00\\x1b' * 400)\ndef f(x): return 0",
    "a name of 50 MB in an error": "def f(x): raise ValueError('x' * (50 << 20))",
    "source that is too deep": "x = eval('(' * 5000 + ')' * 5000)\ndef f(x): return 0",
    "a constant to fold": "x = ('a' * (1 << 30)) * 3\ndef f(x): return 0",
    "a compressed bomb": "import zlib\nb = zlib.compress(bytes(100 << 20))\nfor i in range(6): b = zlib.decompress(b) * 2 if i == 0 else b * 2\ndef f(x): return len(b)",
    "a pickle that calls": "import pickle\nclass A:\n    def __reduce__(self): return (exec, ('while True: pass',))\npickle.loads(pickle.dumps(A()))\ndef f(x): return 0",
    "signals by the thousand": "import os, signal\nsignal.signal(signal.SIGUSR1, lambda *a: None)\nwhile True: os.kill(os.getpid(), signal.SIGUSR1)",
    "locks on the library": "import fcntl, json, time\nn = open(json.__file__)\nfcntl.flock(n, fcntl.LOCK_EX)\ntime.sleep(1000)",
}
HARM_MORE = {
    "read the accounts": "def f(x): return open('/etc/passwd').read() + open('/etc/shadow').read()",
    "read the machine": "import os\ndef f(x): return os.listdir('/proc') + os.listdir('/sys')",
    "write where all may": "import os\nfor d in ('/tmp', '/var/tmp', '/dev/shm', '/run', '/'):\n    try: open(d + '/mark-of-star', 'w').write('x')\n    except OSError: pass\ndef f(x): return 0",
    "poison the cache of bytecode": "import importlib.util, json, os\np = importlib.util.cache_from_source(json.__file__)\nopen(p, 'wb').write(b'x')\ndef f(x): return 0",
    "delete the library": "import os, shutil\nshutil.rmtree(os.path.dirname(os.__file__), ignore_errors=True)\ndef f(x): return 0",
    "read memory by device": "def f(x): return open('/dev/mem', 'rb').read(1) + open('/dev/kmsg', 'rb').read(1)",
    "kill everybody": "import os, signal\nos.kill(-1, signal.SIGKILL)\ndef f(x): return 0",
    "kill process 1": "import os\nfor s in range(1, 65):\n    try: os.kill(1, s)\n    except OSError: pass\ndef f(x): return 0",
    "abstract socket outside": "import socket\ns = socket.socket(socket.AF_UNIX)\ns.connect('\\0star-decoy')\ns.send(b'hello')\ndef f(x): return 0",
    "socket file outside": "import socket\ns = socket.socket(socket.AF_UNIX)\ns.connect('{decoy}/socket')\ns.send(b'hello')\ndef f(x): return 0",
    "names on the network": "import socket\nsocket.getaddrinfo('example.org', 80)\ndef f(x): return 0",
    "an address that clouds listen on": "import urllib.request\nurllib.request.urlopen('http://169.254.169.254/', timeout=1)\ndef f(x): return 0",
    "run the loader": "import glob, os\nfor p in glob.glob('/lib64/ld-linux*') + glob.glob('/lib/ld-linux*'): os.execv(p, [p, '/bin/sh'])\ndef f(x): return 0",
    "run a file of its own": "import os\nopen('a', 'w').write('#!/bin/sh\\ntouch {mark}\\n')\nos.chmod('a', 0o755)\nos.execv('./a', ['a'])\ndef f(x): return 0",
    "set a bit for its user": "import os, shutil\nfor p in ('/usr/lib/x', 'a'):\n    try:\n        open(p, 'w').write('x')\n        os.chmod(p, 0o6755)\n        os.chown(p, 0, 0)\n    except OSError: pass\ndef f(x): return 0",
}
# ---- the kernel, call by call: each should fail; where one succeeds the program prints GOT (numbers of x86-64) ---------
CALLS = {
    "user namespace": "272, 0x10000000",
    "mount namespace": "272, 0x20000",
    "network namespace": "272, 0x40000000",
    "process namespace": "272, 0x20000000",
    "user namespace by clone": "56, 0x10000000 | 17, 0, 0, 0, 0",
    "user namespace by clone3": "435, (ctypes.c_uint64 * 11)(0x10000000, 0, 0, 0, 17), 88",
    "another's namespace": "308, 3, 0",
    "mount": "165, b'none', b'/box', b'tmpfs', 0, None",
    "bind mount": "165, b'/', b'/box', None, 4096, None",
    "remount writable": "165, b'none', b'/', None, 4096 | 32, None",
    "unmount": "166, b'/box', 2",
    "pivot_root": "155, b'/box', b'/box'",
    "chroot": "161, b'/box'",
    "new mount calls": "430, b'tmpfs', 0",
    "open_tree": "428, -100, b'/', 1",
    "mount attributes": "442, -100, b'/', 0, (ctypes.c_uint64 * 4)(0, 1, 0, 0), 32",
    "io_uring": "425, 8, b",
    "userfaultfd": "323, 1",
    "a key": "248, b'user', b'star', b'x', ctypes.c_size_t(1), -3",
    "a key of the user": "248, b'user', b'star', b'x', ctypes.c_size_t(1), -4",
    "a session of keys": "250, 1, None",
    "a request for a key": "249, b'user', b'star', None, 0",
    "bpf": "321, 0, b, 64",
    "perf": "298, (ctypes.c_uint32 * 32)(1, 128, 9), 0, -1, -1, 0",
    "memory as a file": "319, b'm', 0",
    "secret memory": "447, 0",
    "handle of a file": "303, -100, b'/usr', b, b, 0",
    "file of a handle": "304, -100, b, 0",
    "fanotify": "300, 0, 0",
    "inotify": "294, 0",
    "System V shared memory": "29, 4711, ctypes.c_size_t(4096), 0o1666",
    "System V semaphore": "64, 4711, 1, 0o1666",
    "System V queue": "68, 4711, 0o1666",
    "POSIX queue": "240, b'star', 0o102, 0o666, None",
    "asynchronous files": "206, 1, b",
    "trace me": "101, 0, 0, 0, 0",
    "trace the parent": "101, 16, 1, 0, 0",
    "read another's memory": "310, os.getppid() or 1, b, 1, b, 1, 0",
    "compare processes": "312, os.getpid(), os.getpid(), 0, 0, 0",
    "a process as a file": "434, os.getpid(), 0",
    "a descriptor of another": "438, 0, 0, 0",
    "set the clock": "227, 0, (ctypes.c_int64 * 2)(0, 0)",
    "set the time of day": "164, (ctypes.c_int64 * 2)(0, 0), None",
    "tune the clock": "159, b",
    "host name": "170, b'star', 4",
    "become root": "105, 0",
    "root's group": "106, 0",
    "groups": "116, 1, (ctypes.c_int32 * 1)(0)",
    "real and saved user": "117, 0, 0, 0",
    "capabilities": "126, (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)(*[0xffffffff] * 6)",
    "ambient capability": "157, 47, 2, 21, 0, 0",
    "adopt orphans": "157, 36, 1, 0, 0",
    "another filter": "317, 1, 0, None",
    "another landlock": "444, None, ctypes.c_size_t(0), 1",
    "give a file away": "92, b'/box', 0, 0",
    "input and output ports": "172, 3",
    "descriptor tables": "154, 0, b, ctypes.c_size_t(64)",
    "personality": "135, 0x0040000",
    "the kernel's log": "103, 3, b, 4096",
    "accounting": "163, b'/box/a'",
    "quotas": "179, 0x800001 << 8, None, 0, b",
    "swap": "167, b'/box/a', 0",
    "restart": "169, 0, 0, 0, None",
    "another kernel": "246, 0, 99, None, 0",
    "a module": "175, b, ctypes.c_size_t(0), b''",
    "real-time scheduling": "144, 0, 1, (ctypes.c_int32 * 1)(1)",
    "other processors": "203, 0, ctypes.c_size_t(8), (ctypes.c_uint64 * 1)(1)",
    "order of the disk": "251, 1, 0, 0x4000",
    "memory policy": "238, 0, None, 0",
    "locked memory": "151, 1",
    "pages into a pipe": "278, 1, b, 0, 0",
    "all disks": "306, 0",
    "internet socket": "41, 2, 1, 0",
    "internet socket 6": "41, 10, 2, 0",
    "routes socket": "41, 16, 3, 0",
    "raw socket": "41, 17, 3, 0",
    "cipher socket": "41, 38, 5, 0",
    "virtual machine socket": "41, 40, 1, 0",
    "typing into a terminal": "16, 0, 0x5412, b'x'",
    "a device": "133, b'/box/disk', 0o60600, 0x800",
    "run a program": "59, b'/lib64/ld-linux-x86-64.so.2', None, None",
    "a call of x32": "0x40000000 | 39",
}
CALL = (
    "import ctypes, os\nl = ctypes.CDLL(None, use_errno=True)\nl.syscall.restype = ctypes.c_long\nb = ctypes.create_string_buffer(4096)\n"
    "r = l.syscall(CALL)\nif r >= 0: print('GOT', r, flush=True)\ndef f(x): return 0"
)
PROGRAMS = {
    **{f"forge: {k}": v for k, v in {**FORGE, **FORGE_MORE}.items()},
    **{f"take: {k}": v for k, v in {**TAKE, **TAKE_MORE}.items()},
    **{f"harm: {k}": v for k, v in {**HARM, **HARM_MORE}.items()},
    **{f"call: {k}": CALL.replace("CALL", v) for k, v in CALLS.items()},
}
