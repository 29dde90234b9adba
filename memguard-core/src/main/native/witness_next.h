/*
 * What the witness stands in front of, and whom it calls: the next in line, which may be a preloaded allocator or libc.
 */
#ifndef MEMGUARD_WITNESS_NEXT_H
#define MEMGUARD_WITNESS_NEXT_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

#define NONE ((void *)-1) /* MAP_FAILED, and what sbrk answers */

/*
 * Type, name, parameters, arguments, and what is answered where nobody has the function, as pvalloc under musl. clone and
 * mremap are variadic in libc; on these CPUs fixed arguments are passed alike.
 */
#define INTERPOSED(X)                                                                                                 \
  X(void *, malloc, (size_t size), (size), without(ENOMEM, NULL))                                                     \
  X(void *, calloc, (size_t count, size_t size), (count, size), without(ENOMEM, NULL))                                \
  X(void *, realloc, (void *pointer, size_t size), (pointer, size), without(ENOMEM, NULL))                            \
  X(void *, memalign, (size_t alignment, size_t size), (alignment, size), without(ENOMEM, NULL))                      \
  X(void *, aligned_alloc, (size_t alignment, size_t size), (alignment, size), without(ENOMEM, NULL))                 \
  X(int, posix_memalign, (void **pointer, size_t alignment, size_t size), (pointer, alignment, size), ENOMEM)         \
  X(void *, valloc, (size_t size), (size), without(ENOMEM, NULL))                                                     \
  X(void *, pvalloc, (size_t size), (size), without(ENOMEM, NULL))                                                    \
  X(void *, mmap, (void *address, size_t length, int protection, int flags, int fd, int64_t offset),                  \
    (address, length, protection, flags, fd, offset), without(ENOSYS, NONE))                                          \
  X(void *, mremap, (void *old, size_t old_length, size_t length, int flags, void *address),                          \
    (old, old_length, length, flags, address), without(ENOSYS, NONE))                                                 \
  X(int, mprotect, (void *address, size_t length, int protection), (address, length, protection), fails(ENOSYS))      \
  X(int, brk, (void *end), (end), fails(ENOMEM))                                                                      \
  X(void *, sbrk, (intptr_t increment), (increment), without(ENOMEM, NONE))                                           \
  X(int, pthread_create, (void *thread, const void *attributes, void *(*start)(void *), void *argument),              \
    (thread, attributes, start, argument), EAGAIN)                                                                    \
  X(int, fork, (void), (), fails(ENOSYS))                                                                             \
  X(int, clone, (int (*start)(void *), void *stack, int flags, void *argument, void *parent, void *tls, void *child), \
    (start, stack, flags, argument, parent, tls, child), fails(ENOSYS))                                               \
  X(int, posix_spawn, (void *pid, const char *path, const void *actions, const void *attributes, char *const *arguments, \
                       char *const *environment),                                                                     \
    (pid, path, actions, attributes, arguments, environment), ENOSYS)                                                 \
  X(int, posix_spawnp, (void *pid, const char *file, const void *actions, const void *attributes, char *const *arguments, \
                        char *const *environment),                                                                    \
    (pid, file, actions, attributes, arguments, environment), ENOSYS)

#define AS_MEMBER(type, name, parameters, arguments, missing) type(*name) parameters;
extern struct next { INTERPOSED(AS_MEMBER) } next;

#define NEXT(name) __atomic_load_n(&next.name, __ATOMIC_RELAXED)

/* Finds everything that is not found yet. */
void resolve(void);

#pragma GCC visibility pop

#endif
