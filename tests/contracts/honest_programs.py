"""Programs that use much of Python and must find it in the sandbox: ``f(7)`` is 7."""

# ruff: noqa: E501  (a program is easier to read on the line of its name)

from __future__ import annotations

HONEST = {
    "asyncio": "import asyncio\nasync def g(x):\n    await asyncio.sleep(0.01)\n    return x\ndef f(x): return asyncio.run(g(x))",
    "threads": "from concurrent.futures import ThreadPoolExecutor\ndef f(x):\n    with ThreadPoolExecutor(4) as p:\n"
    "        return sum(p.map(lambda y: y, [x]))",
    "files": "import shutil, tempfile\ndef f(x):\n    with tempfile.NamedTemporaryFile('w', delete=False) as t:\n"
    "        t.write(str(x))\n    shutil.copy2(t.name, 'copy')\n    return int(open('copy').read())",
    "directories": "import pathlib, tempfile\ndef f(x):\n    with tempfile.TemporaryDirectory() as d:\n"
    "        p = pathlib.Path(d) / 'a'\n        p.write_text('1')\n        p.rename(p.with_name('b'))\n    return x",
    "sqlite": "import sqlite3\ndef f(x):\n    c = sqlite3.connect('a.db')\n    c.execute('create table t (a)')\n"
    "    c.execute('insert into t values (?)', (x,))\n    c.commit()\n    y = c.execute('select a from t').fetchone()[0]\n"
    "    c.close()\n    return y",
    "hashes and chance": "import hashlib, random, secrets, uuid\ndef f(x):\n    hashlib.md5(b'a').hexdigest()\n"
    "    return x if random.random() < 2 and secrets.token_hex() and uuid.uuid4() else 0",
    "a child": "import os\ndef f(x):\n    if not os.fork(): os._exit(x)\n    return os.waitstatus_to_exitcode(os.wait()[1])",
    "an alarm": "import signal, time\ndef f(x):\n    r = []\n    signal.signal(signal.SIGALRM, lambda *a: r.append(x))\n"
    "    signal.setitimer(signal.ITIMER_REAL, 0.01)\n    time.sleep(0.1)\n    return r[0]",
    "an interrupt": "import os, signal\ndef f(x):\n    try:\n        os.kill(os.getpid(), signal.SIGINT)\n"
    "        for i in range(10 ** 6): pass\n    except KeyboardInterrupt: return x",
    "a child that is ended": "import os, signal\ndef f(x):\n    p = os.fork()\n    if not p: signal.pause()\n"
    "    os.kill(p, signal.SIGTERM)\n    return x if os.wait()[1] == signal.SIGTERM else 0",
    "mapped memory": "import mmap\ndef f(x):\n    with mmap.mmap(-1, 4096) as m:\n        m[0] = x\n        return m[0]",
    "a pair of sockets": "import select, socket\ndef f(x):\n    a, b = socket.socketpair()\n    a.send(bytes([x]))\n"
    "    select.select([b], [], [])\n    return b.recv(1)[0]",
    "a program that is not there": "import subprocess\ndef f(x):\n    try: subprocess.run(['true'])\n    except OSError: return x",
    "much of the library": "import array, bz2, calendar, csv, dataclasses, decimal, email, html, inspect, locale, logging, "
    "lzma, pickle, platform, pprint, queue, sched, statistics, textwrap, unittest, urllib.parse, xml.etree.ElementTree, "
    "zlib, zoneinfo\nplatform.platform()\nlogging.warning('a')\ndef f(x): return statistics.mean([x])",
    "its home": "import os\ndef f(x): return x if os.environ['HOME'] == os.getcwd() and os.listdir() == [] else 0",
    "deep recursion": "def g(n): return 0 if n == 0 else 1 + g(n - 1)\ndef f(x): return g(4000) - 4000 + x",
}
