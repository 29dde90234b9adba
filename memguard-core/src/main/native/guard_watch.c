/*
 * What the event loop asks of the kernel: wait for events, reap exactly the child that ended, read and write its pipes.
 * Every function answers like a raw system call: a value, or -errno.
 */
#define _GNU_SOURCE
#include "guard.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "syscalls.h"

#define MAX_EVENTS 64
#define KERNELS_LOG ((1 << 8) | 11) /* the kernel's Documentation/admin-guide/devices.txt: 1, 11 is /dev/kmsg */

GUARD_API int32_t guard_epoll_create(void) { return (int32_t)sys1(SYS_epoll_create1, EPOLL_CLOEXEC); }

GUARD_API int32_t guard_eventfd(void) { return (int32_t)sys2(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK); }

GUARD_API int32_t guard_epoll_ctl(int32_t epoll, int32_t operation, int32_t fd, int32_t events, int64_t key) {
  struct epoll_event event = {.events = (uint32_t)events, .data.u64 = (uint64_t)key};
  return (int32_t)sys4(SYS_epoll_ctl, epoll, operation, fd, (long)&event);
}

/* Waits up to `millis` (-1: for ever); an interrupted wait is an empty one. */
GUARD_API int32_t guard_epoll_wait(int32_t epoll, struct guard_event *out, int32_t capacity, int32_t millis) {
  struct epoll_event events[MAX_EVENTS];
  long wanted = capacity < MAX_EVENTS ? capacity : MAX_EVENTS;
  long count = sys6(SYS_epoll_pwait, epoll, (long)events, wanted, millis, 0, 0);
  if (count == -EINTR) return 0;
  for (long i = 0; i < count; i++) {
    out[i] = (struct guard_event){.key = (int64_t)events[i].data.u64, .events = (int32_t)events[i].events};
  }
  return (int32_t)count;
}

/*
 * Reaps the one child behind the pidfd, without waiting. 1: reaped, and no longer watched; 0: it has not ended.
 *
 * ru_maxrss is not all the child's: exec folds the peak of the memory it leaves, here the JVM's, into it (the kernel's
 * exec_mmap). Only a value above the JVM's own peak at launch says something about the child.
 */
GUARD_API int32_t guard_reap(int32_t epoll, int32_t pidfd, struct guard_exit *out) {
  siginfo_t info = {0};
  struct rusage usage = {0};
  long answer = sys5(SYS_waitid, P_PIDFD, pidfd, (long)&info, WEXITED | WNOHANG | __WALL, (long)&usage);
  if (answer == 0 && info.si_pid == 0) return 0;
  guard_epoll_ctl(epoll, EPOLL_CTL_DEL, pidfd, 0, 0);
  if (answer < 0) return (int32_t)answer;
  *out = (struct guard_exit){
      .code = info.si_code,
      .status = info.si_status,
      .user_micros = usage.ru_utime.tv_sec * INT64_C(1000000) + usage.ru_utime.tv_usec,
      .system_micros = usage.ru_stime.tv_sec * INT64_C(1000000) + usage.ru_stime.tv_usec,
      .peak_rss_kib = usage.ru_maxrss,
  };
  return 1;
}

/* Ends and reaps a child that cannot be watched; waits for it. */
GUARD_API void guard_abandon(int32_t pidfd) {
  siginfo_t info;
  sys4(SYS_pidfd_send_signal, pidfd, SIGKILL, 0, 0);
  while (sys5(SYS_waitid, P_PIDFD, pidfd, (long)&info, WEXITED | __WALL, 0) == -EINTR) {}
}

GUARD_API int32_t guard_read(int32_t fd, void *to, int32_t bytes) {
  return (int32_t)sys3(SYS_read, fd, (long)to, bytes);
}

/* A pipe nobody reads answers EPIPE; the SIGPIPE that comes with it is the calling thread's, and the JVM handles it. */
GUARD_API int32_t guard_write(int32_t fd, const void *from, int32_t bytes) {
  return (int32_t)sys3(SYS_write, fd, (long)from, bytes);
}

GUARD_API int32_t guard_available(int32_t fd) {
  int32_t bytes = 0;
  long answer = sys3(SYS_ioctl, fd, FIONREAD, (long)&bytes);
  return answer < 0 ? (int32_t)answer : bytes;
}

/*
 * Opens the kernel's log so that reads never wait and begin with what is written from now on. Containers may have another
 * file in its place, even the console, of which nothing may be read: that is ENODEV.
 */
GUARD_API int32_t guard_open_log(const char *file) {
  long fd = sys4(SYS_openat, AT_FDCWD, (long)file, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0);
  if (fd < 0) return (int32_t)fd;
  struct stat status = {0};
  long answer = sys2(SYS_fstat, fd, (long)&status);
  if (answer == 0 && !(S_ISCHR(status.st_mode) && status.st_rdev == KERNELS_LOG)) answer = -ENODEV;
  if (answer == 0) answer = sys3(SYS_lseek, fd, 0, SEEK_END);
  if (answer < 0) sys1(SYS_close, fd);
  return (int32_t)(answer < 0 ? answer : fd);
}

/* Opens a file of the kernel's that can be polled; a write to it asks for something, a read never waits. */
GUARD_API int32_t guard_open(const char *file, int32_t writable) {
  long flags = (writable ? O_RDWR : O_RDONLY) | O_NONBLOCK | O_CLOEXEC;
  return (int32_t)sys4(SYS_openat, AT_FDCWD, (long)file, flags, 0);
}

GUARD_API int32_t guard_inotify(void) { return (int32_t)sys1(SYS_inotify_init1, IN_NONBLOCK | IN_CLOEXEC); }

/* Has a file's changes reported; answers what names it in the events. */
GUARD_API int32_t guard_inotify_add(int32_t inotify, const char *file) {
  return (int32_t)sys3(SYS_inotify_add_watch, inotify, (long)file, IN_MODIFY);
}

GUARD_API int32_t guard_inotify_remove(int32_t inotify, int32_t watch) {
  return (int32_t)sys2(SYS_inotify_rm_watch, inotify, watch);
}

GUARD_API int32_t guard_close(int32_t fd) { return (int32_t)sys1(SYS_close, fd); }

GUARD_API int32_t guard_pidfd_open(int32_t pid) { return (int32_t)sys2(SYS_pidfd_open, pid, 0); }

GUARD_API int32_t guard_pidfd_signal(int32_t pidfd, int32_t signal) {
  return (int32_t)sys4(SYS_pidfd_send_signal, pidfd, signal, 0, 0);
}

/* Whether the child behind the pidfd has ended, and waits to be reaped or has just been (ECHILD). */
GUARD_API int32_t guard_has_ended(int32_t pidfd) {
  siginfo_t info = {0};
  long answer = sys5(SYS_waitid, P_PIDFD, pidfd, (long)&info, WEXITED | WNOHANG | WNOWAIT | __WALL, 0);
  return answer == -ECHILD || (answer == 0 && info.si_pid != 0);
}

/*
 * Waits on the calling thread, and not through epoll, until the child behind the pidfd has ended, or the time is over, or
 * a signal came. If it has ended it is no longer watched: epoll would report that it is reaped (EPOLLHUP), asked or not.
 */
GUARD_API void guard_await(int32_t epoll, int32_t pidfd, int64_t nanos, int64_t key) {
  struct pollfd child = {.fd = pidfd, .events = POLLIN};
  struct timespec time = {.tv_sec = nanos / 1000000000, .tv_nsec = nanos % 1000000000};
  guard_epoll_ctl(epoll, EPOLL_CTL_MOD, pidfd, 0, key);
  if (sys5(SYS_ppoll, (long)&child, 1, (long)&time, 0, 0) > 0 && guard_has_ended(pidfd)) {
    guard_epoll_ctl(epoll, EPOLL_CTL_DEL, pidfd, 0, 0);
  }
}

/* The pid of a child that has ended and is not reaped yet, whoever's it is; 0 for none. It stays unreaped. */
GUARD_API int32_t guard_zombie(void) {
  siginfo_t info = {0};
  long answer = sys5(SYS_waitid, P_ALL, 0, (long)&info, WEXITED | WNOHANG | WNOWAIT | __WALL, 0);
  return answer < 0 ? (int32_t)answer : info.si_pid;
}

/* Reaps one child by its pid, if it has ended. For orphans that were given to us only: guarded children go through guard_reap. */
GUARD_API int32_t guard_bury(int32_t pid) {
  siginfo_t info = {0};
  return (int32_t)sys5(SYS_waitid, P_PID, pid, (long)&info, WEXITED | WNOHANG | __WALL, 0);
}

/* As the JDK does before its first child: a parent that ignores SIGCHLD never learns how a child ended. */
GUARD_API int32_t guard_keep_zombies(void) {
  struct kernel_sigaction now = {0};
  const struct kernel_sigaction initial = {0};
  long answer = sys4(SYS_rt_sigaction, SIGCHLD, 0, (long)&now, 8);
  if (answer == 0 && now.handler == (void *)SIG_IGN) answer = sys4(SYS_rt_sigaction, SIGCHLD, (long)&initial, 0, 8);
  return (int32_t)answer;
}
