/*
 * The terminal that `memguard run --watch` draws on, beside a child that writes there too.
 * Every function answers like a raw system call: a value, or -errno.
 */
#define _GNU_SOURCE
#include "guard.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>

#include "syscalls.h"

#define STDERR 2
#define MOST 128

static char at_stop[2][MOST]; /* the one that counts is never written to */
static volatile int32_t lengths[2];
static volatile int32_t current;
static volatile int32_t stops;

/* Rows << 16 | columns; 0 where the terminal does not know its size. */
GUARD_API int32_t guard_terminal_size(int32_t fd) {
  struct winsize size;
  long answer = sys3(SYS_ioctl, fd, TIOCGWINSZ, (long)&size);
  if (answer < 0) return (int32_t)answer;
  if (size.ws_row == 0 || size.ws_col == 0) return 0;
  return (size.ws_row & 0x7fff) << 16 | size.ws_col;
}

/* 0: another job is in the foreground of our terminal, and what is written there is its. */
GUARD_API int32_t guard_terminal_is_ours(int32_t fd) {
  int32_t group;
  if (sys3(SYS_ioctl, fd, TIOCGPGRP, (long)&group) < 0) return 1;
  return group == sys1(SYS_getpgid, 0);
}

/* ^Z stops all of the group. The shell gets the terminal in order, and it is counted: what was drawn is gone then. */
static void stop(int signal, siginfo_t *info, void *context) {
  (void)info;
  (void)context;
  __atomic_fetch_add(&stops, 1, __ATOMIC_SEQ_CST);
  int32_t now = current;
  sys3(SYS_write, STDERR, (long)at_stop[now], lengths[now]);
  guard_sigaction(signal, (void *)SIG_DFL, 0);
  sys3(SYS_tgkill, sys0(SYS_getpid), sys0(SYS_gettid), signal); /* stops here, and goes on after SIGCONT */
  guard_sigaction(signal, (void *)stop, SA_NODEFER); /* or the signal above would wait until this returns */
}

/*
 * What to write to stderr before SIGTSTP stops us; nothing if `length` is 0. A signal that is ignored stays so. Answers how
 * often we were stopped so far. Not to be called by two threads at once.
 */
GUARD_API int32_t guard_terminal_at_stop(const char *text, int32_t length) {
  if (length < 0 || length > MOST) return -EINVAL;
  int32_t next = 1 - current;
  for (int32_t i = 0; i < length; i++) at_stop[next][i] = text[i];
  lengths[next] = length;
  current = next;
  struct kernel_sigaction now = {0};
  sys4(SYS_rt_sigaction, SIGTSTP, 0, (long)&now, 8);
  if (now.handler == (void *)SIG_DFL && length > 0) {
    long answer = guard_sigaction(SIGTSTP, (void *)stop, SA_NODEFER);
    if (answer < 0) return (int32_t)answer;
  }
  return stops;
}
