/*
 * Eight threads, a signal handler and many processes that ask for memory, threads and processes, sizes from 0 to SIZE_MAX, and
 * are refused: each counts for itself what it was refused, which is what the witness must have counted.
 *
 * It is built in two ways. Plainly, it runs under RLIMIT_DATA with the witness preloaded. With HOSTED, the witness is linked
 * into it, under sanitizers, with its functions renamed to witness_malloc and so on, and what is next in line refuses at random.
 */
#define _GNU_SOURCE
#include "witness_storm.h"

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 8
#define RESERVED (((size_t)1 << 40) + ((size_t)1 << 24)) /* with room for the thread's number: only sizes of 2^41 and more leave it */
#define SENTINEL 77
#define PAGE 4096

extern int mallctl(const char *, void *, size_t *, void *, size_t) __attribute__((weak)); /* jemalloc's */

static struct counts *counts;
static char *reserved; /* address space without memory */
static int counts_file;

static _Thread_local uint64_t state;
static _Thread_local uint32_t tid;

static uint64_t draw(uint64_t bound) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (state >> 11) % bound;
}

#ifdef HOSTED
#include "witness_next.h"

#define CALL(name) witness_##name
#define KEEP(pointer) (void)(pointer)
#define AS_RENAMED(type, name, parameters, arguments, missing) type witness_##name parameters;
INTERPOSED(AS_RENAMED)

/* The next in line: refuses half of what it is asked, for various reasons. */
static _Thread_local int given;
static int refuses(void) {
  static const int reasons[] = {ENOMEM, ENOMEM, ENOMEM, EAGAIN, EINVAL, EPERM};
  given = draw(2) ? reasons[draw(sizeof reasons / sizeof reasons[0])] : 0;
  if (given != 0) errno = given;
  return given;
}

static char something[PAGE];
#define AS_FAKE_POINTER(name, parameters, refused) \
  static void *fake_##name parameters { return refuses() ? (refused) : (void *)something; }
#define U __attribute__((unused))
AS_FAKE_POINTER(malloc, (U size_t a), NULL)
AS_FAKE_POINTER(calloc, (U size_t a, U size_t b), NULL)
AS_FAKE_POINTER(realloc, (U void *a, U size_t b), NULL)
AS_FAKE_POINTER(memalign, (U size_t a, U size_t b), NULL)
AS_FAKE_POINTER(aligned_alloc, (U size_t a, U size_t b), NULL)
AS_FAKE_POINTER(valloc, (U size_t a), NULL)
AS_FAKE_POINTER(pvalloc, (U size_t a), NULL)
AS_FAKE_POINTER(mmap, (U void *a, U size_t b, U int c, U int d, U int e, U int64_t f), MAP_FAILED)
AS_FAKE_POINTER(mremap, (U void *a, U size_t b, U size_t c, U int d, U void *e), MAP_FAILED)
AS_FAKE_POINTER(sbrk, (U intptr_t a), MAP_FAILED)

/* These answer with the error. */
static int fake_posix_memalign(void **a, U size_t b, U size_t c) {
  int before = errno;
  int error = refuses();
  errno = before;
  if (error == 0) *a = something;
  return error;
}
static int error_only(void) {
  int before = errno;
  int error = refuses();
  errno = before;
  return error;
}
static int fake_pthread_create(U void *a, U const void *b, U void *(*c)(void *), U void *d) { return error_only(); }
static int fake_posix_spawn(U void *a, U const char *b, U const void *c, U const void *d, U char *const *e, U char *const *f) {
  return error_only();
}

/* And these with -1. */
static int fake_mprotect(U void *a, U size_t b, U int c) { return refuses() ? -1 : 0; }
static int fake_brk(U void *a) { return refuses() ? -1 : 0; }
static int fake_fork(void) { return refuses() ? -1 : 1; }
static int fake_clone(U int (*a)(void *), U void *b, U int c, U void *d, U void *e, U void *f, U void *g) {
  return refuses() ? -1 : 1;
}
#define fake_posix_spawnp fake_posix_spawn

#define AS_FAKE(type, name, parameters, arguments, missing) .name = fake_##name,
struct next next = {INTERPOSED(AS_FAKE)};
void resolve(void) {}

#define GIVEN given
static void expect_errno(void) {
  if (given != 0 && errno != given) atomic_fetch_add(&counts->wrong, 1);
}
#else
#define CALL(name) name
#define KEEP(pointer) free(pointer)
static int unused_given;
#define GIVEN unused_given
static void expect_errno(void) {}
#endif

static void raise_to(_Atomic uint64_t *maximum, uint64_t value) {
  uint64_t seen = atomic_load(maximum);
  while (seen < value && !atomic_compare_exchange_weak(maximum, &seen, value)) {
  }
}

/* Counts what the witness should have noted of a call that was answered so. */
static void count(int refused, int error, size_t size) {
  if (!refused || size == 0 || size > PTRDIFF_MAX) return;
  if (error == ENOMEM) {
    raise_to(&counts->largest, size);
    atomic_fetch_add(&counts->memory, 1);
  } else if (error == EAGAIN) {
    atomic_fetch_add(&counts->locked, 1);
  }
}

static size_t pick(int kind) {
  static const size_t odd[] = {0, 1, PTRDIFF_MAX, (size_t)PTRDIFF_MAX + 1, SIZE_MAX};
  if (kind != BRK && draw(8) == 0) return odd[draw(sizeof odd / sizeof odd[0])];
  return marked(29 + draw(17), kind, tid);
}

static void allocate(void) {
  size_t size = pick(MALLOC);
  void *got = NULL;
  errno = SENTINEL;
  switch (draw(8)) {
    case 0: got = CALL(malloc)(size); break;
    case 1: got = CALL(calloc)(1, size); break;
    case 2: got = CALL(realloc)(NULL, size |= 1); break; /* of nothing, it may answer NULL and mean no refusal */
    case 3: got = CALL(memalign)(64, size); break;
    case 4: got = CALL(aligned_alloc)(64, size); break;
    case 5: got = CALL(valloc)(size); break;
#ifdef __GLIBC__
    case 6: /* jemalloc 5.3.0 has none: glibc's would have arenas of its own, which do not outlive fork */
      got = mallctl == NULL ? CALL(pvalloc)(size) : CALL(valloc)(size);
      break;
#endif
    default: {
      int error = CALL(posix_memalign)(&got, 64, size);
      if (error == ENOMEM) count(1, ENOMEM, size);
      if (error == 0) KEEP(got);
      return;
    }
  }
  if (got == NULL) expect_errno();
  if (got == NULL && errno == ENOMEM) count(1, ENOMEM, size);
  if (got != NULL) KEEP(got);
}

static void map(void) {
  size_t size = pick(MMAP);
  void *got = CALL(mmap)(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  expect_errno();
  count(got == MAP_FAILED, errno, size);
#ifndef HOSTED
  if (got != MAP_FAILED) munmap(got, size);
#endif
}

/* What is writable counts against the limit, so that it never grows, and never takes others' address space. */
static void remap(void) {
  size_t size = pick(MREMAP);
  void *mine = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  void *got = CALL(mremap)(mine, PAGE, size, MREMAP_MAYMOVE, NULL);
  expect_errno();
  count(got == MAP_FAILED, errno, size);
  munmap(mine, PAGE);
}

static void protect(void) {
  size_t size = pick(MPROTECT);
  int failed = CALL(mprotect)(reserved, size, PROT_READ | PROT_WRITE);
  expect_errno();
  int hole = size > RESERVED;
  if (errno == ENOMEM) count(failed && !hole, ENOMEM, size);
#ifndef HOSTED
  if (!failed && size != 0) mprotect(reserved, size, PROT_NONE);
#endif
}

static void grow(void) {
#ifdef __GLIBC__
  size_t size = pick(BRK);
  int failed = draw(2) ? CALL(sbrk)((intptr_t)size) == (void *)-1 : CALL(brk)((char *)sbrk(0) + size) != 0;
  expect_errno();
  /* brk(2) is asked for what is missing, which another thread may change meanwhile */
  if (failed && errno == ENOMEM) atomic_fetch_add(&counts->memory, 1), raise_to(&counts->largest, size);
#endif
}

static void *nothing(void *unused) { return unused; }

static void start(void) {
  pthread_t thread;
  pthread_attr_t vast;
  pthread_attr_init(&vast);
  pthread_attr_setstacksize(&vast, marked(29 + draw(10), THREAD, tid));
  int error = CALL(pthread_create)(&thread, &vast, nothing, NULL);
  if (error == EAGAIN || error == ENOMEM) atomic_fetch_add(&counts->threads, 1);
#ifdef HOSTED
  int failed = draw(2) ? CALL(fork)() < 0 : CALL(clone)(NULL, NULL, 0, NULL, NULL, NULL, NULL) < 0;
  expect_errno();
  if (failed && (errno == EAGAIN || errno == ENOMEM)) atomic_fetch_add(&counts->spawns, 1);
  error = draw(2) ? CALL(posix_spawn)(NULL, "x", NULL, NULL, NULL, NULL) : CALL(posix_spawnp)(NULL, "x", NULL, NULL, NULL, NULL);
  if (error == EAGAIN || error == ENOMEM) atomic_fetch_add(&counts->spawns, 1);
#endif
}

static void one_call(void) {
  switch (draw(10)) {
    case 0: map(); break;
    case 1: remap(); break;
    case 2: protect(); break;
    case 3: grow(); break;
    case 4: start(); break;
    default: allocate();
  }
}

/* Interrupts whatever is going on, the witness too. malloc is not for handlers; what the kernel is asked is. */
static void interrupt(int signal) {
  (void)signal;
  int error = errno;
  int answer = GIVEN;
  if (tid != 0) draw(2) ? map() : remap();
  GIVEN = answer;
  errno = error;
}

/* A process of its own, which is refused a few things, and may become another program. */
static void descend(unsigned seed, int further) {
  pid_t child = fork();
  if (child == 0) {
    tid = (uint32_t)syscall(SYS_gettid);
    for (int i = 0; i < 20; i++) draw(2) ? map() : remap();
    if (further) {
      char file[16];
      char number[16];
      snprintf(file, sizeof file, "%d", counts_file);
      snprintf(number, sizeof number, "%u", seed);
      execl("/proc/self/exe", "storm", "leaf", file, number, (char *)NULL);
      atomic_fetch_add(&counts->wrong, 1);
    }
    _exit(0);
  }
  int status;
  if (child > 0 && waitpid(child, &status, 0) == child && status != 0) atomic_fetch_add(&counts->wrong, 1);
}

static void *be_refused(void *argument) {
  unsigned seed = (unsigned)(uintptr_t)argument;
  state = seed * 0x9e3779b97f4a7c15ULL | 1;
  tid = (uint32_t)syscall(SYS_gettid);
  for (int i = 0; i < 2000; i++) {
    one_call();
    if (i % 500 == 250) descend(seed + (unsigned)i, i > 1500);
  }
  return NULL;
}

int storm(struct counts *shared, int counts_fd, unsigned seed, int leaf) {
  counts = shared;
  counts_file = counts_fd;
  atomic_fetch_add(&counts->programs, 1);
  reserved = mmap(NULL, RESERVED, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (reserved == MAP_FAILED) return 3;
#ifndef HOSTED
  struct rlimit limit = {256 << 20, 256 << 20};
  if (setrlimit(RLIMIT_DATA, &limit) != 0) return 4;
#endif
  struct sigaction action = {.sa_handler = interrupt, .sa_flags = SA_RESTART};
  struct itimerval often = {{0, 300}, {0, 300}};
  if (sigaction(SIGALRM, &action, NULL) != 0 || setitimer(ITIMER_REAL, &often, NULL) != 0) return 5;

  pthread_t threads[THREADS];
  int started = leaf ? 0 : THREADS;
  for (int i = 0; i < started; i++) {
    if (pthread_create(&threads[i], NULL, be_refused, (void *)(uintptr_t)(seed + 8 * (unsigned)i)) != 0) return 6;
  }
  if (leaf) {
    state = seed | 1;
    tid = (uint32_t)syscall(SYS_gettid);
    for (int i = 0; i < 200; i++) one_call();
  }
  for (int i = 0; i < started; i++) pthread_join(threads[i], NULL);
  struct itimerval never = {{0, 0}, {0, 0}};
  setitimer(ITIMER_REAL, &never, NULL);
  return 0;
}
