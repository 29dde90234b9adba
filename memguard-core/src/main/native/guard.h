/*
 * What Java and the native code say to each other. Java's twins: LaunchRequest, Linux and LaunchStep.
 * A request is this header, then limit_count limits, then room for arg_count + env_count + 3 pointers, then NUL-terminated
 * strings: directory ("" to keep the parent's), PATH, the files of stdin, stdout and stderr ("" where unused), the
 * cgroup's directory ("" to stay in the parent's), the arguments, the environment as NAME=VALUE.
 */
#ifndef MEMGUARD_GUARD_H
#define MEMGUARD_GUARD_H

#include <stddef.h>
#include <stdint.h>

/* The kernel's struct sigaction: libc's differs from it. */
struct kernel_sigaction {
  void *handler;
  unsigned long flags;
  void *restorer;
  uint64_t mask;
};

/* Has a function called for a signal, with SA_SIGINFO, SA_RESTART, SA_ONSTACK and those flags; answers like rt_sigaction(2). */
long guard_sigaction(int signal, void *handler, unsigned long flags);

#define GUARD_API __attribute__((visibility("default")))
#define GUARD_MAX_LIMITS 16

enum guard_flag {
  GUARD_REDIRECT_ERROR_STREAM = 1,
  GUARD_NEW_PROCESS_GROUP = 2,
  GUARD_NEW_SESSION = 4,
  GUARD_DIE_WITH_PARENT = 8,
  GUARD_SET_OOM_SCORE_ADJ = 16,
  GUARD_REQUIRE_OOM_SCORE_ADJ = 32,
  GUARD_REQUIRE_CGROUP = 64,
};

enum guard_stream_kind { GUARD_STREAM_INHERIT = 0, GUARD_STREAM_PIPE = 1, GUARD_STREAM_FILE = 2 };

/* The steps in the order in which they are taken; GUARD_STEP_RLIMIT + resource names the limit. */
enum guard_step {
  GUARD_STEP_NONE = 0,
  GUARD_STEP_PIPE = 1,
  GUARD_STEP_CLONE = 2,
  GUARD_STEP_PDEATHSIG = 3,
  GUARD_STEP_SETSID = 4,
  GUARD_STEP_SETPGID = 5,
  GUARD_STEP_UNSHARE_FILES = 6,
  GUARD_STEP_REOPEN_PIPE = 7,
  GUARD_STEP_OPEN_STDIN = 8,
  GUARD_STEP_OPEN_STDOUT = 9,
  GUARD_STEP_OPEN_STDERR = 10,
  GUARD_STEP_DUP = 11,
  GUARD_STEP_CLOSE_FILES = 12,
  GUARD_STEP_OOM_SCORE_ADJ = 13,
  GUARD_STEP_CHDIR = 14,
  GUARD_STEP_SIGMASK = 15,
  GUARD_STEP_EXEC = 16,
  GUARD_STEP_CGROUP = 18, /* 17 is Java's */
  GUARD_STEP_RLIMIT = 32,
};

struct guard_stream {
  uint32_t kind;
  int32_t open_flags;
};

struct guard_rlimit {
  uint32_t resource;
  uint32_t required; /* 0: a refusal is reported in limit_error, and the child is started all the same */
  uint64_t soft;
  uint64_t hard;
};

struct guard_request {
  uint32_t flags;
  int32_t oom_score_adj;
  int32_t proc_pid; /* this process as its /proc names it */
  uint32_t limit_count;
  uint32_t arg_count;
  uint32_t env_count;
  struct guard_stream streams[3];
};

struct guard_result {
  int32_t step; /* GUARD_STEP_NONE: the child runs */
  int32_t error;
  int32_t pid;
  int32_t pidfd;
  int32_t stream[3]; /* the parent's ends of stdin, stdout, stderr; -1 where there is no pipe */
  int32_t oom_score_adj_error;
  int32_t cgroup_error;
  int32_t reserved;
  int64_t parent_peak_rss_kib; /* ru_maxrss of the child starts from this: see guard_reap */
  int32_t limit_error[GUARD_MAX_LIMITS];
};

struct guard_exit {
  int32_t code; /* CLD_EXITED, CLD_KILLED or CLD_DUMPED */
  int32_t status;
  int64_t user_micros;
  int64_t system_micros;
  int64_t peak_rss_kib;
};

/* A file that a process holds open for writing. */
struct guard_held_file {
  uint32_t major;
  uint32_t minor;
  uint64_t inode;
  int64_t bytes; /* of memory or disk: what is a hole takes none */
  int64_t birth; /* in seconds since 1970; 0 where the file system does not tell */
  int64_t earliest; /* of its other times: it was not made later */
  int32_t memfd; /* 1: it is memfd_create(2)'s, and not of huge pages */
  uint32_t links; /* 0: it has no name */
};

struct guard_event {
  int64_t key;
  int32_t events;
  int32_t reserved;
};

#endif
