/*
 * guard_witness: preloaded into guarded children, it notes when memory is refused, and does nothing else; but where a launch asks
 * for it, each descendant of the child raises its own oom_score_adj.
 *
 * It stands in front of malloc and its family, of what asks the kernel for memory, and of what makes threads and processes;
 * calls the next one in line (a preloaded jemalloc stays in charge), and returns what that returned, errno included. Only
 * when the answer is ENOMEM or EAGAIN does it write: into a slot of memory shared with the parent, which
 * MEMGUARD_WITNESS=/proc/<pid>/fd/<n>:<slot>:<generation> names. Without that variable, or when anything about it is wrong,
 * it is inert: it never prints, never exits.
 *
 * It needs no C library of its own: raw system calls, no memory of its own, no locks. So it may run inside a signal
 * handler, in a vfork child, before the first constructor, and one file serves glibc of any age and musl. free is left
 * alone, because no pointer ever comes from here.
 *
 * Left out: reallocarray, because libc's calls realloc through the PLT, and would be noted twice. operator new, which
 * calls malloc, and throws: there are no tables here to unwind by. vfork, which returns twice to one stack. Other functions
 * that are built on one another (musl's calloc on malloc, jemalloc's malloc on mmap) are noted once each: the number of
 * refusals is that of calls refused; the last one noted is the outermost, the one the program made.
 *
 * In this file: what programs call. witness_next.c finds the next in line, witness_slot.c writes, witness_trial.c answers
 * what the parent asks of a witness in a child of its own.
 */
#include <errno.h>
#include <link.h>
#include <linux/mman.h>

#include "syscalls.h"
#include "witness.h"
#include "witness_next.h"

#define EXPORT __attribute__((visibility("default")))

__attribute__((constructor)) static void begin(void) {
  resolve();
  attach();
}

/* What memory, a thread or a process was refused with; 0 if the call failed for another reason. */
static int refusal(void) {
  int error = __errno_location == NULL ? 0 : *__errno_location();
  return error == ENOMEM || error == EAGAIN ? error : 0;
}

/* Answers NULL, so that callers can end in a jump to it and need no frame for more than the call before. */
COLD static void *allocation_failed(uint64_t size) {
  if (refusal() == ENOMEM) note(KIND_MALLOC, ENOMEM, size);
  return NULL;
}

/* ---- malloc and its family -------------------------------------------------------------------------------------- */

/* Allocating nothing may return NULL and is no refusal: note() leaves size 0 out. */

EXPORT void *malloc(size_t size) {
  void *result = NEXT(malloc)(size);
  return UNLIKELY(result == NULL) ? allocation_failed(size) : result;
}

EXPORT void *calloc(size_t count, size_t size) {
  void *result = NEXT(calloc)(count, size);
  size_t total;
  if (UNLIKELY(result == NULL)) {
    return allocation_failed(__builtin_mul_overflow(count, size, &total) ? SIZE_MAX : total);
  }
  return result;
}

EXPORT void *realloc(void *pointer, size_t size) {
  void *result = NEXT(realloc)(pointer, size);
  return UNLIKELY(result == NULL) ? allocation_failed(size) : result;
}

EXPORT void *memalign(size_t alignment, size_t size) {
  void *result = NEXT(memalign)(alignment, size);
  return UNLIKELY(result == NULL) ? allocation_failed(size) : result;
}

EXPORT void *aligned_alloc(size_t alignment, size_t size) {
  void *result = NEXT(aligned_alloc)(alignment, size);
  return UNLIKELY(result == NULL) ? allocation_failed(size) : result;
}

EXPORT int posix_memalign(void **pointer, size_t alignment, size_t size) {
  int error = NEXT(posix_memalign)(pointer, alignment, size);
  if (UNLIKELY(error == ENOMEM)) note(KIND_MALLOC, ENOMEM, size);
  return error;
}

EXPORT void *valloc(size_t size) {
  void *result = NEXT(valloc)(size);
  return UNLIKELY(result == NULL) ? allocation_failed(size) : result;
}

EXPORT void *pvalloc(size_t size) {
  void *result = NEXT(pvalloc)(size);
  return UNLIKELY(result == NULL) ? allocation_failed(size) : result;
}

/* ---- What asks the kernel for memory ---------------------------------------------------------------------------- */

/*
 * ENOMEM from the kernel is not always about memory. Left out, because a larger limit would not help and programs that
 * try their luck this way go on without: huge pages, of which there is a pool apart; the crowded lowest 2 GiB. EAGAIN is about memory that would be locked.
 */
#ifdef MAP_32BIT
#define APART (MAP_HUGETLB | MAP_32BIT)
#else
#define APART MAP_HUGETLB
#endif

EXPORT void *mmap(void *address, size_t length, int protection, int flags, int fd, int64_t offset) {
  void *result = NEXT(mmap)(address, length, protection, flags, fd, offset);
  if (UNLIKELY(result == NONE) && (flags & APART) == 0 && refusal() != 0) note(KIND_MMAP, refusal(), length);
  return result;
}

EXPORT void *mmap64(void *, size_t, int, int, int, int64_t) __attribute__((alias("mmap")));

/* libc's is variadic; the fifth argument is passed alike, and ignored without MREMAP_FIXED. */
EXPORT void *mremap(void *old, size_t old_length, size_t length, int flags, void *address) {
  void *result = NEXT(mremap)(old, old_length, length, flags, address);
  /* Without MAYMOVE, ENOMEM says as a rule that the neighbouring addresses are taken. */
  if (UNLIKELY(result == NONE) && (flags & MREMAP_MAYMOVE) != 0 && refusal() != 0) note(KIND_MREMAP, refusal(), length);
  return result;
}

/*
 * Only making pages writable asks for memory, and ENOMEM is also the answer for a hole in the range, as msync's is. Where that
 * cannot be asked, nothing is noted.
 */
EXPORT int mprotect(void *address, size_t length, int protection) {
  int result = NEXT(mprotect)(address, length, protection);
  if (UNLIKELY(result != 0) && (protection & PROT_WRITE) != 0 && refusal() == ENOMEM && may_ask() &&
      sys3(SYS_msync, (long)address, (long)length, 1 /* MS_ASYNC */) != -ENOMEM) {
    note(KIND_MPROTECT, ENOMEM, length);
  }
  return result;
}

/* musl's brk and sbrk refuse whatever is asked: only glibc's can mean it. */
COLD static void brk_failed(intptr_t increment) {
  if (&_r_debug != NULL && increment > 0 && refusal() == ENOMEM) note(KIND_BRK, ENOMEM, (uint64_t)increment);
}

EXPORT int brk(void *end) {
  int result = NEXT(brk)(end);
  if (UNLIKELY(result != 0)) brk_failed((intptr_t)end - sys1(SYS_brk, 0));
  return result;
}

EXPORT void *sbrk(intptr_t increment) {
  void *result = NEXT(sbrk)(increment);
  if (UNLIKELY(result == NONE)) brk_failed(increment);
  return result;
}

/* ---- Threads and processes -------------------------------------------------------------------------------------- */

#define ATTRIBUTES_BYTES 64 /* of pthread_attr_t: 56 or 64 */

extern int pthread_attr_init(void *) __attribute__((weak));
extern int pthread_attr_getstacksize(const void *, size_t *) __attribute__((weak));

/* What a thread with these attributes has for a stack; 0 if that is unknown. It takes no lock but one that libc took before. */
static size_t stack_size(const void *attributes) {
  _Alignas(16) char usual[ATTRIBUTES_BYTES] = {0};
  size_t size = 0;
  if (pthread_attr_init == NULL || pthread_attr_getstacksize == NULL) return 0;
  if (attributes == NULL && pthread_attr_init(usual) != 0) return 0;
  return pthread_attr_getstacksize(attributes == NULL ? usual : attributes, &size) == 0 ? size : 0;
}

/* EAGAIN means that there is no room for the stack, as well as that there are too many threads: the parent can tell. */
EXPORT int pthread_create(void *thread, const void *attributes, void *(*start)(void *), void *argument) {
  int error = NEXT(pthread_create)(thread, attributes, start, argument);
  if (UNLIKELY(error == EAGAIN || error == ENOMEM)) note(KIND_THREAD, error, stack_size(attributes));
  return error;
}

EXPORT int fork(void) {
  int pid = NEXT(fork)();
  if (UNLIKELY(pid < 0) && refusal() != 0) note(KIND_FORK, refusal(), 0);
  if (pid == 0) forked();
  return pid;
}

/* libc's is variadic; the last arguments are passed alike, and ignored without the flags that they are for. */
EXPORT int clone(int (*start)(void *), void *stack, int flags, void *argument, void *parent, void *tls, void *child) {
  int pid = NEXT(clone)(start, stack, flags, argument, parent, tls, child);
  if (UNLIKELY(pid < 0) && refusal() != 0) note(KIND_FORK, refusal(), 0);
  return pid;
}

/* May be the answer of the new program's exec, and then it is that which had no room. */
EXPORT int posix_spawn(void *pid, const char *path, const void *actions, const void *attributes, char *const *arguments,
                       char *const *environment) {
  int error = NEXT(posix_spawn)(pid, path, actions, attributes, arguments, environment);
  if (UNLIKELY(error == ENOMEM || error == EAGAIN)) note(KIND_SPAWN, error, 0);
  return error;
}

EXPORT int posix_spawnp(void *pid, const char *file, const void *actions, const void *attributes, char *const *arguments,
                        char *const *environment) {
  int error = NEXT(posix_spawnp)(pid, file, actions, attributes, arguments, environment);
  if (UNLIKELY(error == ENOMEM || error == EAGAIN)) note(KIND_SPAWN, error, 0);
  return error;
}
