/*
 * Signal forwarding for `memguard run`: what is sent to the JVM is passed on to its child, from within the handler, so
 * that it works in the middle of a garbage collection too.
 */
#define _GNU_SOURCE
#include "guard.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

#include "syscalls.h"

#define KERNEL_SA_RESTORER 0x04000000
#define SIGNALS 64
#define NANOS_PER_TICK 10000000 /* of /proc/PID/stat: USER_HZ is 100 on both CPUs */

static int32_t target_pidfd = -1;
static int64_t target_born; /* in ticks since the kernel's start, as /proc/PID/stat says it */
static uint64_t waiting; /* signals that came while there was no child: bit signal - 1 */
static uint64_t shared;  /* those among them that reach the child too, if it lives by then */
static uint64_t seen;    /* signals that ever came */
static uint64_t kept;    /* signals whose sender reaches the child too */
static int64_t last[SIGNALS]; /* when each of the shared came last, in ticks since the kernel's start */

static int64_t ticks(void) {
  struct timespec now = {0};
  (void)sys2(SYS_clock_gettime, CLOCK_BOOTTIME, (long)&now);
  return (now.tv_sec * INT64_C(1000000000) + now.tv_nsec) / NANOS_PER_TICK;
}

static int32_t target(void) { return __atomic_load_n(&target_pidfd, __ATOMIC_SEQ_CST); }

/*
 * Delivers what has waited, but for what the child got itself, since it was born before: or in the same tick, where that cannot be told.
 */
static void deliver(void) {
  int32_t pidfd = target();
  if (pidfd < 0) return;
  uint64_t late = __atomic_exchange_n(&waiting, 0, __ATOMIC_SEQ_CST);
  uint64_t perhaps = __atomic_exchange_n(&shared, 0, __ATOMIC_SEQ_CST);
  for (int signal = 1; signal <= SIGNALS; signal++) {
    uint64_t bit = UINT64_C(1) << (signal - 1);
    int missed = (perhaps & bit) && __atomic_load_n(&last[signal - 1], __ATOMIC_SEQ_CST) < __atomic_load_n(&target_born, __ATOMIC_SEQ_CST);
    if (missed || (late & bit)) sys4(SYS_pidfd_send_signal, pidfd, signal, 0, 0);
  }
}

/*
 * A terminal sends ^C to its whole foreground group: the child has it already (si_code is then the kernel's own), and
 * must not get it twice. That holds too for a child that has been started and not been named yet.
 */
static void forward(int signal, siginfo_t *info, void *context) {
  (void)context;
  uint64_t bit = UINT64_C(1) << (signal - 1);
  __atomic_fetch_or(&seen, bit, __ATOMIC_SEQ_CST);
  int32_t pidfd = target();
  int has_it = info->si_code == SI_KERNEL || (kept & bit);
  /* Signal 0 only asks whether the child is there. One that is gone, maybe with its pidfd, leaves the signal to the next attempt. */
  long answer = pidfd < 0 ? -ESRCH : sys4(SYS_pidfd_send_signal, pidfd, has_it ? 0 : signal, 0, 0);
  if (answer == -ESRCH || answer == -EBADF) {
    if (has_it) __atomic_store_n(&last[signal - 1], ticks(), __ATOMIC_SEQ_CST);
    __atomic_fetch_or(has_it ? &shared : &waiting, bit, __ATOMIC_SEQ_CST);
    if (target() != pidfd) deliver(); /* it was named meanwhile */
  }
}

#if defined(__x86_64__)
__asm__(
    ".text\n"
    ".hidden guard_restore\n"
    ".type guard_restore, @function\n"
    "guard_restore:\n"
    "  mov $15, %eax\n" /* rt_sigreturn */
    "  syscall\n");
extern void guard_restore(void);
#endif

long guard_sigaction(int signal, void *handler, unsigned long flags) {
  struct kernel_sigaction action = {.handler = handler, .flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK | flags};
#if defined(__x86_64__)
  action.flags |= KERNEL_SA_RESTORER;
  action.restorer = (void *)guard_restore;
#endif
  return sys4(SYS_rt_sigaction, signal, (long)&action, 0, 8);
}

/* Takes over one signal from whatever handled it before. One that is ignored stays so: that was somebody's wish. */
GUARD_API int32_t guard_forward(int32_t signal) {
  struct kernel_sigaction now = {0};
  long answer = sys4(SYS_rt_sigaction, signal, 0, (long)&now, 8);
  if (answer < 0 || now.handler == (void *)SIG_IGN) return (int32_t)answer;
  return (int32_t)guard_sigaction(signal, (void *)forward, 0);
}

/* Keeps signals, as bits, from a child that lives: whoever sends them sends them to its whole process group. */
GUARD_API void guard_forward_keep(int64_t signals) { kept = (uint64_t)signals; }

/* To whom: a pidfd the caller keeps open until it names another, or -1 for nobody; and since when that child lives. */
GUARD_API void guard_forward_to(int32_t pidfd, int64_t born) {
  __atomic_store_n(&target_born, born, __ATOMIC_SEQ_CST);
  __atomic_store_n(&target_pidfd, pidfd, __ATOMIC_SEQ_CST);
  deliver();
}

/* Nobody is left to pass signals on to: from now on they do to this process what they do to any. */
GUARD_API void guard_forward_end(void) {
  const struct kernel_sigaction initial = {0};
  for (int signal = 1; signal <= SIGNALS; signal++) {
    struct kernel_sigaction now = {0};
    sys4(SYS_rt_sigaction, signal, 0, (long)&now, 8);
    if (now.handler == (void *)forward) sys4(SYS_rt_sigaction, signal, (long)&initial, 0, 8);
  }
}

/* Which signals have come, as bits. */
GUARD_API int64_t guard_forwarded(void) { return (int64_t)__atomic_load_n(&seen, __ATOMIC_SEQ_CST); }
