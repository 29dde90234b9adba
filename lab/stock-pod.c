/*
 * The children of lab/stock-pod: an honest one, and one for each way to take more memory than a container has.
 *
 *   honest              holds 4 MiB, says "holding", adds them up again and again until its standard input ends, and prints the sum
 *   anonymous           takes memory as malloc gives it, without end
 *   shared              the same with mappings that are shared (MAP_SHARED | MAP_ANONYMOUS), which RLIMIT_DATA does not count
 *   tmpfs-mapped        the same in a file in /dev/shm that it maps
 *   tmpfs-written       the same in a file in /dev/shm that it writes, holds open and never maps: no process's figures show it
 *   workers             eight workers that take 28 MiB each and keep it: none of them is large
 *   double-fork         the same, and each leaves the tree: its parent is gone, its session is its own
 *   double-fork-gone    the same, and the child itself is gone by then
 *   threads             64 threads with small stacks that take small blocks, without end
 *
 * "Without end" is until 1 GiB, so that nothing is left running where nobody stops it; then, and when memory is refused, it exits with 1. Files have no name
 * any more when memory is put into them, so that nothing of them is left behind.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)
#define STEP MIB
#define PIECE ((size_t)1 << 10)
#define WITHOUT_END (1024 * MIB)
#define WORKERS 8
#define WORKER_TAKES (28 * MIB)
#define THREADS 64
#define BLOCK ((size_t)16 << 10)
#define HONEST_WORDS (4 * MIB / sizeof(uint32_t))
#define PAUSE_MILLIS 20

static void refused(const char *what) {
  fprintf(stderr, "%s: %s\n", what, strerror(errno));
  exit(1);
}

/* Touched, so that it is memory and not a promise. */
static void *touch(void *memory, size_t size, const char *what) {
  if (memory == NULL || memory == MAP_FAILED) refused(what);
  return memset(memory, 'x', size);
}

static void take_anonymous(size_t bytes) {
  for (size_t taken = 0; taken < bytes; taken += STEP) touch(malloc(STEP), STEP, "malloc");
}

static void take_shared(size_t bytes) {
  for (size_t taken = 0; taken < bytes; taken += STEP) {
    touch(mmap(NULL, STEP, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0), STEP, "mmap");
  }
}

static int nameless_file(void) {
  char path[] = "/dev/shm/greedy-XXXXXX";
  int fd = mkstemp(path);
  if (fd < 0) refused(path);
  unlink(path);
  return fd;
}

static void take_mapped_file(size_t bytes) {
  int fd = nameless_file();
  for (size_t taken = 0; taken < bytes; taken += STEP) {
    if (ftruncate(fd, (off_t)(taken + STEP)) != 0) refused("ftruncate");
    touch(mmap(NULL, STEP, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)taken), STEP, "mmap");
  }
}

/* As most programs write: through stdio, a page at a time. */
static void take_written_file(size_t bytes) {
  static char block[STEP];
  FILE *file = fdopen(nameless_file(), "w");
  if (file == NULL) refused("fdopen");
  memset(block, 'x', sizeof block);
  for (size_t taken = 0; taken < bytes; taken += PIECE) {
    if (fwrite(block + taken % STEP, 1, PIECE, file) != PIECE) refused("write");
  }
}

static pid_t start_process(void) {
  pid_t pid = fork();
  if (pid < 0) refused("fork");
  return pid;
}

static void work(void) {
  take_anonymous(WORKER_TAKES);
  for (;;) pause();
}

static void start_workers(void) {
  for (int i = 0; i < WORKERS; i++) {
    if (start_process() == 0) work();
  }
}

static void start_daemons(void) {
  for (int i = 0; i < WORKERS; i++) {
    pid_t between = start_process();
    if (between == 0) {
      setsid();
      if (start_process() == 0) work();
      _exit(0);
    }
    waitpid(between, NULL, 0);
  }
}

static void *take_blocks(void *unused) {
  for (size_t taken = 0; taken < WITHOUT_END / THREADS; taken += BLOCK) touch(malloc(BLOCK), BLOCK, "malloc");
  return unused;
}

/* Where no further thread is to be had, those that there are take enough. */
static void start_threads(void) {
  pthread_attr_t small;
  pthread_t threads[THREADS];
  int started = 0;
  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small, 4 * (size_t)PTHREAD_STACK_MIN);
  while (started < THREADS && pthread_create(&threads[started], &small, take_blocks, NULL) == 0) started++;
  for (int i = 0; i < started; i++) pthread_join(threads[i], NULL);
}

static uint32_t sum(const uint32_t *words) {
  uint32_t all = 0;
  for (size_t i = 0; i < HONEST_WORDS; i++) all += words[i];
  return all;
}

static int be_honest(void) {
  struct pollfd input = {STDIN_FILENO, POLLIN, 0};
  uint32_t *words = malloc(HONEST_WORDS * sizeof *words);
  uint32_t word = 1;
  if (words == NULL) refused("malloc");
  for (size_t i = 0; i < HONEST_WORDS; i++) words[i] = word = word * 1664525 + 1013904223;
  uint32_t first = sum(words);
  puts("holding");
  fflush(stdout);
  do {
    if (sum(words) != first) return 1;
  } while (poll(&input, 1, PAUSE_MILLIS) == 0);
  printf("%u\n", first);
  return 0;
}

int main(int count, char **arguments) {
  const char *kind = count == 2 ? arguments[1] : "";
  if (strcmp(kind, "honest") == 0) return be_honest();
  if (strcmp(kind, "anonymous") == 0) {
    take_anonymous(WITHOUT_END);
  } else if (strcmp(kind, "shared") == 0) {
    take_shared(WITHOUT_END);
  } else if (strcmp(kind, "tmpfs-mapped") == 0) {
    take_mapped_file(WITHOUT_END);
  } else if (strcmp(kind, "tmpfs-written") == 0) {
    take_written_file(WITHOUT_END);
  } else if (strcmp(kind, "workers") == 0) {
    start_workers();
    while (wait(NULL) > 0) {}
  } else if (strcmp(kind, "double-fork") == 0) {
    start_daemons();
    pause();
  } else if (strcmp(kind, "double-fork-gone") == 0) {
    start_daemons();
    return 0;
  } else if (strcmp(kind, "threads") == 0) {
    start_threads();
  } else {
    fprintf(stderr, "stock-pod: no child is called '%s'\n", kind);
    return 2;
  }
  return 1;
}
