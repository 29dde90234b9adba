/*
 * Fills memory as fast as the kernel hands it out, until somebody kills it, and notes how far it got: populated mappings, of huge
 * pages where the kernel makes them, on several threads; or a file in memory, which is written and never mapped.
 *
 *   fill PROGRESS USAGE THRESHOLD THREADS huge|small|written
 *
 * PROGRESS is a file of at least 24 bytes. It gets three 64-bit numbers: the bytes that were filled, and of CLOCK_MONOTONIC in
 * nanoseconds when they passed THRESHOLD and when the last was filled. USAGE is a file that gets the bytes as text, as a cgroup's
 * memory.current has them, or - for none. With THRESHOLD 0 it fills 2 GiB, and prints the rate in MiB a second.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK = 2 << 20, MIB = 1 << 20 };

#define RATE_BYTES (2ull << 30)

struct progress {
  _Atomic uint64_t bytes;
  _Atomic uint64_t passed;
  _Atomic uint64_t last;
};

static struct progress *progress;
static uint64_t threshold;
static int usage = -1;
static int huge;
static int file = -1;
static _Atomic uint64_t written;
static atomic_flag writing = ATOMIC_FLAG_INIT;

static void fail(const char *what) {
  fprintf(stderr, "fill: %s: %s\n", what, strerror(errno));
  exit(1);
}

static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Whoever comes while another thread writes leaves it: what that one writes is a chunk old at most. */
static void tell(uint64_t bytes) {
  char text[32];
  if (usage < 0 || atomic_flag_test_and_set(&writing)) return;
  int length = snprintf(text, sizeof text, "%020llu\n", (unsigned long long)bytes);
  if (pwrite(usage, text, (size_t)length, 0) != length) fail("pwrite");
  atomic_flag_clear(&writing);
}

static void fill_chunk(void) {
  char *chunk = mmap(NULL, 2 * CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (chunk == MAP_FAILED) fail("mmap");
  chunk += -(uintptr_t)chunk % CHUNK; /* a huge page is aligned */
  if (huge) madvise(chunk, CHUNK, MADV_HUGEPAGE);
  if (madvise(chunk, CHUNK, MADV_POPULATE_WRITE) != 0) { /* before Linux 5.14 */
    for (size_t at = 0; at < CHUNK; at += 4096) ((volatile char *)chunk)[at] = 1;
  }
}

static void write_chunk(void) {
  static const char chunk[CHUNK] = "not only zeros";
  if (pwrite(file, chunk, CHUNK, (off_t)atomic_fetch_add(&written, CHUNK)) != CHUNK) fail("pwrite");
}

static void *fill(void *unused) {
  for (;;) {
    if (file < 0) fill_chunk();
    else write_chunk();
    uint64_t bytes = atomic_fetch_add(&progress->bytes, CHUNK) + CHUNK;
    uint64_t time = now();
    uint64_t never = 0;
    if (threshold != 0 && bytes > threshold) atomic_compare_exchange_strong(&progress->passed, &never, time);
    atomic_store(&progress->last, time);
    tell(bytes);
    if (threshold == 0 && bytes >= RATE_BYTES) return unused;
  }
}

int main(int argc, char **argv) {
  if (argc != 6) {
    fprintf(stderr, "usage: fill PROGRESS USAGE THRESHOLD THREADS huge|small|written\n");
    return 2;
  }
  int notes = open(argv[1], O_RDWR);
  if (notes < 0) fail(argv[1]);
  progress = mmap(NULL, sizeof *progress, PROT_READ | PROT_WRITE, MAP_SHARED, notes, 0);
  if (progress == MAP_FAILED) fail("mmap");
  if (strcmp(argv[2], "-") != 0 && (usage = open(argv[2], O_WRONLY)) < 0) fail(argv[2]);
  threshold = strtoull(argv[3], NULL, 10);
  int threads = atoi(argv[4]);
  huge = strcmp(argv[5], "huge") == 0;
  if (strcmp(argv[5], "written") == 0 && (file = memfd_create("fill", MFD_CLOEXEC)) < 0) fail("memfd_create");
  pthread_t others[64];
  uint64_t began = now();
  for (int i = 1; i < threads && i < 64; i++) {
    if ((errno = pthread_create(&others[i], NULL, fill, NULL)) != 0) fail("pthread_create");
  }
  fill(NULL);
  for (int i = 1; i < threads && i < 64; i++) pthread_join(others[i], NULL);
  printf("%.0f\n", (double)progress->bytes / MIB / ((double)(now() - began) / 1e9));
  return 0;
}
