/*
 * What the files of the witness say to each other; guard_witness.c says what it is. All of it is hidden, so that nothing of
 * it can be taken for a function of the program's, and reached without a detour.
 */
#ifndef MEMGUARD_WITNESS_H
#define MEMGUARD_WITNESS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

#define COLD __attribute__((noinline, cold))
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)

/* An offset that mmap takes whatever the size of the machine's pages. */
#ifdef __x86_64__
#define LARGEST_PAGE 4096UL
#else
#define LARGEST_PAGE 65536UL
#endif

/* What was refused. Up to KIND_BRK it is memory. Java's twin: Refusal.Kind. */
enum kind {
  KIND_MALLOC = 1,
  KIND_MMAP = 2,
  KIND_MREMAP = 3,
  KIND_MPROTECT = 4,
  KIND_BRK = 5,
  KIND_THREAD = 6,
  KIND_FORK = 7,
  KIND_SPAWN = 8,
};

/* ---- witness_slot.c: the memory shared with the parent ---- */

/* Reads the setting and attaches to the slot, once per program image. */
void attach(void);

/* In a process that was just forked: does what its launch asks of such. */
void forked(void);

/* Whether a refusal would be noted, and the kernel may be asked about it before. */
COLD int may_ask(void);

/* Writes one refusal. For threads the size is that of the stack, for processes it is 0. */
COLD void note(enum kind kind, int error, uint64_t size);

/* ---- witness_trial.c: what the parent may ask of a witness in a child of its own ---- */

enum question { TRY_LIMITS = 1, HOLD = 2 };

/* Answers the question, and returns when that is done. */
COLD void answer_to(uint32_t question, _Atomic uint32_t *answer);

/* What libc or its loader offers: weak, because each libc lacks one, and unversioned, because their versions differ. */
extern struct r_debug _r_debug __attribute__((weak, visibility("default")));        /* glibc */
extern struct r_debug *_dl_debug_addr __attribute__((weak, visibility("default"))); /* musl */
extern int *__errno_location(void) __attribute__((weak, visibility("default")));

#pragma GCC visibility pop

#endif
