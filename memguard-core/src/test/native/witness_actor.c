/*
 * A child for the witness to watch: sets itself a limit, asks for memory in one way, checks that the answer is the one a
 * program has a right to, and prints how often it was refused ("refused=N"), which is what the witness must have counted.
 *
 *   witness-actor LIMIT ACT [ARGUMENT...]
 *
 * LIMIT is data or as, which leave it 64 MiB more than it has; or none; or vast: no limit, but requests beyond any machine.
 *
 * Exit status: 0 when memory behaved as the act expects, 1 otherwise, with the reason on stderr.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)
#define BIG (256 * MIB)
#define VAST ((size_t)1 << 56)
#define ROOM (64 * MIB)
#define THREADS 8
#define ROUNDS 2000
#define SENTINEL 77

static unsigned long refused;

static void *act_nothing(void *unused) { return unused; }

/* The compiler must not know that an allocation is unused, or what its size is. */
static void *volatile sink;
static volatile size_t big = BIG;

static void fail(const char *what) {
  fprintf(stderr, "witness-actor: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void expect(int condition, const char *what) {
  if (!condition) fail(what);
}

static void set_limit(const char *name) {
  if (strcmp(name, "vast") == 0) big = VAST;
  if (strcmp(name, "none") == 0 || strcmp(name, "vast") == 0) return;
  size_t pages[6] = {0}; /* of statm: size, resident, shared, text, lib, data */
  FILE *statm = fopen("/proc/self/statm", "re");
  if (statm == NULL) fail("statm");
  for (int i = 0; i < 6; i++) expect(fscanf(statm, "%zu", &pages[i]) == 1, "statm");
  fclose(statm);
  int data = strcmp(name, "data") == 0;
  struct rlimit limit;
  limit.rlim_cur = pages[data ? 5 : 0] * (size_t)sysconf(_SC_PAGESIZE) + ROOM;
  limit.rlim_max = limit.rlim_cur;
  expect(setrlimit(data ? RLIMIT_DATA : RLIMIT_AS, &limit) == 0, "setrlimit");
}

/* A pointer that must be NULL, with ENOMEM. */
static void expect_refused(void *result) {
  expect(result == NULL && errno == ENOMEM, "should have been refused with ENOMEM");
  refused++;
}

static void expect_map_refused(void *result) {
  expect(result == MAP_FAILED && errno == ENOMEM, "mapping should have been refused with ENOMEM");
  refused++;
}

static void *map(size_t length, int protection, int flags) {
  return mmap(NULL, length, protection, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
}

/* ---- One refusal, or none, each ---- */

static void act_malloc(void) { expect_refused(sink = malloc(big)); }
static void act_calloc(void) { expect_refused(sink = calloc(big / 16, 16)); }

static void act_realloc(void) {
  char *block = malloc(100);
  expect(block != NULL, "malloc");
  strcpy(block, "kept");
  expect_refused(sink = realloc(block, big));
  expect(strcmp(block, "kept") == 0, "a refused realloc leaves the block");
  free(block);
}

static void act_reallocarray(void) { expect_refused(sink = reallocarray(NULL, big / 16, 16)); }
static void act_memalign(void) { expect_refused(sink = memalign(256, big)); }
static void act_aligned_alloc(void) { expect_refused(sink = aligned_alloc(256, big)); }
static void act_valloc(void) { expect_refused(sink = valloc(big)); }

static void act_posix_memalign(void) {
  void *block = &refused;
  expect(posix_memalign(&block, 256, big) == ENOMEM, "should have answered ENOMEM");
  expect(block == &refused, "a refused posix_memalign leaves the pointer");
  refused++;
}

static void act_mmap(void) { expect_map_refused(map(big, PROT_READ | PROT_WRITE, 0)); }
static void act_mmap_none(void) { expect_map_refused(map(big, PROT_NONE, 0)); }

static int big_file(void) {
  int fd = memfd_create("big", MFD_CLOEXEC);
  expect(fd >= 0 && ftruncate(fd, (off_t)big) == 0, "memfd_create");
  return fd;
}

static void act_mmap_file(void) {
  expect_map_refused(mmap(NULL, big, PROT_READ | PROT_WRITE, MAP_PRIVATE, big_file(), 0));
}

static void act_mremap(void) {
  void *small = map(MIB, PROT_READ | PROT_WRITE, 0);
  expect(small != MAP_FAILED, "mmap");
  expect_map_refused(mremap(small, MIB, big, MREMAP_MAYMOVE));
}

#ifdef __GLIBC__
static void act_sbrk(void) {
  errno = SENTINEL;
  expect(sbrk((intptr_t)big) == (void *)-1 && errno == ENOMEM, "sbrk should have been refused");
  refused++;
}

static void act_brk(void) {
  char *end = sbrk(0);
  expect(brk(end + big) == -1 && errno == ENOMEM && sbrk(0) == end, "brk should have been refused");
  refused++;
}
#endif

static void act_mprotect(void) {
  void *reserved = map(big, PROT_NONE, 0);
  expect(reserved != MAP_FAILED, "mmap");
  expect(mprotect(reserved, big, PROT_READ | PROT_WRITE) == -1 && errno == ENOMEM, "should have been refused");
  refused++;
}

#ifdef __GLIBC__
static void act_pvalloc(void) { expect_refused(sink = pvalloc(big)); }
static void act_mmap64(void) {
  expect_map_refused(mmap64(NULL, big, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}
#endif

/* ENOMEM for other reasons than memory: nothing to note. */
static void act_unsatisfiable(void) {
  volatile size_t huge = SIZE_MAX / 2 + 2;
  expect((sink = malloc(huge)) == NULL && errno == ENOMEM, "malloc");
  expect((sink = calloc(huge, 3)) == NULL && errno == ENOMEM, "calloc");
  expect((sink = realloc(NULL, huge)) == NULL && errno == ENOMEM, "realloc");
  expect((sink = reallocarray(NULL, huge, 3)) == NULL && errno == ENOMEM, "reallocarray");
  expect(map(huge, PROT_NONE, 0) == MAP_FAILED && errno == ENOMEM, "mmap");
}

static void act_holes(void) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  char *three = map(3 * page, PROT_READ | PROT_WRITE, 0);
  expect(three != MAP_FAILED && munmap(three + page, page) == 0, "mmap");
  expect(mprotect(three, 3 * page, PROT_READ | PROT_WRITE) == -1 && errno == ENOMEM, "mprotect over a hole");
  expect(mprotect(three, 3 * page, PROT_READ) == -1 && errno == ENOMEM, "mprotect over a hole");
  expect(mremap(three, page, 4 * page, 0) == MAP_FAILED && errno == ENOMEM, "mremap without room to grow");
}

static void act_huge_pages(void) {
  expect(map(BIG, PROT_READ | PROT_WRITE, MAP_HUGETLB) == MAP_FAILED, "MAP_HUGETLB without huge pages");
}

static void act_invalid(void) {
  void *block;
  expect(posix_memalign(&block, 3, 8) == EINVAL, "posix_memalign");
  expect(map(0, PROT_READ, 0) == MAP_FAILED && errno == EINVAL, "mmap");
  expect(mmap(NULL, 1, PROT_READ, MAP_PRIVATE, -1, 0) == MAP_FAILED && errno == EBADF, "mmap");
  errno = ENOMEM; /* left over from something else */
  sink = malloc(0);
  free(sink);
  sink = realloc(malloc(1), 0);
  free(sink);
}

/* Everything that succeeds: right answers, and errno as it was. */
static void act_succeed(void) {
  errno = SENTINEL;
  unsigned char *block = calloc(1000, 10);
  expect(block != NULL && block[0] == 0 && block[9999] == 0, "calloc");
  expect((block = realloc(block, 100000)) != NULL, "realloc");
  expect(malloc_usable_size(block) >= 100000, "malloc_usable_size");
  free(block);
  expect((block = memalign(4096, 10)) != NULL && (uintptr_t)block % 4096 == 0, "memalign");
  free(block);
  expect((block = aligned_alloc(4096, 8192)) != NULL && (uintptr_t)block % 4096 == 0, "aligned_alloc");
  free(block);
  void *aligned;
  expect(posix_memalign(&aligned, 4096, 10) == 0 && (uintptr_t)aligned % 4096 == 0, "posix_memalign");
  free(aligned);
  expect((block = valloc(10)) != NULL && (uintptr_t)block % 4096 == 0, "valloc");
  free(block);
  for (size_t size = 1; size < BIG / 8; size *= 2) {
    expect((block = malloc(size)) != NULL, "malloc");
    block[size - 1] = 1;
    free(block);
  }
  char *mapped = map(MIB, PROT_READ, 0);
  expect(mapped != MAP_FAILED && mprotect(mapped, MIB, PROT_READ | PROT_WRITE) == 0, "mprotect");
  mapped[0] = 42;
  mapped = mremap(mapped, MIB, 3 * MIB, MREMAP_MAYMOVE);
  expect(mapped != MAP_FAILED && mapped[0] == 42, "mremap");
  char *place = map(MIB, PROT_NONE, 0);
  expect(mremap(mapped, MIB, MIB, MREMAP_MAYMOVE | MREMAP_FIXED, place) == place && place[0] == 42, "mremap to a place");
#ifdef __GLIBC__
  char *end = sbrk((intptr_t)MIB);
  expect(sbrk(0) == end + MIB && brk(end) == 0 && sbrk(0) == end, "brk and sbrk");
#endif
  expect(errno == SENTINEL, "success leaves errno alone");
}

/* musl's refuse everything, whatever there is. */
static void act_no_brk(void) {
#ifndef __GLIBC__
  expect(sbrk(1) == (void *)-1 && errno == ENOMEM && brk(NULL) == -1 && errno == ENOMEM, "brk");
#endif
}

/* What errno is after each refusal, to be compared with a run that nobody watches. */
static void act_errnos(void) {
  void *block;
#define SHOW(call)                      \
  errno = SENTINEL;                     \
  sink = (void *)(intptr_t)(call);      \
  printf("%s %d\n", #call, errno)
  SHOW(malloc(big));
  SHOW(calloc(big, 1));
  SHOW(realloc(NULL, big));
  SHOW(memalign(64, big));
  SHOW(memalign(SIZE_MAX, big));
  SHOW(aligned_alloc(64, big));
  SHOW(posix_memalign(&block, 64, big));
  SHOW(valloc(big));
  SHOW(map(big, PROT_READ | PROT_WRITE, 0));
  SHOW(mremap(NULL, MIB, big, MREMAP_MAYMOVE));
  SHOW(mprotect((void *)MIB, MIB, PROT_WRITE));
  SHOW(mprotect((void *)1, MIB, PROT_WRITE));
}

/* ---- Threads and processes ---- */

static void *idle(void *unused) {
  (void)unused;
  pause();
  return NULL;
}

/* A stack that no room is left for. */
static void act_thread(void) {
  pthread_t thread;
  pthread_attr_t vast;
  expect(pthread_attr_init(&vast) == 0 && pthread_attr_setstacksize(&vast, big) == 0, "pthread_attr");
  errno = SENTINEL;
  expect(pthread_create(&thread, &vast, idle, NULL) == EAGAIN, "should have been refused with EAGAIN");
}

/* Stacks of the usual size until no room is left; prints how many bytes one has. */
static void act_usual_threads(void) {
  pthread_t thread;
  pthread_attr_t usual;
  size_t size;
  expect(pthread_attr_init(&usual) == 0 && pthread_attr_getstacksize(&usual, &size) == 0, "pthread_attr");
  int error = 0;
  while (error == 0) error = pthread_create(&thread, NULL, idle, NULL);
  expect(error == EAGAIN, "should have been refused with EAGAIN");
  printf("stack=%zu\n", size);
}

static int end_child(void *shared) {
  *(int *)shared = 5;
  return 6;
}

/* Threads and processes made in every way: right answers, and errno as it was. */
static void act_offspring(void) {
  int status;
  pthread_t thread;
  errno = SENTINEL;
  expect(pthread_create(&thread, NULL, act_nothing, NULL) == 0 && pthread_join(thread, NULL) == 0, "pthread_create");
  pid_t child = fork();
  if (child == 0) _exit(3);
  expect(child > 0 && waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 3, "fork");
  child = vfork();
  if (child == 0) _exit(4);
  expect(child > 0 && waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 4, "vfork");

  static char stack[65536] __attribute__((aligned(16)));
  int shared = 0;
  pid_t parent_tid = 0;
  pid_t child_tid = 0;
  child = clone(end_child, stack + sizeof stack, CLONE_VM | CLONE_VFORK | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD,
                &shared, &parent_tid, NULL, &child_tid);
  expect(child > 0 && waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 6 && shared == 5, "clone");
  expect(parent_tid == child && child_tid == child, "clone passes all of its arguments");
  expect(errno == SENTINEL, "success leaves errno alone");

  char *command[] = {"true", NULL};
  char *environment[] = {NULL};
  expect(posix_spawn(&child, "/bin/true", NULL, NULL, command, environment) == 0, "posix_spawn");
  expect(waitpid(child, &status, 0) == child && status == 0, "posix_spawn");
  expect(posix_spawnp(&child, "true", NULL, NULL, command, environment) == 0, "posix_spawnp");
  expect(waitpid(child, &status, 0) == child && status == 0, "posix_spawnp");
  expect(posix_spawn(&child, "/no/such/program", NULL, NULL, command, environment) == ENOENT, "posix_spawn");
}

/* As a user who may have no further process, and lock hardly any memory: nothing here is for want of memory. */
static void become_poor(void) {
  struct rlimit one = {1, 1};
  struct rlimit little = {65536, 65536};
  if (getuid() == 0) expect(setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0, "setresuid");
  expect(setrlimit(RLIMIT_NPROC, &one) == 0 && setrlimit(RLIMIT_MEMLOCK, &little) == 0, "setrlimit");
}

static void act_too_many_threads(void) {
  become_poor();
  pthread_t thread;
  expect(pthread_create(&thread, NULL, act_nothing, NULL) == EAGAIN, "should have been refused with EAGAIN");
}

static void act_too_many_forks(void) {
  become_poor();
  expect(fork() == -1 && errno == EAGAIN, "fork should have been refused with EAGAIN");
  static char stack[4096];
  expect(clone(end_child, stack + sizeof stack, SIGCHLD, NULL) == -1 && errno == EAGAIN, "clone should have been refused");
}

static void act_too_many_spawns(void) {
  become_poor();
  pid_t child;
  char *command[] = {"true", NULL};
  expect(posix_spawn(&child, "/bin/true", NULL, NULL, command, environ) == EAGAIN, "posix_spawn should have been refused");
  expect(posix_spawnp(&child, "true", NULL, NULL, command, environ) == EAGAIN, "posix_spawnp should have been refused");
}

static void act_locked(void) {
  become_poor();
  expect(map(MIB, PROT_READ | PROT_WRITE, MAP_LOCKED) == MAP_FAILED && errno == EAGAIN, "MAP_LOCKED should have been refused");
}

/* What was refused for want of memory is not forgotten for what comes after. */
static void act_memory_then_forks(void) {
  act_malloc();
  act_too_many_forks();
}

/* ---- Many at once ---- */

static void *refused_often(void *count) {
  for (int i = 0; i < ROUNDS; i++) {
    if (malloc(big + (uintptr_t)i) == NULL) __atomic_fetch_add((unsigned long *)count, 1, __ATOMIC_RELAXED);
  }
  return NULL;
}

static void act_threads(void) {
  pthread_t threads[THREADS];
  pthread_attr_t small; /* its usual 8 MiB of stack count against the limit */
  expect(pthread_attr_init(&small) == 0 && pthread_attr_setstacksize(&small, MIB / 4) == 0, "pthread_attr");
  for (int i = 0; i < THREADS; i++) {
    expect(pthread_create(&threads[i], &small, refused_often, &refused) == 0, "pthread_create");
  }
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  expect(refused == (unsigned long)THREADS * ROUNDS, "every one is refused");
}

static int stop;

static void *allocate_until_stopped(void *count) {
  while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
    free(malloc(100));
    if (malloc(big) == NULL) __atomic_fetch_add((unsigned long *)count, 1, __ATOMIC_RELAXED);
  }
  return NULL;
}

/* Forks, while another thread is in malloc, children that are refused memory themselves. */
static void act_forks(void) {
  unsigned long *count = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  expect(count != MAP_FAILED, "mmap");
  pthread_t thread;
  expect(pthread_create(&thread, NULL, allocate_until_stopped, count) == 0, "pthread_create");
  for (int i = 0; i < 100; i++) {
    pid_t child = fork();
    if (child == 0) {
      for (int j = 0; j < 10; j++) {
        if (map(big, PROT_READ | PROT_WRITE, 0) == MAP_FAILED) __atomic_fetch_add(count, 1, __ATOMIC_RELAXED);
      }
      _exit(0);
    }
    int status;
    expect(child > 0 && waitpid(child, &status, 0) == child && status == 0, "fork");
  }
  __atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
  pthread_join(thread, NULL);
  refused = *count;
}

static volatile sig_atomic_t handled;

static void refused_in_handler(int signal) {
  (void)signal;
  int saved = errno;
  errno = SENTINEL;
  if (map(big * 2, PROT_READ | PROT_WRITE, 0) == MAP_FAILED && errno == ENOMEM) handled++;
  errno = saved;
}

/* A signal handler is refused memory while the main program is being refused. */
static void act_handler(void) {
  struct sigaction action = {.sa_handler = refused_in_handler};
  struct itimerval every = {{0, 200}, {0, 200}};
  expect(sigaction(SIGALRM, &action, NULL) == 0 && setitimer(ITIMER_REAL, &every, NULL) == 0, "setitimer");
  unsigned long mine = 0;
  while (handled < 200) {
    errno = SENTINEL;
    expect_map_refused(map(big, PROT_READ | PROT_WRITE, 0));
    mine++;
  }
  struct itimerval never = {{0, 0}, {0, 0}};
  setitimer(ITIMER_REAL, &never, NULL);
  refused = mine + (unsigned long)handled;
}

/* ---- Its memory, its family, its surroundings ---- */

static char *touch(size_t length) {
  char *memory = map(length, PROT_READ | PROT_WRITE, 0);
  expect(memory != MAP_FAILED, "mmap");
  memset(memory, 1, length);
  return memory;
}

/* Holds 24 MiB when it is refused, and has held 48. */
static void act_memory(void) {
  touch(24 * MIB);
  munmap(touch(24 * MIB), 24 * MIB);
  act_malloc();
}

/* Grows by 32 MiB after its first refusal, and is refused again when so much time has gone by that it is looked at again. */
static void act_later(void) {
  act_malloc();
  touch(32 * MIB);
  struct timespec tenth = {0, 110 * 1000000};
  expect(nanosleep(&tenth, NULL) == 0, "nanosleep");
  act_malloc();
}

/* Is refused memory itself, and then its grandchild, which prints its pid. */
static void act_grandchild(void) {
  int status;
  act_malloc();
  pid_t child = fork();
  if (child == 0) {
    pid_t grandchild = fork();
    if (grandchild == 0) {
      act_malloc();
      printf("pid=%d\n", getpid());
      exit(0);
    }
    _exit(waitpid(grandchild, &status, 0) == grandchild && status == 0 ? 0 : 1);
  }
  expect(waitpid(child, &status, 0) == child && status == 0, "child");
  refused++;
}

/* Waits for its stdin to end before it asks. */
static void act_wait(void) {
  char byte;
  expect(read(0, &byte, 1) == 0, "stdin");
  act_malloc();
}

static void act_descriptors(void) {
  for (int fd = 0; fd < 64; fd++) {
    if (fcntl(fd, F_GETFD) != -1) printf("%d ", fd);
  }
  printf("\n");
}

/* Started without stdin, stdout and stderr: whatever was opened meanwhile got those numbers. */
static void act_closed(void) {
  for (int fd = 0; fd < 3; fd++) expect(fcntl(fd, F_GETFD) == -1 && errno == EBADF, "a descriptor is open");
  act_malloc();
  for (int fd = 0; fd < 3; fd++) expect(fcntl(fd, F_GETFD) == -1 && errno == EBADF, "a descriptor is open");
}

/* Executes a program in which one system call of the witness' is denied: "open" for writing, or a shared "mmap". */
static void act_denied(char **arguments) {
  int open = strcmp(arguments[0], "open") == 0;
  struct sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)(open ? SYS_openat : SYS_mmap), 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)(offsetof(struct seccomp_data, args) + (open ? 2 : 3) * 8)),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (unsigned)(open ? O_RDWR : MAP_SHARED), 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {sizeof filter / sizeof filter[0], filter};
  expect(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "no_new_privs");
  expect(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0, "seccomp");
  execv(arguments[1], &arguments[1]);
  fail(arguments[1]);
}

/* Locks itself in, with a filter that kills for whatever else the witness might ask: it must live. */
static void act_locked_in(void) {
  static const int deadly[] = {
#ifdef SYS_open
      SYS_open,
#endif
      SYS_openat, SYS_prlimit64, SYS_gettid, SYS_getpid, SYS_kill, SYS_clock_gettime, SYS_msync};
  void *reserved = map(big, PROT_NONE, 0);
  expect(reserved != MAP_FAILED, "mmap");
  struct sock_filter filter[2 * sizeof deadly / sizeof deadly[0] + 2] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))};
  unsigned short n = 1;
  for (size_t i = 0; i < sizeof deadly / sizeof deadly[0]; i++) {
    filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)deadly[i], 0, 1);
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
  }
  filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  struct sock_fprog program = {n, filter};
  expect(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "no_new_privs");
  expect(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0, "seccomp");
  expect(mprotect(reserved, big, PROT_READ | PROT_WRITE) == -1 && errno == ENOMEM, "mprotect should have been refused");
  act_malloc();
}

/* A preloaded jemalloc is the allocator: its own count of this thread's bytes grows. */
extern int mallctl(const char *, void *, size_t *, void *, size_t) __attribute__((weak));

static uint64_t jemalloc_allocated(void) {
  uint64_t bytes = 0;
  size_t size = sizeof bytes;
  expect(mallctl("thread.allocated", &bytes, &size, NULL, 0) == 0, "mallctl");
  return bytes;
}

static void act_jemalloc(void) {
  expect(&mallctl != NULL, "jemalloc is preloaded");
  uint64_t before = jemalloc_allocated();
  free(sink = malloc(5000));
  expect(jemalloc_allocated() >= before + 5000, "malloc is jemalloc's");
  before = jemalloc_allocated();
  free(sink = realloc(calloc(5000, 1), 20000));
  expect(jemalloc_allocated() >= before + 25000, "calloc and realloc are jemalloc's");
  before = jemalloc_allocated();
  free(sink = aligned_alloc(4096, 8192));
  expect(jemalloc_allocated() >= before + 8192, "aligned_alloc is jemalloc's");
  act_malloc();
}

/* ---- */

#define PLAIN(name) {#name, act_##name}
static const struct {
  const char *name;
  void (*act)(void);
} acts[] = {
    PLAIN(malloc),   PLAIN(calloc),        PLAIN(realloc),  PLAIN(reallocarray),   PLAIN(memalign),
    PLAIN(valloc),   PLAIN(aligned_alloc), PLAIN(mmap),     PLAIN(posix_memalign), PLAIN(mmap_none),
    PLAIN(mremap),   PLAIN(mmap_file),     PLAIN(mprotect), PLAIN(unsatisfiable),  PLAIN(huge_pages),
    PLAIN(holes),    PLAIN(succeed),       PLAIN(invalid),  PLAIN(errnos),         PLAIN(threads),
    PLAIN(forks),    PLAIN(handler),       PLAIN(memory),   PLAIN(grandchild),     PLAIN(wait),
    PLAIN(closed),   PLAIN(descriptors),   PLAIN(jemalloc), PLAIN(thread),         PLAIN(usual_threads),
    PLAIN(later),    PLAIN(offspring),     PLAIN(locked),   PLAIN(locked_in),      PLAIN(too_many_threads),
    PLAIN(no_brk),   PLAIN(too_many_forks), PLAIN(too_many_spawns), PLAIN(memory_then_forks),
#ifdef __GLIBC__
    PLAIN(pvalloc),  PLAIN(mmap64),        PLAIN(brk),      PLAIN(sbrk),
#endif
};

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  set_limit(argv[1]);
  if (argc > 4 && strcmp(argv[2], "denied") == 0) act_denied(&argv[3]);
  for (size_t i = 0; i < sizeof acts / sizeof acts[0]; i++) {
    if (strcmp(argv[2], acts[i].name) == 0) {
      acts[i].act();
      if (fcntl(1, F_GETFD) != -1) printf("refused=%lu\n", refused);
      return 0;
    }
  }
  fprintf(stderr, "witness-actor: no such act: %s\n", argv[2]);
  return 2;
}
