/*
 * guard_spawn: start one child with its limits already in force.
 *
 * clone(CLONE_VM | CLONE_VFORK | CLONE_PIDFD) runs the child in the JVM's own memory, on a stack of its own, until it
 * execs; nothing is copied, so the cost does not depend on the size of the heap. All signals are blocked meanwhile, and
 * the child makes raw system calls only: no libc state of the JVM's can be half-changed by it.
 *
 * CLONE_FILES is part of it as well: the child shares the descriptor table and leaves it with
 * close_range(n, ~0, CLOSE_RANGE_UNSHARE), which copies n entries however many are open. As long as its pipe ends are among
 * the first few, they are copied too; else it takes three, and opens the pipe ends again through /proc/<jvm>/fd. Where
 * that is impossible (Linux < 5.9, a process that is not dumpable) the whole table is copied, as fork does.
 *
 * A failing step is written as {step, errno} into memory shared with the parent; silence means that exec succeeded.
 */
#define _GNU_SOURCE
#include "guard.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "syscalls.h"

#define FEW_FILES 96 /* to copy and close so many costs about as much as to open three pipe ends */
#define CHILD_STACK (16 * 1024) /* a third of it is used, most of that for a path */
#define PROC_FD_PATH 40
#define PEAK_SLACK_KIB 4096
#define SIGNAL_SET_BYTES 8
#define LAST_SIGNAL 64

struct launch {
  const struct guard_request *request;
  const struct guard_rlimit *limits;
  const char *directory;
  const char *path; /* the parent's PATH: the JDK searches it, not the child's */
  const char *files[3];
  const char *cgroup;
  char **argv; /* a free place in front of it, for "/bin/sh script" */
  char **envp;
  long parent;
  int copy_files;    /* from the clone on */
  int has_pipe_ends; /* and everything else that was copied with them */
  int in_cgroup;    /* clone3 has put it there */
  int pipe_end[3]; /* the child's ends, as numbered in the parent */
  char pipe_path[3][PROC_FD_PATH];
  struct guard_result *result;
};

/* Set once the descriptor table had to be copied on this machine; then every launch copies it. */
static volatile int must_copy_files;

static size_t length(const char *s) {
  size_t n = 0;
  while (s[n] != '\0') n++;
  return n;
}

static char *append(char *to, const char *from) {
  while (*from != '\0') *to++ = *from++;
  *to = '\0';
  return to;
}

static char *append_number(char *to, long number) {
  char digits[20];
  int n = 0;
  do {
    digits[n++] = (char)('0' + number % 10);
    number /= 10;
  } while (number > 0);
  while (n > 0) *to++ = digits[--n];
  *to = '\0';
  return to;
}

_Noreturn static void fail(const struct launch *l, enum guard_step step, long error) {
  l->result->step = (int32_t)step;
  l->result->error = (int32_t)-error;
  for (;;) sys1(SYS_exit_group, 127);
}

static long check(const struct launch *l, enum guard_step step, long answer) {
  if (answer < 0) fail(l, step, answer);
  return answer;
}

/*
 * Where clone3 could not put the child into its cgroup, it joins by itself, before exec: its memory is still the JVM's then, and
 * all that it gets afterwards is charged to the cgroup it is in.
 */
static void join_cgroup(const struct launch *l) {
  char path[PATH_MAX];
  if (*l->cgroup == '\0' || l->in_cgroup) return;
  long fd = -ENAMETOOLONG;
  if (length(l->cgroup) + sizeof "/cgroup.procs" <= sizeof path) {
    append(append(path, l->cgroup), "/cgroup.procs");
    fd = sys4(SYS_openat, AT_FDCWD, (long)path, O_WRONLY | O_CLOEXEC, 0);
  }
  long answer = fd;
  if (fd >= 0) {
    answer = sys3(SYS_write, fd, (long)"0", 1);
    sys1(SYS_close, fd);
  }
  if (answer < 0 && (l->request->flags & GUARD_REQUIRE_CGROUP)) fail(l, GUARD_STEP_CGROUP, answer);
  l->result->cgroup_error = answer < 0 ? (int32_t)-answer : 0;
}

/*
 * Until it execs, the child holds all of the JVM's memory, with every signal blocked, and opening a FIFO can keep it for ever:
 * so far it always dies with the JVM. Afterwards only if asked to. The signal follows the *thread* that cloned: for a child
 * that is to die with its parent, the caller uses one that outlives it.
 */
static void die_with_parent(const struct launch *l) {
  check(l, GUARD_STEP_PDEATHSIG, sys5(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0));
  if (sys0(SYS_getppid) != l->parent) fail(l, GUARD_STEP_PDEATHSIG, -ESRCH); /* it died before the prctl */
}

static void outlive_parent(const struct launch *l) {
  if (l->request->flags & GUARD_DIE_WITH_PARENT) return;
  check(l, GUARD_STEP_PDEATHSIG, sys5(SYS_prctl, PR_SET_PDEATHSIG, 0, 0, 0, 0));
}

/*
 * Every disposition back to default, before any signal is let in: a handler of the JVM's must never run in here.
 * SIGHUP alone stays ignored where the JVM ignores it: that is nohup(1)'s promise to everything below it.
 */
static void default_signals(void) {
  struct kernel_sigaction now = {0};
  const struct kernel_sigaction initial = {0};
  sys4(SYS_rt_sigaction, SIGHUP, 0, (long)&now, SIGNAL_SET_BYTES);
  for (long signal = 1; signal <= LAST_SIGNAL; signal++) {
    if (signal == SIGKILL || signal == SIGSTOP) continue;
    if (signal == SIGHUP && now.handler == (void *)SIG_IGN) continue;
    sys4(SYS_rt_sigaction, signal, (long)&initial, 0, SIGNAL_SET_BYTES);
  }
}

static void own_group(const struct launch *l) {
  if (l->request->flags & GUARD_NEW_SESSION) {
    check(l, GUARD_STEP_SETSID, sys0(SYS_setsid));
  } else if (l->request->flags & GUARD_NEW_PROCESS_GROUP) {
    check(l, GUARD_STEP_SETPGID, sys2(SYS_setpgid, 0, 0));
  }
}

/* For a copied table where close_range is missing (Linux < 5.9). */
static void close_each_from_3(const struct launch *l) {
  struct {
    uint64_t inode;
    int64_t offset;
    uint16_t bytes;
    uint8_t type;
    char name[];
  } *entry;
  char block[1024] __attribute__((aligned(8)));
  long dir = check(l, GUARD_STEP_CLOSE_FILES,
                   sys4(SYS_openat, AT_FDCWD, (long)"/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0));
  for (;;) {
    long closed = 0;
    long bytes = check(l, GUARD_STEP_CLOSE_FILES, sys3(SYS_getdents64, dir, (long)block, sizeof block));
    if (bytes == 0) break;
    for (long at = 0; at < bytes; at += entry->bytes) {
      entry = (void *)(block + at);
      long fd = 0;
      if (entry->name[0] == '.') continue;
      for (const char *c = entry->name; *c != '\0'; c++) fd = fd * 10 + (*c - '0');
      if (fd < 3 || fd == dir) continue;
      sys1(SYS_close, fd);
      closed++;
    }
    /* Closing while listing can skip entries: begin again until nothing is left to close. */
    if (closed > 0) check(l, GUARD_STEP_CLOSE_FILES, sys3(SYS_lseek, dir, 0, SEEK_SET));
  }
  sys1(SYS_close, dir);
}

static void leave_shared_files(struct launch *l) {
  int files = 3;
  l->has_pipe_ends = 1;
  if (l->copy_files) return;
  for (int i = 0; i < 3; i++) {
    if (l->pipe_end[i] >= files) files = l->pipe_end[i] + 1;
  }
  if (files > FEW_FILES) files = 3;
  l->has_pipe_ends = files > 3;
  check(l, GUARD_STEP_UNSHARE_FILES, sys3(SYS_close_range, files, ~0U, CLOSE_RANGE_UNSHARE));
}

static long open_file(const struct launch *l, int stream) {
  const struct guard_stream *s = &l->request->streams[stream];
  if (s->kind == GUARD_STREAM_PIPE) {
    if (l->has_pipe_ends) return l->pipe_end[stream];
    long mode = stream == 0 ? O_RDONLY : O_WRONLY;
    return check(l, GUARD_STEP_REOPEN_PIPE,
                 sys4(SYS_openat, AT_FDCWD, (long)l->pipe_path[stream], mode | O_CLOEXEC, 0));
  }
  return check(l, (enum guard_step)(GUARD_STEP_OPEN_STDIN + stream),
               sys4(SYS_openat, AT_FDCWD, (long)l->files[stream], s->open_flags | O_CLOEXEC, 0666));
}

/* Opens all sources first and moves them out of 0..2, so that none is overwritten before it was used. */
static void connect_streams(const struct launch *l) {
  long source[3];
  int both = (l->request->flags & GUARD_REDIRECT_ERROR_STREAM) != 0;
  for (int i = 0; i < 3; i++) {
    source[i] = i;
    if (l->request->streams[i].kind == GUARD_STREAM_INHERIT || (i == 2 && both)) continue;
    source[i] = open_file(l, i);
    if (source[i] < 3) {
      source[i] = check(l, GUARD_STEP_DUP, sys3(SYS_fcntl, source[i], F_DUPFD_CLOEXEC, 3));
    }
  }
  for (int i = 0; i < 3; i++) {
    if (source[i] != i) check(l, GUARD_STEP_DUP, sys3(SYS_dup3, source[i], i, 0));
  }
  if (both) check(l, GUARD_STEP_DUP, sys3(SYS_dup3, 1, 2, 0));
  if (l->has_pipe_ends && sys3(SYS_close_range, 3, ~0U, 0) < 0) close_each_from_3(l);
}

static long write_oom_score_adj(long adj) {
  char text[8];
  char *end = text;
  if (adj < 0) *end++ = '-';
  end = append_number(end, adj < 0 ? -adj : adj);
  long fd = sys4(SYS_openat, AT_FDCWD, (long)"/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC, 0);
  if (fd < 0) return fd;
  long written = sys3(SYS_write, fd, (long)text, end - text);
  sys1(SYS_close, fd);
  return written < 0 ? written : 0;
}

static void make_killable(const struct launch *l) {
  if ((l->request->flags & GUARD_SET_OOM_SCORE_ADJ) == 0) return;
  long answer = write_oom_score_adj(l->request->oom_score_adj);
  if (answer < 0 && (l->request->flags & GUARD_REQUIRE_OOM_SCORE_ADJ)) fail(l, GUARD_STEP_OOM_SCORE_ADJ, answer);
  l->result->oom_score_adj_error = (int32_t)-answer;
}

static void set_limits(const struct launch *l) {
  for (uint32_t i = 0; i < l->request->limit_count; i++) {
    const struct guard_rlimit *limit = &l->limits[i];
    const struct rlimit64 value = {.rlim_cur = limit->soft, .rlim_max = limit->hard};
    long answer = sys4(SYS_prlimit64, 0, (long)limit->resource, (long)&value, 0);
    if (answer == 0) continue;
    if (limit->required) fail(l, (enum guard_step)(GUARD_STEP_RLIMIT + limit->resource), answer);
    l->result->limit_error[i] = (int32_t)-answer;
  }
}

/* A file without a #! line is a shell script: ENOEXEC falls back to /bin/sh, as execvp and the JDK do. */
static long execute_file(const struct launch *l, const char *file) {
  long answer = sys3(SYS_execve, (long)file, (long)l->argv, (long)l->envp);
  if (answer != -ENOEXEC) return answer;
  char **shell = l->argv - 1;
  char *program = shell[1];
  shell[0] = (char *)(uintptr_t)"/bin/sh";
  shell[1] = (char *)(uintptr_t)file;
  answer = sys3(SYS_execve, (long)shell[0], (long)shell, (long)l->envp);
  shell[1] = program;
  return answer;
}

static int holds_slash(const char *s) {
  for (; *s != '\0'; s++) {
    if (*s == '/') return 1;
  }
  return 0;
}

/* The JDK's search: EACCES is remembered while the other directories are tried; anything odd ends it. */
static long execute(const struct launch *l) {
  const char *file = l->argv[0];
  char candidate[PATH_MAX];
  long answer = -ENOENT;
  int refused = 0;
  if (*file == '\0') return -ENOENT;
  if (holds_slash(file)) return execute_file(l, file);
  for (const char *dir = l->path; dir != 0;) {
    const char *end = dir;
    while (*end != '\0' && *end != ':') end++;
    size_t bytes = (size_t)(end - dir);
    if (bytes + length(file) + 3 > sizeof candidate) {
      answer = -ENAMETOOLONG;
    } else {
      char *at = candidate;
      if (bytes == 0) *at++ = '.'; /* an empty element is the working directory */
      for (const char *c = dir; c < end; c++) *at++ = *c;
      if (at[-1] != '/') *at++ = '/';
      append(at, file);
      answer = execute_file(l, candidate);
      if (answer == -EACCES) refused = 1;
      else if (answer != -ENOENT && answer != -ENOTDIR && answer != -ELOOP && answer != -ESTALE &&
               answer != -ENODEV && answer != -ETIMEDOUT)
        return answer;
    }
    dir = *end == ':' ? end + 1 : 0;
  }
  return refused ? -EACCES : answer;
}

static void child(struct launch *l) {
  const uint64_t none = 0;
  die_with_parent(l);
  default_signals();
  own_group(l);
  leave_shared_files(l);
  join_cgroup(l);
  connect_streams(l);
  make_killable(l);
  if (*l->directory != '\0') check(l, GUARD_STEP_CHDIR, sys1(SYS_chdir, (long)l->directory));
  set_limits(l);
  outlive_parent(l);
  check(l, GUARD_STEP_SIGMASK, sys4(SYS_rt_sigprocmask, SIG_SETMASK, (long)&none, 0, SIGNAL_SET_BYTES));
  fail(l, GUARD_STEP_EXEC, execute(l));
}

/*
 * clone or clone3 on another stack, where the child calls `child` and never returns. The parent waits until it has exec'd.
 */
static long clone_by(long number, long first, long second, long third, struct launch *l) {
#if defined(__x86_64__)
  long ret;
  register long no_tid __asm__("r10") = 0;
  register long no_tls __asm__("r8") = 0;
  register void (*entry)(struct launch *) __asm__("r12") = child;
  register struct launch *argument __asm__("r13") = l;
  __asm__ volatile(
      "syscall\n\t"
      "test %%rax, %%rax\n\t"
      "jnz 1f\n\t"
      "xor %%ebp, %%ebp\n\t"
      "mov %%r13, %%rdi\n\t"
      "call *%%r12\n\t"
      "hlt\n"
      "1:"
      : "=a"(ret)
      : "a"(number), "D"(first), "S"(second), "d"(third), "r"(no_tid), "r"(no_tls), "r"(entry), "r"(argument)
      : "rcx", "r11", "memory");
  return ret;
#else
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = first;
  register long x1 __asm__("x1") = second;
  register long x2 __asm__("x2") = third;
  register long x3 __asm__("x3") = 0;
  register long x4 __asm__("x4") = 0;
  register void (*entry)(struct launch *) __asm__("x19") = child;
  register struct launch *argument __asm__("x20") = l;
  __asm__ volatile(
      "svc 0\n\t"
      "cbnz x0, 1f\n\t"
      "mov x29, xzr\n\t"
      "mov x0, x20\n\t"
      "blr x19\n\t"
      "brk 1\n"
      "1:"
      : "+r"(x0)
      : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(entry), "r"(argument)
      : "x30", "memory");
  return x0;
#endif
}

/* Straight into the cgroup (Linux 5.7); a seccomp profile may answer ENOSYS or EPERM, and cgroup v1 EBADF: the child joins then. */
static long clone_into_cgroup(unsigned long flags, char *stack, int *pidfd, struct launch *l) {
  long directory = sys4(SYS_openat, AT_FDCWD, (long)l->cgroup, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
  if (directory < 0) return directory;
  struct clone_args arguments = {
      .flags = flags | CLONE_INTO_CGROUP,
      .pidfd = (uintptr_t)pidfd,
      .exit_signal = SIGCHLD,
      .stack = (uintptr_t)stack,
      .stack_size = CHILD_STACK,
      .cgroup = (uint64_t)directory,
  };
  l->in_cgroup = 1;
  long pid = clone_by(SYS_clone3, (long)&arguments, sizeof arguments, 0, l);
  if (pid < 0) l->in_cgroup = 0;
  sys1(SYS_close, directory);
  return pid;
}

static long clone_child(unsigned long flags, char *stack, int *pidfd, struct launch *l) {
  long pid = -ENOSYS;
  l->in_cgroup = 0;
  if (*l->cgroup != '\0') pid = clone_into_cgroup(flags, stack, pidfd, l);
  if (pid < 0) pid = clone_by(SYS_clone, (long)(flags | SIGCHLD), (long)(stack + CHILD_STACK), (long)pidfd, l);
  return pid;
}

static void close_fd(int *fd) {
  if (*fd >= 0) sys1(SYS_close, *fd);
  *fd = -1;
}

static void close_all(int fds[3]) {
  for (int i = 0; i < 3; i++) close_fd(&fds[i]);
}

/* The parent's ends do not block: they are read by an event loop. The child's ends are ordinary. */
static long open_pipes(struct launch *l, int parent_end[3]) {
  int both = (l->request->flags & GUARD_REDIRECT_ERROR_STREAM) != 0;
  for (int i = 0; i < 3; i++) {
    int ends[2];
    if (l->request->streams[i].kind != GUARD_STREAM_PIPE || (i == 2 && both)) continue;
    long answer = sys2(SYS_pipe2, (long)ends, O_CLOEXEC);
    if (answer < 0) return answer;
    parent_end[i] = ends[i == 0];
    l->pipe_end[i] = ends[i != 0];
    sys3(SYS_fcntl, parent_end[i], F_SETFL, O_NONBLOCK);
    char *at = append(l->pipe_path[i], "/proc/");
    at = append_number(at, l->request->proc_pid);
    append_number(append(at, "/fd/"), l->pipe_end[i]);
  }
  return 0;
}

static long clone_once(struct launch *l, char *stack, int *pidfd) {
  const uint64_t all = ~UINT64_C(0);
  uint64_t before;
  unsigned long flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD;
  l->copy_files = must_copy_files;
  if (!l->copy_files) flags |= CLONE_FILES;
  l->result->step = GUARD_STEP_NONE;
  sys4(SYS_rt_sigprocmask, SIG_SETMASK, (long)&all, (long)&before, SIGNAL_SET_BYTES);
  long pid = clone_child(flags, stack, pidfd, l);
  sys4(SYS_rt_sigprocmask, SIG_SETMASK, (long)&before, 0, SIGNAL_SET_BYTES);
  if (pid > 0 && l->result->step != GUARD_STEP_NONE) {
    siginfo_t ignored;
    while (sys5(SYS_waitid, P_PID, pid, (long)&ignored, WEXITED | __WALL, 0) == -EINTR) {}
    close_fd(pidfd);
  }
  return pid;
}

/* For reasons that stay: no descriptor being left at this moment is none. */
static int table_cannot_be_left(const struct guard_result *r) {
  return (r->step == GUARD_STEP_UNSHARE_FILES || r->step == GUARD_STEP_REOPEN_PIPE) &&
         (r->error == ENOSYS || r->error == EINVAL || r->error == EPERM || r->error == EACCES || r->error == ENOENT);
}

/*
 * Asked after exec: until then the JVM's other threads go on growing what the child inherits as its peak. The kernel
 * notes that a moment after it lets the JVM go on, and from counters that are batched for each CPU: hence the slack.
 */
static int64_t own_peak_rss_kib(void) {
  struct rusage own = {0};
  sys2(SYS_getrusage, RUSAGE_SELF, (long)&own);
  return own.ru_maxrss;
}

static void clone_guarded(struct launch *l, char *stack) {
  struct guard_result *result = l->result;
  int pidfd = -1;
  long pid = clone_once(l, stack, &pidfd);
  if (pid > 0 && !l->copy_files && table_cannot_be_left(result)) {
    must_copy_files = 1;
    pid = clone_once(l, stack, &pidfd);
  }
  if (pid < 0) {
    result->step = GUARD_STEP_CLONE;
    result->error = (int32_t)-pid;
  } else if (result->step == GUARD_STEP_NONE) {
    result->pid = (int32_t)pid;
    result->pidfd = pidfd;
    result->parent_peak_rss_kib = own_peak_rss_kib() + PEAK_SLACK_KIB;
  }
}

/* Cuts the strings of the request apart into the arrays that execve wants. */
static void lay_out(struct launch *l, char **arrays) {
  const struct guard_request *r = l->request;
  l->limits = (const struct guard_rlimit *)(r + 1);
  const char *at = (const char *)(arrays + r->arg_count + r->env_count + 3);
  const char **fixed[] = {&l->directory, &l->path, &l->files[0], &l->files[1], &l->files[2], &l->cgroup};
  for (unsigned i = 0; i < sizeof fixed / sizeof *fixed; i++) {
    *fixed[i] = at;
    at += length(at) + 1;
  }
  l->argv = arrays + 1;
  l->envp = l->argv + r->arg_count + 1;
  for (uint32_t i = 0; i < r->arg_count + r->env_count; i++) {
    char **slot = i < r->arg_count ? &l->argv[i] : &l->envp[i - r->arg_count];
    *slot = (char *)(uintptr_t)at;
    at += length(at) + 1;
  }
  l->argv[r->arg_count] = 0;
  l->envp[r->env_count] = 0;
}

/* The child's stack is part of this frame, as vfork's is: the thread stands still, and the JVM keeps 80 KiB free for it. */
GUARD_API int32_t guard_spawn(struct guard_request *request, struct guard_result *result) {
  struct launch l = {.request = request, .result = result, .pipe_end = {-1, -1, -1}};
  int parent_end[3] = {-1, -1, -1};
  char child_stack[CHILD_STACK] __attribute__((aligned(16)));
  *result = (struct guard_result){.pid = -1, .pidfd = -1, .stream = {-1, -1, -1}};
  l.parent = sys0(SYS_getpid);
  lay_out(&l, (char **)((struct guard_rlimit *)(request + 1) + request->limit_count));
  long answer = open_pipes(&l, parent_end);
  if (answer < 0) {
    result->step = GUARD_STEP_PIPE;
    result->error = (int32_t)-answer;
  } else {
    clone_guarded(&l, child_stack);
  }
  close_all(l.pipe_end);
  if (result->step != GUARD_STEP_NONE) close_all(parent_end);
  for (int i = 0; i < 3; i++) result->stream[i] = parent_end[i];
  return result->step;
}

/* What clone3 answers to nothing at all: -EINVAL where it can be called, and no process is made. */
GUARD_API int32_t guard_clone3(void) { return (int32_t)sys2(SYS_clone3, 0, 0); }
