/*
 * What preloading costs a command: runs it plain and with each LIBRARY preloaded, in turns, so that a slow moment of the
 * machine hits all alike. Prints for launch-to-exit and for CPU time the medians, and the median of the differences to
 * the plain run of the same turn, which is the steadier figure.
 *
 *   witness-turns TURNS LIBRARY... -- COMMAND [ARGUMENT...]
 *
 * BESIDE=library is preloaded in all of them, after LIBRARY.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define GENERATION 7
#define SLOT_WORDS 512 /* of four bytes */

enum measure { WALL, CPU, MEASURES };
static const char *const measure_names[MEASURES] = {"launch to exit", "CPU time"};

/* One way to run the command: plain, or with a library. */
struct way {
  const char *name;
  char *environment[4];
  uint32_t attached;
  double *times[MEASURES];
};

static void fail(const char *what) {
  fprintf(stderr, "witness-turns: %s: %s\n", what, strerror(errno));
  exit(1);
}

static double seconds(struct timeval t) { return (double)t.tv_sec + (double)t.tv_usec / 1e6; }

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Where the witnesses count themselves. */
static const volatile uint32_t *attached;

static void run(char **command, struct way *way, size_t turn) {
  pid_t pid;
  int status;
  struct rusage usage;
  uint32_t attached_before = *attached;
  double start = now();
  errno = posix_spawnp(&pid, command[0], NULL, NULL, command, way->environment);
  if (errno != 0) fail(command[0]);
  if (wait4(pid, &status, 0, &usage) != pid) fail("wait4");
  way->times[WALL][turn] = now() - start;
  way->times[CPU][turn] = seconds(usage.ru_utime) + seconds(usage.ru_stime);
  if (status != 0) {
    fprintf(stderr, "witness-turns: %s ended with wait status %#x\n", command[0], status);
    exit(1);
  }
  way->attached += *attached - attached_before;
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a;
  double y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(double *values, size_t count) {
  qsort(values, count, sizeof *values, by_value);
  return values[count / 2];
}

/* Makes a page of slots as the parent keeps it, and hands out slot 1. */
static void make_slot(char *setting, size_t size) {
  int fd = memfd_create("slots", MFD_CLOEXEC);
  if (fd < 0 || ftruncate(fd, 4096) != 0) fail("memfd_create");
  uint32_t *slots = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (slots == MAP_FAILED) fail("mmap");
  slots[SLOT_WORDS] = GENERATION;
  snprintf(setting, size, "MEMGUARD_WITNESS=/proc/%d/fd/%d:1:%d", getpid(), fd, GENERATION);
  attached = &slots[SLOT_WORDS + 1];
}

static void prepare(struct way *way, const char *library, char *setting, size_t turns) {
  size_t n = 0;
  way->name = library == NULL ? "plain" : library;
  way->environment[n++] = "PATH=/usr/local/bin:/usr/bin:/bin";
  const char *beside = getenv("BESIDE");
  if (beside == NULL) beside = "";
  if (asprintf(&way->environment[n++], "LD_PRELOAD=%s:%s", library == NULL ? "" : library, beside) < 0) fail("asprintf");
  if (library != NULL) way->environment[n++] = setting;
  way->environment[n] = NULL;
  for (int m = 0; m < MEASURES; m++) {
    way->times[m] = calloc(turns, sizeof(double));
    if (way->times[m] == NULL) fail("calloc");
  }
}

static void print(struct way *ways, size_t count, size_t turns, enum measure measure) {
  double *differences = calloc(turns * count, sizeof(double));
  if (differences == NULL) fail("calloc");
  for (size_t w = 0; w < count; w++) {
    for (size_t t = 0; t < turns; t++) {
      differences[w * turns + t] = ways[w].times[measure][t] - ways[0].times[measure][t];
    }
  }
  double plain = median(ways[0].times[measure], turns);
  for (size_t w = 0; w < count; w++) {
    double with = w == 0 ? plain : median(ways[w].times[measure], turns);
    double difference = median(&differences[w * turns], turns);
    printf("%-14s  %10.1f us  %+8.1f us  %+6.2f %%   %+8.1f us  %+6.2f %%   %s\n", measure_names[measure], with * 1e6,
           (with - plain) * 1e6, (with / plain - 1) * 100, difference * 1e6, difference / plain * 100, ways[w].name);
  }
  free(differences);
}

int main(int argc, char **argv) {
  int dashes = 2;
  while (dashes < argc && strcmp(argv[dashes], "--") != 0) dashes++;
  size_t turns = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
  if (turns == 0 || dashes >= argc - 1) {
    fprintf(stderr, "usage: witness-turns TURNS LIBRARY... -- COMMAND [ARGUMENT...]\n");
    return 2;
  }
  char setting[64];
  make_slot(setting, sizeof setting);
  size_t count = (size_t)dashes - 1;
  struct way *ways = calloc(count, sizeof *ways);
  if (ways == NULL) fail("calloc");
  for (size_t w = 0; w < count; w++) {
    prepare(&ways[w], w == 0 ? NULL : argv[1 + w], setting, turns);
    run(&argv[dashes + 1], &ways[w], 0); /* warms the caches, and is overwritten */
  }
  for (size_t turn = 0; turn < turns; turn++) {
    for (size_t i = 0; i < count; i++) run(&argv[dashes + 1], &ways[(turn + i) % count], turn);
  }
  printf("%zu turns of   %13s  %20s   %20s\n", turns, "median", "against plain", "median difference");
  for (int m = 0; m < MEASURES; m++) print(ways, count, turns, (enum measure)m);
  int silent = 0;
  for (size_t w = 1; w < count; w++) {
    if (ways[w].attached < turns) {
      fprintf(stderr, "witness-turns: %s did not attach each time: it is no witness\n", ways[w].name);
      silent = 1;
    }
  }
  return silent;
}
