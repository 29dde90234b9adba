/*
 * What the parent asks of a witness in a child that it started for nothing else: what resource limits on memory stop here, for
 * kernels, and what stands in for one, differ; or to be a victim to rehearse with. The program does not begin before the
 * answer is there.
 */
#include <errno.h>
#include <linux/fcntl.h>
#include <linux/memfd.h>
#include <linux/mman.h>
#include <linux/resource.h>

#include "syscalls.h"
#include "witness.h"

/* What was found out about limits. Java's twin: LimitTrial. */
enum finding {
  FOUND_TRIED = 1,
  FOUND_DATA_UNKNOWN = 2,
  FOUND_DATA_STOPS_MMAP = 4,
  FOUND_DATA_STOPS_BRK = 8,
  FOUND_AS_UNKNOWN = 16,
  FOUND_AS_STOPS_MMAP = 32,
};

/* ---- What limits stop here -------------------------------------------------------------------------------------- */

#define TRIAL_BYTES (32UL << 20)
#define TRIAL_LIMIT (16UL << 20)

/* Both give back at once what they get, and touch none of it. */
static int grants_mapping(void) {
  long at = sys6(SYS_mmap, 0, TRIAL_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at < 0 && at > -4096) return 0;
  (void)sys2(SYS_munmap, at, TRIAL_BYTES);
  return 1;
}

static int grants_brk(void) {
  long now = sys1(SYS_brk, 0);
  long grown = sys1(SYS_brk, now + (long)TRIAL_BYTES);
  (void)sys1(SYS_brk, now);
  return grown > now;
}

/* Lowers the soft limit alone, so that it can be raised again. */
static int lower(int resource, struct rlimit64 *before) {
  *before = (struct rlimit64){.rlim_cur = RLIM64_INFINITY, .rlim_max = RLIM64_INFINITY};
  if (sys4(SYS_prlimit64, 0, resource, 0, (long)before) != 0) return 0;
  struct rlimit64 low = {.rlim_cur = TRIAL_LIMIT, .rlim_max = before->rlim_max};
  if (low.rlim_cur > low.rlim_max) low.rlim_cur = low.rlim_max;
  return sys4(SYS_prlimit64, 0, resource, (long)&low, 0) == 0;
}

/*
 * Asks for more than a limit allows, with and without it: what is granted without and refused with it, it stops. Linux
 * counts every private writable mapping for RLIMIT_DATA since 4.7, unless it was told not to (ignore_rlimit_data); gVisor
 * counts brk alone (its issue 156); and a seccomp filter can have it that no limit is ever set.
 */
static uint32_t try_limits(void) {
  uint32_t found = FOUND_TRIED;
  struct rlimit64 before;
  int mapping = grants_mapping();
  int brk = grants_brk();
  if (mapping && lower(RLIMIT_DATA, &before)) {
    if (!grants_mapping()) found |= FOUND_DATA_STOPS_MMAP;
    if (brk && !grants_brk()) found |= FOUND_DATA_STOPS_BRK;
    (void)sys4(SYS_prlimit64, 0, RLIMIT_DATA, (long)&before, 0);
  } else {
    found |= FOUND_DATA_UNKNOWN;
  }
  if (mapping && lower(RLIMIT_AS, &before)) {
    if (!grants_mapping()) found |= FOUND_AS_STOPS_MMAP;
    (void)sys4(SYS_prlimit64, 0, RLIMIT_AS, (long)&before, 0);
  } else {
    found |= FOUND_AS_UNKNOWN;
  }
  return found;
}

/* ---- A victim to rehearse with ---------------------------------------------------------------------------------- */

/*
 * Holds a file in memory, written and mapped, until it is killed or stdin ends: there is of everything that the parent may
 * have to read in a hurry later.
 */
static void hold(_Atomic uint32_t *answer) {
  char byte = 1;
  long fd = sys4(SYS_openat, AT_FDCWD, (long)"/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0) fd = sys2(SYS_memfd_create, (long)"memguard", MFD_CLOEXEC);
  if (fd >= 0 && sys3(SYS_write, fd, (long)&byte, 1) == 1) {
    long at = sys6(SYS_mmap, 0, LARGEST_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at > 0 || at <= -4096) *(volatile char *)at = byte;
  }
  atomic_store(answer, FOUND_TRIED);
  while (sys3(SYS_read, 0, (long)&byte, 1) == -EINTR) {}
}

void answer_to(uint32_t question, _Atomic uint32_t *answer) {
  if (question == TRY_LIMITS) atomic_store(answer, try_limits());
  if (question == HOLD) hold(answer);
}
