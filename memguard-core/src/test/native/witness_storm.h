/*
 * What the storm's two halves say to each other: witness_storm.c, which makes it, and witness_storm_check.c, which starts it and
 * judges what the witness wrote.
 */
#ifndef MEMGUARD_WITNESS_STORM_H
#define MEMGUARD_WITNESS_STORM_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* What was refused, as the callers themselves counted it. */
struct counts {
  _Atomic uint64_t programs;
  _Atomic uint64_t memory;
  _Atomic uint64_t threads;
  _Atomic uint64_t spawns;
  _Atomic uint64_t locked; /* memory that would have been locked */
  _Atomic uint64_t largest;
  _Atomic uint64_t wrong; /* answers other than those given */
};

enum { MALLOC = 1, MMAP, MREMAP, MPROTECT, BRK, THREAD, FORK, SPAWN };

/* Sizes say who asked: the kind in the lowest bits, then the thread, under a power of two that is always refused. */
static inline size_t marked(size_t power, int kind, uint32_t tid) {
  return (size_t)1 << power | (size_t)(tid & 0xffff) << 8 | (size_t)kind;
}

/* Makes the storm; returns the exit status. */
int storm(struct counts *counts, int counts_fd, unsigned seed, int leaf);

#endif
