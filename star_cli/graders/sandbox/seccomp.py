"""The allow-list of system calls of a program in the sandbox, as a seccomp filter (Linux, x86-64 and aarch64).

What is not listed fails with EPERM; calls newer than the list fail with ENOSYS, as on an older kernel, so that the C
library falls back. A call of another architecture (32-bit calls on x86-64) ends the process. Left out on purpose, among
others: execve, ptrace, mount and namespaces, keyrings, io_uring, userfaultfd, bpf, memfd_create (memory that no limit
counts), System V and POSIX message queues, semaphores and shared memory (which would outlive the program), clocks.

Sources: Linux Documentation/userspace-api/seccomp_filter.rst, classic BPF in linux/filter.h.
"""

from __future__ import annotations

import ctypes
import os
import struct
from functools import cache
from typing import NamedTuple

# name:number on x86-64:number on aarch64 ("-" where the architecture has no such call)
ALLOWED = """
read:0:63 write:1:64 readv:19:65 writev:20:66 pread64:17:67 pwrite64:18:68 preadv:295:69 pwritev:296:70
preadv2:327:286 pwritev2:328:287 lseek:8:62 sendfile:40:71 copy_file_range:326:285
open:2:- openat:257:56 openat2:437:437 creat:85:- close:3:57 close_range:436:436 dup:32:23 dup2:33:- dup3:292:24
pipe:22:- pipe2:293:59 fcntl:72:25 flock:73:32 fsync:74:82 fdatasync:75:83
stat:4:- fstat:5:80 lstat:6:- newfstatat:262:79 statx:332:291 access:21:- faccessat:269:48 faccessat2:439:439
readlink:89:- readlinkat:267:78 statfs:137:43 fstatfs:138:44 getdents:78:- getdents64:217:61
getxattr:191:8 lgetxattr:192:9 fgetxattr:193:10 listxattr:194:11 llistxattr:195:12 flistxattr:196:13
ftruncate:77:46 truncate:76:45 fallocate:285:47 fadvise64:221:223 readahead:187:213 umask:95:166
getcwd:79:17 chdir:80:49 fchdir:81:50 mkdir:83:- mkdirat:258:34 rmdir:84:- rename:82:- renameat:264:38
renameat2:316:276 unlink:87:- unlinkat:263:35 link:86:- linkat:265:37 symlink:88:- symlinkat:266:36
chmod:90:- fchmod:91:52 fchmodat:268:53 fchmodat2:452:452 utime:132:- utimes:235:- futimesat:261:- utimensat:280:88
mmap:9:222 munmap:11:215 mprotect:10:226 mremap:25:216 madvise:28:233 msync:26:227 mincore:27:232 brk:12:214
membarrier:324:283 rt_sigaction:13:134 rt_sigprocmask:14:135 rt_sigreturn:15:139 rt_sigpending:127:136
rt_sigtimedwait:128:137 rt_sigsuspend:130:133 sigaltstack:131:132 signalfd:282:- signalfd4:289:74
restart_syscall:219:128 kill:62:129 tkill:200:130 tgkill:234:131 alarm:37:- pause:34:- getitimer:36:102
setitimer:38:103 timer_create:222:107 timer_settime:223:110 timer_gettime:224:108 timer_getoverrun:225:109
timer_delete:226:111 poll:7:- ppoll:271:73 select:23:- pselect6:270:72 epoll_create:213:- epoll_create1:291:20
epoll_ctl:233:21 epoll_wait:232:- epoll_pwait:281:22 epoll_pwait2:441:441 eventfd:284:- eventfd2:290:19
timerfd_create:283:85 timerfd_settime:286:86 timerfd_gettime:287:87 nanosleep:35:101 clock_nanosleep:230:115
clock_gettime:228:113 clock_getres:229:114 gettimeofday:96:169 time:201:- times:100:153
getpid:39:172 gettid:186:178 getppid:110:173 getpgrp:111:- getpgid:121:155 setpgid:109:154 getsid:124:156
setsid:112:157 getuid:102:174 geteuid:107:175 getgid:104:176 getegid:108:177 getresuid:118:148 getresgid:120:150
getgroups:115:158 capget:125:90 uname:63:160 sysinfo:99:179 getrlimit:97:163 setrlimit:160:164 getrusage:98:165
getcpu:309:168 getrandom:318:278 getpriority:140:141 setpriority:141:140 sched_yield:24:124
sched_getaffinity:204:123 sched_getparam:143:121 sched_getscheduler:145:120 sched_get_priority_max:146:125
sched_get_priority_min:147:126 fork:57:- vfork:58:- wait4:61:260 waitid:247:95 exit:60:93 exit_group:231:94
set_tid_address:218:96 set_robust_list:273:99 get_robust_list:274:100 futex:202:98 futex_waitv:449:449 rseq:334:293
arch_prctl:158:- bind:49:200 listen:50:201 accept:43:202 accept4:288:242 connect:42:203 getsockname:51:204
getpeername:52:205 sendto:44:206 recvfrom:45:207 sendmsg:46:211 recvmsg:47:212 sendmmsg:307:269 recvmmsg:299:243
shutdown:48:210 getsockopt:55:209
"""
NEWEST = 452  # calls with higher numbers are unknown to the list
CLONE3 = 435  # its flags lie in memory, where no filter sees them; the C library falls back to clone


class Check(NamedTuple):
    """A call that is allowed where ``argument & mask`` is one of ``values`` (its lower 32 bits; the kernel reads no
    more of these)."""

    name: str
    numbers: tuple[int | None, int | None]
    argument: int
    mask: int
    values: tuple[int, ...]


EVERY = 0xFFFFFFFF
NAMESPACES = 0x7E020000  # the CLONE_NEW* flags
CHECKED = (
    Check("clone", (56, 220), 0, NAMESPACES, (0,)),
    Check("socket", (41, 198), 0, EVERY, (1,)),  # AF_UNIX
    Check("socketpair", (53, 199), 0, EVERY, (1,)),
    Check("prlimit64", (302, 261), 0, EVERY, (0,)),  # the calling process alone
    Check("mknod", (133, None), 1, 0o170000, (0o010000,)),  # named pipes
    Check("mknodat", (259, 33), 2, 0o170000, (0o010000,)),
    # is it a terminal, its size; bytes waiting; blocking and close-on-exec flags
    Check("ioctl", (16, 29), 1, EVERY, (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)),
    # PDEATHSIG, GET_DUMPABLE, SET_NAME, GET_NAME, CAPBSET_READ, SET_VMA (names of the C library's memory)
    Check("prctl", (157, 167), 0, EVERY, (1, 3, 15, 16, 23, 0x53564D41)),
)

# (column of the numbers above, AUDIT_ARCH of linux/audit.h)
MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
KILL, ERRNO, ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
EPERM, ENOSYS = 1, 38
LOAD, JUMP_EQUAL, JUMP_AT_LEAST, AND, RETURN = 0x20, 0x15, 0x35, 0x54, 0x06
SET_SECCOMP, MODE_FILTER = 22, 2
Code = list[bytes]


def _op(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("<HBBI", code, yes, no, value)


def numbers(column: int) -> dict[int, Check | None]:
    """Allowed call numbers of one architecture, with the check on an argument where there is one."""
    found: dict[int, Check | None] = {}
    for entry in ALLOWED.split():
        number = entry.split(":")[1 + column]
        if number != "-":
            found[int(number)] = None
    for check in CHECKED:
        checked = check.numbers[column]
        if checked is not None:
            found[checked] = check
    return found


@cache
def program(machine: str) -> bytes | None:
    """The filter as BPF instructions of 8 bytes each, or None for an architecture that has no list."""
    if machine not in MACHINES:
        return None
    column, architecture = MACHINES[machine]
    allowed = numbers(column)
    leaves: list[tuple[int, Code]] = []  # (first call number, what happens from there on)
    for number in range(NEWEST + 2):
        if number > NEWEST or number == CLONE3:
            code = [_op(RETURN, ERRNO | ENOSYS)]
        elif number not in allowed:
            code = [_op(RETURN, ERRNO | EPERM)]
        else:
            check = allowed[number]
            code = _checked(check) if check else [_op(RETURN, ALLOW)]
        if not leaves or leaves[-1][1] != code:
            leaves.append((number, code))
    leaves.append((1 << 30, [_op(RETURN, ERRNO | EPERM)]))  # the x32 calls of x86-64
    head = [_op(LOAD, 4), _op(JUMP_EQUAL, architecture, 1, 0), _op(RETURN, KILL), _op(LOAD, 0)]
    return b"".join(head + _tree(leaves))


def _checked(check: Check) -> Code:
    code = [_op(LOAD, 16 + 8 * check.argument), _op(AND, check.mask)]
    for place, value in enumerate(check.values):
        code.append(_op(JUMP_EQUAL, value, len(check.values) - place, 0))
    return [*code, _op(RETURN, ERRNO | EPERM), _op(RETURN, ALLOW)]


def _tree(leaves: list[tuple[int, Code]]) -> Code:
    """Binary search for the last leaf that begins at or below the call's number."""
    if len(leaves) == 1:
        return leaves[0][1]
    middle = len(leaves) // 2
    below, above = _tree(leaves[:middle]), _tree(leaves[middle:])
    return [_op(JUMP_AT_LEAST, leaves[middle][0], len(below), 0), *below, *above]


def available() -> bool:
    """Whether this kernel filters system calls, and the list knows this architecture."""
    return os.path.exists("/proc/sys/kernel/seccomp/actions_avail") and program(os.uname().machine) is not None


class Filter:
    """The filter, ready to be installed again and again."""

    def __init__(self) -> None:
        body = program(os.uname().machine)
        assert body is not None, "available() is false here"
        self._body = ctypes.create_string_buffer(body, len(body))
        self._head = ctypes.create_string_buffer(
            struct.pack("@HP", len(body) // 8, ctypes.addressof(self._body)), struct.calcsize("@HP")
        )

    def install(self, libc: ctypes.CDLL) -> None:
        """Put it on the calling process and all that it will start. No way leads back. Needs no_new_privs."""
        if libc.prctl(SET_SECCOMP, MODE_FILTER, ctypes.byref(self._head), 0, 0):
            raise OSError(ctypes.get_errno(), f"seccomp: {os.strerror(ctypes.get_errno())}")
