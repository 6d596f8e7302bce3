"""Pairs of programs: one leaves something behind, the other one, next or beside it, looks for it.

``f(1)`` of the first must run through; ``f(1)`` of the second is ``clean`` where it finds nothing.
"""

# ruff: noqa: E501  (a program is easier to read on the line of its name)

from __future__ import annotations

L = "import ctypes, os\nl = ctypes.CDLL(None, use_errno=True)\n"
DAEMON = "import os, time\nif not os.fork():\n    os.setsid()\n    if not os.fork():\n"
QUIET = "def f(x): return x"


def call(numbers: str) -> str:
    """A program that makes one call of the kernel and says whether it succeeded (numbers of x86-64)."""
    return f"{L}def f(x): return 'found' if l.syscall({numbers}) >= 0 else 'clean'"


# Prints every mapped page near three objects of its own; the pattern does not match itself.
SCAN = (
    "import ctypes, re\nl = ctypes.CDLL(None)\nl.mincore.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p)\n"
    "class Here: pass\npattern = re.compile(rb'NEIGHBOUR.MARK.4[7]11')\nv = ctypes.create_string_buffer(1)\n"
    "def f(x):\n    for near in (id(Here), id(Here()), id(pattern), ctypes.addressof(v)):\n        for page in range((near - (8 << 20)) & ~4095, near + (8 << 20), 4096):\n"
    "            if l.mincore(page, 4096, v) == 0 and v.raw[0] & 1:\n                try: hit = pattern.search(ctypes.string_at(page, 4096))\n                except Exception: continue\n"
    "                if hit: return 'found'\n    return 'clean'"
)
AFTER = {
    "System V shared memory": (call("29, 4711, ctypes.c_size_t(4096), 0o1666"), call("29, 4711, 0, 0")),
    "System V semaphores": (call("64, 4711, 1, 0o1666"), call("64, 4711, 0, 0")),
    "System V queue": (call("68, 4711, 0o1666"), call("68, 4711, 0")),
    "POSIX queue": (call("240, b'star', 0o102, 0o666, None"), call("240, b'star', 0, 0, None")),
    "POSIX shared memory": (
        "def f(x):\n    try: open('/dev/shm/star', 'w').write('x')\n    except OSError: pass\n    return x",
        "import os\ndef f(x): return 'found' if os.path.exists('/dev/shm/star') else 'clean'",
    ),
    "shared memory of multiprocessing": (
        "def f(x):\n    try:\n        from multiprocessing.shared_memory import SharedMemory\n        SharedMemory('star', True, 4096)\n    except (OSError, ImportError): pass\n    return x",
        "def f(x):\n    try:\n        from multiprocessing.shared_memory import SharedMemory\n        SharedMemory('star')\n    except (OSError, ImportError): return 'clean'\n    return 'found'",
    ),
    "a key": (call("248, b'user', b'star', b'x', ctypes.c_size_t(1), -4"), call("249, b'user', b'star', None, -4")),
    "files": (
        "import os\nopen('kept', 'w').write('x')\nos.mkdir('d')\n" + QUIET,
        "import os\ndef f(x): return 'found' if os.listdir() else 'clean'",
    ),
    "files elsewhere": (
        "import os\nfor d, _, _ in os.walk('/'):\n    try: open(d + '/star-kept', 'w').write('x')\n    except OSError: pass\n"
        + QUIET,
        "import os\ndef f(x): return 'found' if any('star-kept' in n for _, _, n in os.walk('/')) else 'clean'",
    ),
    "the environment": (
        "import os\nos.environ['STAR'] = os.environ['HOME'] = 'x'\nos.putenv('STAR_TOO', 'x')\n" + QUIET,
        "import ctypes, os\ng = ctypes.CDLL(None).getenv\ndef f(x): return 'found' if 'STAR' in os.environ or os.environ['HOME'] == 'x' or g(b'STAR_TOO') else 'clean'",
    ),
    "modules": (
        "import builtins, json, sys\njson.star = builtins.star = 1\njson.dumps.__defaults__ = None\nsys.path.insert(0, '/box')\n"
        + QUIET,
        "import builtins, json, sys\ndef f(x): return 'found' if hasattr(json, 'star') or hasattr(builtins, 'star') or '/box' in sys.path or len(sys.modules['__main__'].__dict__) > 100 else 'clean'",
    ),
    "the module of the program": (
        "star = 1\nimport sys\nsys.modules['star_was_here'] = sys\n" + QUIET,
        "import sys\ndef f(x): return 'found' if hasattr(sys.modules['solution'], 'star') or 'star_was_here' in sys.modules else 'clean'",
    ),
    "chance": (
        "import random\nrandom.seed(4711)\n" + QUIET,
        "import random\nfirst = random.random()\nrandom.seed(4711)\ndef f(x): return 'found' if first == random.random() else 'clean'",
    ),
    "the directory": (
        "import os\nos.chdir('/usr')\n" + QUIET,
        "import os\ndef f(x): return 'clean' if os.getcwd() == '/box' else 'found'",
    ),
    "mask and niceness": (
        "import os\nos.umask(0o777)\nos.nice(7)\n" + QUIET,
        "import os\ndef f(x): return 'found' if os.umask(0) == 0o777 or os.getpriority(0, 0) >= NICE + 7 else 'clean'",
    ),
    "limits": (
        "import resource\nfor n in (resource.RLIMIT_NOFILE, resource.RLIMIT_STACK): resource.setrlimit(n, (20, 20))\n"
        + QUIET,
        "import resource\ndef f(x): return 'found' if resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 20 else 'clean'",
    ),
    "signals": (
        "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nsignal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])\nsignal.alarm(1)\n"
        + QUIET,
        "import signal, time\ndef f(x):\n    time.sleep(1.1)\n    return 'found' if signal.getsignal(signal.SIGTERM) != signal.SIG_DFL or signal.pthread_sigmask(signal.SIG_BLOCK, []) else 'clean'",
    ),
    "a daemon": (
        DAEMON
        + "        while True:\n            open('daemon', 'w').write('x')\n            time.sleep(0.01)\n    os._exit(0)\n"
        + QUIET,
        "import os, time\ndef f(x):\n    time.sleep(0.2)\n    return 'found' if os.path.exists('daemon') else 'clean'",
    ),
    "processes": (
        DAEMON + "        time.sleep(1000)\n    os._exit(0)\n" + QUIET,
        "import os\ndef there(p):\n    try: os.kill(p, 0)\n    except ProcessLookupError: return False\n    except PermissionError: pass\n    return True\n"
        "def f(x): return 'clean' if os.getpid() == 2 and not any(there(p) for p in range(3, 2000)) else 'found'",
    ),
    "an abstract socket": (
        DAEMON
        + "        import socket\n        s = socket.socket(socket.AF_UNIX)\n        s.bind('\\0star-neighbour')\n        s.listen()\n        time.sleep(1000)\n    os._exit(0)\ntime.sleep(0.1)\n"
        + QUIET,
        "import socket\ndef f(x):\n    try: socket.socket(socket.AF_UNIX).connect('\\0star-neighbour')\n    except OSError: return 'clean'\n    return 'found'",
    ),
    "a lock on the library": (
        DAEMON
        + "        import fcntl, json\n        n = open(json.__file__)\n        fcntl.flock(n, fcntl.LOCK_EX)\n        time.sleep(1000)\n    os._exit(0)\ntime.sleep(0.1)\n"
        + QUIET,
        "import fcntl, json\ndef f(x):\n    try: fcntl.flock(open(json.__file__), fcntl.LOCK_EX | fcntl.LOCK_NB)\n    except OSError: return 'found'\n    return 'clean'",
    ),
    "memory": ("kept = ['NEIGHBOUR-MARK-4711' + str(i) for i in range(10000)]\n" + QUIET, SCAN),
    "descriptors": (
        "import os\nfor i in range(20): os.dup(0)\n" + QUIET,
        "import os\ndef open_ones():\n    for n in range(64):\n        try: os.fstat(n)\n        except OSError: continue\n        yield n\nnow = list(open_ones())\ndef f(x): return 'clean' if now == [0, 1, 2, 3] else 'found'",
    ),
    "the host name": (
        "import socket\ntry: socket.sethostname('star-was-here')\nexcept OSError: pass\n" + QUIET,
        "import os\ndef f(x): return 'found' if os.uname().nodename == 'star-was-here' else 'clean'",
    ),
}
HOLD = "import time\ndef f(x):\n    time.sleep(2.5)\n    return x\n"
BESIDE = {
    "System V shared memory": (
        L + "l.syscall(29, 4711, ctypes.c_size_t(4096), 0o1666)\n" + HOLD,
        AFTER["System V shared memory"][1],
    ),
    "files": ("open('kept', 'w').write('x')\n" + HOLD, AFTER["files"][1]),
    "processes": (HOLD, AFTER["processes"][1]),
    "an abstract socket": (
        "import socket\ns = socket.socket(socket.AF_UNIX)\ns.bind('\\0star-neighbour')\ns.listen()\n" + HOLD,
        AFTER["an abstract socket"][1],
    ),
    "tracing": (
        HOLD,
        L
        + "def f(x): return 'found' if any(l.ptrace(16, p, 0, 0) == 0 for p in range(1, 2000) if p != os.getpid()) else 'clean'",
    ),
    "reading its memory": (
        HOLD,
        L
        + "v = (ctypes.c_uint64 * 2)(0, 8)\ndef f(x): return 'found' if any(l.syscall(310, p, v, 1, v, 1, 0) >= 0 for p in range(3, 2000)) else 'clean'",
    ),
    "its files of the kernel": (
        HOLD,
        "import os\ndef f(x): return 'found' if os.path.exists('/proc') or os.path.exists('/sys') else 'clean'",
    ),
    "ending it": (
        HOLD,
        "import os\ndef f(x):\n    for p in [*range(3, 2000), -1, 0]:\n        if p:\n            try: os.kill(p, 9)\n            except OSError: continue\n    return 'clean'",
    ),
    "memory": ("kept = ['NEIGHBOUR-MARK-4711' + str(i) for i in range(10000)]\n" + HOLD, SCAN),
}
