/* Makes one chosen call of this process fail, or kills the process at it, among the calls that change files below a
   folder; or writes all these calls down, with what they wrote. Loaded with LD_PRELOAD; faults_arm() and
   faults_record() are called through ctypes. Only for tests. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static char below[4096];
static size_t length;
static long at, count;
static int error;
static const char *struck = "";
static unsigned char tracked[1 << 16];

void faults_arm(const char *folder, long number, int code) {
  strncpy(below, folder, sizeof below - 1);
  length = strlen(below);
  at = number, error = code, count = 0, struck = "";
}
long faults_count(void) { return count; }
const char *faults_struck(void) { return struck; }

/* ---- the record: a line of fields parted by tabs, then the bytes that were written ---- */
static int record = -1;
void faults_record(const char *file) {
  record = syscall(SYS_openat, AT_FDCWD, file, O_WRONLY | O_CREAT | O_APPEND, 0600);
}
static void note(const char *what, const char *path, const char *other, long place, const void *data, size_t n) {
  char line[9000];
  if (record < 0) return;
  int before = errno;
  int m = snprintf(line, sizeof line, "%s\t%s\t%s\t%ld\t%zu\n", what, path, other, place, n);
  syscall(SYS_write, record, line, m);
  if (n) syscall(SYS_write, record, data, n);
  errno = before;
}
static const char *absolute(int folder, const char *path, char *whole) {
  char name[64], base[4096];
  if (path[0] == '/') return path;
  if (folder == AT_FDCWD) strcpy(name, "/proc/self/cwd");
  else snprintf(name, sizeof name, "/proc/self/fd/%d", folder);
  ssize_t n = readlink(name, base, sizeof base - 1);
  base[n < 0 ? 0 : n] = 0;
  snprintf(whole, 8192, "%s/%s", base, path);
  return whole;
}
static void note_paths(const char *what, int folder, const char *path, const char *other) {
  char one[8192], two[8192];
  if (record >= 0) note(what, absolute(folder, path, one), *other ? absolute(AT_FDCWD, other, two) : "", 0, "", 0);
}
static void note_fd(const char *what, int fd, long place, const void *data, size_t n) {
  char name[64], base[4096];
  if (record < 0) return;
  snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
  ssize_t m = readlink(name, base, sizeof base - 1);
  base[m < 0 ? 0 : m] = 0;
  note(what, base, "", place, data, n);
}

static int ours(int folder, const char *path) {
  char whole[4096];
  if (!length || !path) return 0;
  if (path[0] != '/') {
    char name[64], base[2048];
    if (folder == AT_FDCWD) strcpy(name, "/proc/self/cwd");
    else snprintf(name, sizeof name, "/proc/self/fd/%d", folder);
    ssize_t n = readlink(name, base, sizeof base - 1);
    if (n < 0) return 0;
    base[n] = 0;
    snprintf(whole, sizeof whole, "%s/%s", base, path);
    path = whole;
  }
  return strncmp(path, below, length) == 0 && (path[length] == '/' || !path[length]);
}

/* 1: the caller must fail with errno set */
static int strike(const char *what) {
  if (++count != at) return 0;
  struck = what;
  if (!error) kill(getpid(), SIGKILL);
  errno = error;
  return 1;
}

#define REAL(type, name, ...) \
  static type (*real)(__VA_ARGS__); \
  if (!real) real = dlsym(RTLD_NEXT, name)

static int opened(int fd, int yes) {
  if (fd >= 0 && fd < (int)sizeof tracked) tracked[fd] = yes;
  return fd;
}
static int writes(int flags) { return (flags & O_ACCMODE) != O_RDONLY; }

#define OPEN(function) \
  int function(const char *path, int flags, ...) { \
    REAL(int, #function, const char *, int, ...); \
    va_list list; va_start(list, flags); int mode = va_arg(list, int); va_end(list); \
    int yes = writes(flags) && ours(AT_FDCWD, path); \
    if (yes && strike("open")) return -1; \
    int fd = real(path, flags, mode); \
    if (yes && fd >= 0) note_paths(flags & O_TRUNC ? "empty" : "open", AT_FDCWD, path, ""); \
    return opened(fd, yes); \
  }
#define OPENAT(function) \
  int function(int folder, const char *path, int flags, ...) { \
    REAL(int, #function, int, const char *, int, ...); \
    va_list list; va_start(list, flags); int mode = va_arg(list, int); va_end(list); \
    int yes = writes(flags) && ours(folder, path); \
    if (yes && strike("open")) return -1; \
    int fd = real(folder, path, flags, mode); \
    if (yes && fd >= 0) note_paths(flags & O_TRUNC ? "empty" : "open", folder, path, ""); \
    return opened(fd, yes); \
  }
OPEN(open) OPEN(open64) OPENAT(openat) OPENAT(openat64)

int close(int fd) { REAL(int, "close", int); opened(fd, 0); return real(fd); }

static int held(int fd) {
  if (fd >= 0 && fd < (int)sizeof tracked && tracked[fd]) return 1;
  return 0;
}
ssize_t write(int fd, const void *data, size_t n) {
  REAL(ssize_t, "write", int, const void *, size_t);
  if (held(fd) && strike("write")) return -1;
  ssize_t done = real(fd, data, n);
  if (done > 0 && held(fd)) note_fd("write", fd, lseek(fd, 0, SEEK_CUR) - done, data, done);
  return done;
}
/* a folder is synced through a descriptor that only reads */
static int folder_held(int fd) {
  char name[64], base[4096];
  if (held(fd)) return 1;
  snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(name, base, sizeof base - 1);
  if (n < 0) return 0;
  base[n] = 0;
  return ours(AT_FDCWD, base);
}
#define SYNC(function) \
  int function(int fd) { \
    REAL(int, #function, int); \
    if (folder_held(fd) && strike("fsync")) return -1; \
    if (record >= 0 && folder_held(fd)) note_fd("fsync", fd, 0, "", 0); \
    return real(fd); \
  }
SYNC(fsync) SYNC(fdatasync)

#define TRUNCATE(function) \
  int function(int fd, off_t size) { \
    REAL(int, #function, int, off_t); \
    if (held(fd) && strike("truncate")) return -1; \
    if (held(fd)) note_fd("truncate", fd, size, "", 0); \
    return real(fd, size); \
  }
TRUNCATE(ftruncate) TRUNCATE(ftruncate64)

int rename(const char *from, const char *to) {
  REAL(int, "rename", const char *, const char *);
  if (ours(AT_FDCWD, to) && strike("rename")) return -1;
  if (ours(AT_FDCWD, to)) note_paths("rename", AT_FDCWD, from, to);
  return real(from, to);
}
int link(const char *from, const char *to) {
  REAL(int, "link", const char *, const char *);
  if (ours(AT_FDCWD, to) && strike("link")) return -1;
  if (ours(AT_FDCWD, to)) note_paths("link", AT_FDCWD, from, to);
  return real(from, to);
}
int symlink(const char *from, const char *to) {
  REAL(int, "symlink", const char *, const char *);
  if (ours(AT_FDCWD, to) && strike("symlink")) return -1;
  char whole[8192];
  if (ours(AT_FDCWD, to) && record >= 0) note("symlink", absolute(AT_FDCWD, to, whole), from, 0, "", 0);
  return real(from, to);
}
int unlink(const char *path) {
  REAL(int, "unlink", const char *);
  if (ours(AT_FDCWD, path) && strike("unlink")) return -1;
  if (ours(AT_FDCWD, path)) note_paths("unlink", AT_FDCWD, path, "");
  return real(path);
}
int unlinkat(int folder, const char *path, int flags) {
  REAL(int, "unlinkat", int, const char *, int);
  if (ours(folder, path) && strike("unlink")) return -1;
  if (ours(folder, path)) note_paths("unlink", folder, path, "");
  return real(folder, path, flags);
}
int rmdir(const char *path) {
  REAL(int, "rmdir", const char *);
  if (ours(AT_FDCWD, path) && strike("rmdir")) return -1;
  if (ours(AT_FDCWD, path)) note_paths("rmdir", AT_FDCWD, path, "");
  return real(path);
}
int mkdir(const char *path, mode_t mode) {
  REAL(int, "mkdir", const char *, mode_t);
  if (ours(AT_FDCWD, path) && strike("mkdir")) return -1;
  if (ours(AT_FDCWD, path)) note_paths("mkdir", AT_FDCWD, path, "");
  return real(path, mode);
}
