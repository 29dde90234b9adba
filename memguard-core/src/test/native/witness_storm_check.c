/*
 * Runs the storm again and again, and compares what the witness wrote with what the callers counted; meanwhile it reads as the
 * JVM does, and nothing that it reads may be half of one refusal and half of another.
 *
 *   witness-storm SECONDS exact|more [PRELOAD]
 *
 * more: where allocators are built on one another (musl's calloc on malloc, jemalloc's malloc on mmap), more refusals are noted
 * than the caller sees, and with other sizes. PRELOAD is for the children.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "witness_page.h"
#include "witness_storm.h"

static int exact;

static void fail(const char *what) {
  fprintf(stderr, "witness-storm: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void *shared(const char *name, size_t bytes, int *file) {
  *file = memfd_create(name, 0);
  if (*file < 0 || ftruncate(*file, (off_t)bytes) != 0) fail("memfd_create");
  void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, *file, 0);
  if (memory == MAP_FAILED) fail("mmap");
  return memory;
}

/* One refusal is told of as a whole, or not at all. */
static void check_last(const struct record *record) {
  uint32_t version = atomic_load(&record->version);
  uint64_t bytes = atomic_load(&record->bytes);
  uint32_t tid = atomic_load(&record->tid);
  unsigned kind = atomic_load(&record->kind);
  unsigned error = atomic_load(&record->error);
  if (version % 2 != 0 || version != atomic_load(&record->version)) return;
  if (kind == 0 && version == 0) return;
  int right = kind >= MALLOC && kind <= SPAWN && (error == ENOMEM || error == EAGAIN);
  if (exact && kind <= THREAD && kind != BRK && bytes != 1 && bytes != PTRDIFF_MAX) {
    right = right && (bytes & 0xff) == kind && (bytes >> 8 & 0xffff) == (tid & 0xffff);
  }
  if (!right) {
    fprintf(stderr, "witness-storm: pid %u: kind %u, errno %u, thread %u, %#" PRIx64 " bytes\n", record->pid, kind, error, tid, bytes);
    exit(1);
  }
}

static uint64_t sum(const struct slot *slot) {
  uint64_t all = 0;
  for (int i = 0; i < RECORDS; i++) all += slot->records[i].refusals + slot->records[i].threads + slot->records[i].spawns;
  return all;
}

static void check(const struct slot *slot, const struct counts *counts) {
  uint64_t told = sum(slot) + slot->without_room;
  uint64_t mine = counts->memory + counts->threads + counts->spawns;
  int right = counts->wrong == 0 && slot->attached == counts->programs;
  right = right && (exact ? slot->refusals == counts->memory : slot->refusals >= counts->memory);
  right = right && (exact ? slot->largest == counts->largest : slot->largest >= counts->largest);
  right = right && told >= mine && (!exact || told <= mine + counts->locked);
  for (int i = 0; i < RECORDS; i++) right = right && slot->records[i].version % 2 == 0;
  if (right) return;
  fprintf(stderr,
          "witness-storm: witness: %u programs, %" PRIu64 " refusals, the largest %#" PRIx64 ", %" PRIu64 " told of, %u without room\n"
          "               callers: %" PRIu64 " programs, %" PRIu64 " refusals, the largest %#" PRIx64 ", %" PRIu64
          " to tell of, %" PRIu64 " locked, %" PRIu64 " wrong\n",
          slot->attached, slot->refusals, slot->largest, told, slot->without_room, counts->programs, counts->memory,
          counts->largest, mine, counts->locked, counts->wrong);
  exit(1);
}

static void run(struct slot *slot, struct counts *counts, char *const *command) {
  pid_t child = fork();
  if (child == 0) {
    execv("/proc/self/exe", command);
    _exit(127);
  }
  int status = 0;
  pid_t ended = 0;
  while (child > 0 && (ended = waitpid(child, &status, WNOHANG)) == 0) {
    for (int i = 0; i < RECORDS; i++) check_last(&slot->records[i]);
  }
  if (ended != child || status != 0) {
    fprintf(stderr, "witness-storm: wait status %#x\n", status);
    exit(1);
  }
  check(slot, counts);
}

int main(int argc, char **argv) {
  if (argc == 4 && (strcmp(argv[1], "leaf") == 0 || strcmp(argv[1], "root") == 0)) {
    int file = atoi(argv[2]);
    struct counts *counts = mmap(NULL, sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (counts == MAP_FAILED) fail("counts");
    return storm(counts, file, (unsigned)strtoul(argv[3], NULL, 10), argv[1][0] == 'l');
  }
  if (argc < 3) return 2;
  exact = strcmp(argv[2], "exact") == 0;
  int slot_file;
  int counts_file;
  struct slot *slot = shared("slots", 4096, &slot_file);
  struct counts *counts = shared("counts", sizeof *counts, &counts_file);
  char setting[64];
  char file[16];
  char seed[16];
  snprintf(file, sizeof file, "%d", counts_file);
  uint64_t rounds = 0;
  uint64_t refusals = 0;
  time_t end = time(NULL) + atoi(argv[1]);
  do {
    memset((void *)slot, 0, sizeof *slot);
    memset((void *)counts, 0, sizeof *counts);
    slot->generation = (uint32_t)++rounds;
    snprintf(setting, sizeof setting, "/proc/%d/fd/%d:0:%u", getpid(), slot_file, slot->generation);
    snprintf(seed, sizeof seed, "%" PRIu64, rounds * 1000);
    setenv("MEMGUARD_WITNESS", setting, 1);
    if (argc > 3) setenv("LD_PRELOAD", argv[3], 1);
    run(slot, counts, (char *[]){"storm", "root", file, seed, NULL});
    refusals += slot->refusals;
  } while (time(NULL) < end);
  printf("%" PRIu64 " rounds, %" PRIu64 " refusals\n", rounds, refusals);
  return 0;
}
