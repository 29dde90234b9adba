/*
 * Signal forwarding for `memguard run`: what is sent to the JVM is passed on to its child, from within the handler, so
 * that it works in the middle of a garbage collection too.
 */
#define _GNU_SOURCE
#include "guard.h"

#include <errno.h>
#include <signal.h>

#include "syscalls.h"

#define KERNEL_SA_RESTORER 0x04000000

static volatile int32_t target_pidfd = -1;
static uint64_t waiting; /* signals that came while there was no child: bit signal - 1 */
static uint64_t seen;    /* signals that ever came */
static uint64_t kept;    /* signals whose sender reaches the child too */

/*
 * A terminal sends ^C to its whole foreground group: the child has it already (si_code is then the kernel's own), and
 * must not get it twice.
 */
static void forward(int signal, siginfo_t *info, void *context) {
  (void)context;
  uint64_t bit = UINT64_C(1) << (signal - 1);
  __atomic_fetch_or(&seen, bit, __ATOMIC_SEQ_CST);
  int32_t pidfd = target_pidfd;
  int has_it = info->si_code == SI_KERNEL || (kept & bit);
  /* Signal 0 only asks whether the child is there. One that is gone leaves the signal to the next attempt. */
  if (pidfd < 0 || sys4(SYS_pidfd_send_signal, pidfd, has_it ? 0 : signal, 0, 0) == -ESRCH) {
    __atomic_fetch_or(&waiting, bit, __ATOMIC_SEQ_CST);
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

/* To whom: a pidfd the caller keeps open until it names another, or -1 for nobody. What has waited is delivered now. */
GUARD_API void guard_forward_to(int32_t pidfd) {
  target_pidfd = pidfd;
  if (pidfd < 0) return;
  uint64_t late = __atomic_exchange_n(&waiting, 0, __ATOMIC_SEQ_CST);
  for (int signal = 1; signal <= 64; signal++) {
    if (late & (UINT64_C(1) << (signal - 1))) sys4(SYS_pidfd_send_signal, pidfd, signal, 0, 0);
  }
}

/* Nobody is left to pass signals on to: from now on they do to this process what they do to any. */
GUARD_API void guard_forward_end(void) {
  const struct kernel_sigaction initial = {0};
  for (int signal = 1; signal <= 64; signal++) {
    struct kernel_sigaction now = {0};
    sys4(SYS_rt_sigaction, signal, 0, (long)&now, 8);
    if (now.handler == (void *)forward) sys4(SYS_rt_sigaction, signal, (long)&initial, 0, 8);
  }
}

/* Which signals have come, as bits. */
GUARD_API int64_t guard_forwarded(void) { return (int64_t)__atomic_load_n(&seen, __ATOMIC_SEQ_CST); }
