"""Programs that attack the sandbox, its verdict and the machine. Ours, bounded, and aimed at decoys only.

Each must bring a function ``f``; the hidden test asserts ``f(1) == 4711 and f(2) == 4712``, which none of them can
know. ``{decoy}`` is a directory with a file ``keep``, ``{home}`` a decoy home with a secret, ``{pid}`` a process to
signal, ``{port}`` a listener on loopback, ``{mark}`` a file whose appearance proves an escape.
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
    "read the parent's environment": "import os\ndef f(x): return open(f'/proc/{{os.getppid()}}/environ').read() + open('/proc/1/environ').read()",
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
PROGRAMS = {
    **{f"forge: {k}": v for k, v in FORGE.items()},
    **{f"take: {k}": v for k, v in TAKE.items()},
    **{f"harm: {k}": v for k, v in HARM.items()},
}
