/*
 * guard_witness: preloaded into guarded children, it notes when memory is refused, and does nothing else.
 *
 * It stands in front of malloc and its family, mmap, mremap and mprotect, calls the next one in line (a preloaded
 * jemalloc stays in charge), and returns what that returned, errno included. Only when the answer is "ENOMEM" does it
 * write: into a slot of 64 bytes shared with the parent, which MEMGUARD_WITNESS=/proc/<pid>/fd/<n>:<slot>:<generation>
 * names. Without that variable, or when anything about it is wrong, it is inert: it never prints, never exits.
 *
 * It needs no C library of its own: raw system calls, no memory of its own, no locks. So it may run inside a signal
 * handler, in a vfork child, before the first constructor, and one file serves glibc of any age and musl. free is left
 * alone, because no pointer ever comes from here.
 *
 * reallocarray is not interposed: libc's calls realloc through the PLT, and would be noted twice. Other functions that
 * are built on one another in this way (musl's calloc on malloc, jemalloc's malloc on mmap) are noted once each: the
 * number of refusals is that of calls refused; the last one noted is the outermost, the one the program made.
 *
 * In a child that was started for nothing else, the parent asks through the slot what resource limits on memory stop here:
 * kernels, and what stands in for one, differ (see try_limits). Or it asks for a victim to rehearse with (see hold).
 */
#include <errno.h>
#include <link.h>
#include <linux/fcntl.h>
#include <linux/memfd.h>
#include <linux/mman.h>
#include <linux/resource.h>
#include <linux/unistd.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "syscalls.h"

/*
 * Writing the peak at exit as well costs every child some 30 us, and a child that has locked itself into a seccomp
 * filter may be killed for the open: off.
 */
#ifndef WITNESS_PEAK_AT_EXIT
#define WITNESS_PEAK_AT_EXIT 0
#endif

#define EXPORT __attribute__((visibility("default")))
#define COLD __attribute__((noinline, cold))
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)

/* An offset that mmap takes whatever the size of the machine's pages. */
#ifdef __x86_64__
#define LARGEST_PAGE 4096UL
#else
#define LARGEST_PAGE 65536UL
#endif
#define SETTING "MEMGUARD_WITNESS="
#define PATH_BYTES 64
#define STATUS_CHUNK 512
#define READ_MEMORY_EVERY 1024

/* The shared slot. Java's twin: WitnessPage. */
struct slot {
  _Atomic uint32_t generation; /* of the launch the slot was handed to; any other must not write */
  _Atomic uint32_t attached;
  _Atomic uint64_t refusals;
  _Atomic uint64_t largest;
  _Atomic uint64_t last;
  _Atomic uint32_t last_pid;
  _Atomic uint32_t last_kind;
  _Atomic uint64_t rss_at_refusal;
  _Atomic uint64_t peak_rss;
  _Atomic uint32_t question; /* enum question, or 0 */
  _Atomic uint32_t answer;   /* enum finding; 0 as long as there is none */
};
_Static_assert(sizeof(struct slot) == 64, "the parent counts on 64 bytes a slot");

enum kind { KIND_MALLOC = 1, KIND_MMAP = 2, KIND_MREMAP = 3, KIND_MPROTECT = 4 };

enum question { TRY_LIMITS = 1, HOLD = 2 };

/* What was found out about limits. Java's twin: LimitTrial. */
enum finding {
  FOUND_TRIED = 1,
  FOUND_DATA_UNKNOWN = 2,
  FOUND_DATA_STOPS_MMAP = 4,
  FOUND_DATA_STOPS_BRK = 8,
  FOUND_AS_UNKNOWN = 16,
  FOUND_AS_STOPS_MMAP = 32,
};

/* What libc or its loader offers: weak, because each libc lacks one, and unversioned, because their versions differ. */
extern struct r_debug _r_debug __attribute__((weak));         /* glibc */
extern struct r_debug *_dl_debug_addr __attribute__((weak));  /* musl */
extern char **environ __attribute__((weak));
extern int *__errno_location(void) __attribute__((weak));
extern ElfW(Dyn) _DYNAMIC[] __attribute__((visibility("hidden")));

/* ---- The next in line ------------------------------------------------------------------------------------------- */

#define INTERPOSED(X)                                                                                                 \
  X(void *, malloc, (size_t size), (size))                                                                            \
  X(void *, calloc, (size_t count, size_t size), (count, size))                                                       \
  X(void *, realloc, (void *pointer, size_t size), (pointer, size))                                                   \
  X(void *, memalign, (size_t alignment, size_t size), (alignment, size))                                             \
  X(void *, aligned_alloc, (size_t alignment, size_t size), (alignment, size))                                        \
  X(int, posix_memalign, (void **pointer, size_t alignment, size_t size), (pointer, alignment, size))                 \
  X(void *, valloc, (size_t size), (size))                                                                            \
  X(void *, pvalloc, (size_t size), (size))                                                                           \
  X(void *, mmap, (void *address, size_t length, int protection, int flags, int fd, int64_t offset),                  \
    (address, length, protection, flags, fd, offset))                                                                 \
  X(void *, mremap, (void *old, size_t old_length, size_t length, int flags, void *address),                          \
    (old, old_length, length, flags, address))                                                                        \
  X(int, mprotect, (void *address, size_t length, int protection), (address, length, protection))

/* Each starts out as a function that looks all up and tries again, so that the common path has nothing to test. */
#define AS_FIRST_CALL(type, name, parameters, arguments) static type first_##name parameters;
#define AS_MEMBER(type, name, parameters, arguments) type(*name) parameters;
#define AS_START(type, name, parameters, arguments) .name = first_##name,
INTERPOSED(AS_FIRST_CALL)
static struct next { INTERPOSED(AS_MEMBER) } next = {INTERPOSED(AS_START)};

#define AS_STRING(type, name, parameters, arguments) #name,
static const char names[][16] = {INTERPOSED(AS_STRING)};
#define INTERPOSED_COUNT (sizeof names / sizeof names[0])
_Static_assert(sizeof(struct next) == INTERPOSED_COUNT * sizeof(void *), "resolve() fills next as an array");

#define NEXT(name) __atomic_load_n(&next.name, __ATOMIC_RELAXED)

/* The parts of a loaded object that a symbol is looked up in. */
struct object {
  uintptr_t base;
  const ElfW(Sym) *symbols;
  const char *strings;
  const ElfW(Versym) *versions;
  const uint32_t *gnu_hash;
  const uint32_t *sysv_hash;
};

static int same(const char *a, const char *b) {
  while (*a != '\0' && *a == *b) {
    a++;
    b++;
  }
  return *a == *b;
}

/* Tables are addresses after glibc has relocated them in place, and offsets where the loader left them alone (musl). */
static const void *table(uintptr_t base, ElfW(Addr) value) {
  return (const void *)(value < base ? base + value : value);
}

static struct object describe(const struct link_map *map) {
  struct object object = {.base = map->l_addr};
  for (const ElfW(Dyn) *entry = map->l_ld; entry != NULL && entry->d_tag != DT_NULL; entry++) {
    const void *address = table(object.base, entry->d_un.d_ptr);
    switch (entry->d_tag) {
      case DT_SYMTAB: object.symbols = address; break;
      case DT_STRTAB: object.strings = address; break;
      case DT_VERSYM: object.versions = address; break;
      case DT_GNU_HASH: object.gnu_hash = address; break;
      case DT_HASH: object.sysv_hash = address; break;
      default: break;
    }
  }
  return object;
}

/* A function defined here under its default version: the top bit of a version hides the others. */
static int defines(const struct object *object, uint32_t index, const char *name) {
  const ElfW(Sym) *symbol = &object->symbols[index];
  return symbol->st_shndx != SHN_UNDEF && ELF64_ST_TYPE(symbol->st_info) == STT_FUNC &&
         (object->versions == NULL || (object->versions[index] & 0x8000) == 0) &&
         same(object->strings + symbol->st_name, name);
}

static uint32_t find_gnu(const struct object *object, const char *name) {
  uint32_t hash = 5381;
  for (const char *c = name; *c != '\0'; c++) hash = hash * 33 + (unsigned char)*c;

  uint32_t bucket_count = object->gnu_hash[0];
  uint32_t first_symbol = object->gnu_hash[1];
  uint32_t bloom_count = object->gnu_hash[2];
  uint32_t bloom_shift = object->gnu_hash[3];
  if (bucket_count == 0 || bloom_count == 0) return 0;
  const ElfW(Addr) *bloom = (const void *)&object->gnu_hash[4];
  const uint32_t *buckets = (const void *)&bloom[bloom_count];
  const uint32_t *chains = &buckets[bucket_count];

  ElfW(Addr) bits = (ElfW(Addr))1 << (hash % 64) | (ElfW(Addr))1 << ((hash >> bloom_shift) % 64);
  if ((bloom[(hash / 64) % bloom_count] & bits) != bits) return 0;
  uint32_t index = buckets[hash % bucket_count];
  if (index < first_symbol) return 0;
  for (;; index++) {
    uint32_t chain = chains[index - first_symbol];
    if ((chain | 1) == (hash | 1) && defines(object, index, name)) return index;
    if ((chain & 1) != 0) return 0;
  }
}

static uint32_t find_sysv(const struct object *object, const char *name) {
  uint32_t hash = 0;
  for (const char *c = name; *c != '\0'; c++) {
    hash = (hash << 4) + (unsigned char)*c;
    hash = (hash ^ ((hash >> 24) & 0xf0)) & 0x0fffffff;
  }
  uint32_t bucket_count = object->sysv_hash[0];
  if (bucket_count == 0) return 0;
  const uint32_t *buckets = &object->sysv_hash[2];
  const uint32_t *chains = &buckets[bucket_count];
  for (uint32_t index = buckets[hash % bucket_count]; index != 0; index = chains[index]) {
    if (defines(object, index, name)) return index;
  }
  return 0;
}

static void *find(const struct object *object, const char *name) {
  if (object->symbols == NULL || object->strings == NULL) return NULL;
  uint32_t index = object->gnu_hash != NULL    ? find_gnu(object, name)
                   : object->sysv_hash != NULL ? find_sysv(object, name)
                                               : 0;
  return index == 0 ? NULL : (void *)(object->base + object->symbols[index].st_value);
}

/* Stands for what no later object has, as pvalloc under musl: nobody can have been linked against it. */
static void *absent(void) {
  if (__errno_location != NULL) *__errno_location() = ENOMEM;
  return NULL;
}

/*
 * Finds everything at once, in the loader's list of objects behind this one: the order in which it binds symbols. Not
 * by dlsym, which takes locks, may call calloc, and in older glibc is in a library that may not be loaded. The objects
 * loaded at start never leave the list, and libc, which has nearly all, is one of them. Threads that come here together
 * write the same.
 */
COLD static void resolve(void) {
  static _Atomic int resolved;
  if (atomic_load(&resolved) != 0) return;
  const struct r_debug *debug = &_r_debug != NULL         ? &_r_debug
                                : &_dl_debug_addr != NULL ? _dl_debug_addr
                                                          : NULL;
  const struct link_map *map = debug == NULL ? NULL : debug->r_map;
  while (map != NULL && map->l_ld != _DYNAMIC) map = map->l_next;

  void *found[INTERPOSED_COUNT];
  for (size_t i = 0; i < INTERPOSED_COUNT; i++) found[i] = NULL;
  size_t missing = INTERPOSED_COUNT;
  for (map = map == NULL ? NULL : map->l_next; map != NULL && missing > 0; map = map->l_next) {
    struct object object = describe(map);
    for (size_t i = 0; i < INTERPOSED_COUNT; i++) {
      if (found[i] != NULL) continue;
      found[i] = find(&object, names[i]);
      if (found[i] != NULL) missing--;
    }
  }
  void **members = (void **)&next;
  for (size_t i = 0; i < INTERPOSED_COUNT; i++) {
    __atomic_store_n(&members[i], found[i] != NULL ? found[i] : (void *)absent, __ATOMIC_RELAXED);
  }
  atomic_store(&resolved, 1);
}

#define AS_FIRST_CALL_BODY(type, name, parameters, arguments) \
  COLD static type first_##name parameters {                  \
    resolve();                                                \
    return NEXT(name) arguments;                              \
  }
INTERPOSED(AS_FIRST_CALL_BODY)

/* ---- What limits stop here -------------------------------------------------------------------------------------- */

#define TRIAL_BYTES (32UL << 20)
#define TRIAL_LIMIT (16UL << 20)

/* Both give back at once what they get, and touch none of it. */
static int grants_mapping(void) {
  long at = sys6(SYS_mmap, 0, TRIAL_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at < 0 && at > -4096) return 0;
  (void)sys2(SYS_munmap, at, TRIAL_BYTES);
  return 1;
}

static int grants_brk(void) {
  long now = sys1(SYS_brk, 0);
  long grown = sys1(SYS_brk, now + (long)TRIAL_BYTES);
  (void)sys1(SYS_brk, now);
  return grown > now;
}

/* Lowers the soft limit alone, so that it can be raised again. */
static int lower(int resource, struct rlimit64 *before) {
  *before = (struct rlimit64){.rlim_cur = RLIM64_INFINITY, .rlim_max = RLIM64_INFINITY};
  if (sys4(SYS_prlimit64, 0, resource, 0, (long)before) != 0) return 0;
  struct rlimit64 low = {.rlim_cur = TRIAL_LIMIT, .rlim_max = before->rlim_max};
  if (low.rlim_cur > low.rlim_max) low.rlim_cur = low.rlim_max;
  return sys4(SYS_prlimit64, 0, resource, (long)&low, 0) == 0;
}

/*
 * Asks for more than a limit allows, with and without it: what is granted without and refused with it, it stops. Linux
 * counts every private writable mapping for RLIMIT_DATA since 4.7, unless it was told not to (ignore_rlimit_data); gVisor
 * counts brk alone (its issue 156); and a seccomp filter can have it that no limit is ever set.
 */
COLD static uint32_t try_limits(void) {
  uint32_t found = FOUND_TRIED;
  struct rlimit64 before;
  int mapping = grants_mapping();
  int brk = grants_brk();
  if (mapping && lower(RLIMIT_DATA, &before)) {
    if (!grants_mapping()) found |= FOUND_DATA_STOPS_MMAP;
    if (brk && !grants_brk()) found |= FOUND_DATA_STOPS_BRK;
    (void)sys4(SYS_prlimit64, 0, RLIMIT_DATA, (long)&before, 0);
  } else {
    found |= FOUND_DATA_UNKNOWN;
  }
  if (mapping && lower(RLIMIT_AS, &before)) {
    if (!grants_mapping()) found |= FOUND_AS_STOPS_MMAP;
    (void)sys4(SYS_prlimit64, 0, RLIMIT_AS, (long)&before, 0);
  } else {
    found |= FOUND_AS_UNKNOWN;
  }
  return found;
}

/* ---- A victim to rehearse with ---------------------------------------------------------------------------------- */

/*
 * Holds a file in memory, written and mapped, until it is killed or stdin ends: there is of everything that the parent may
 * have to read in a hurry later.
 */
COLD static void hold(_Atomic uint32_t *answer) {
  char byte = 1;
  long fd = sys4(SYS_openat, AT_FDCWD, (long)"/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0) fd = sys2(SYS_memfd_create, (long)"memguard", MFD_CLOEXEC);
  if (fd >= 0 && sys3(SYS_write, fd, (long)&byte, 1) == 1) {
    long at = sys6(SYS_mmap, 0, LARGEST_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at > 0 || at <= -4096) *(volatile char *)at = byte;
  }
  atomic_store(answer, FOUND_TRIED);
  while (sys3(SYS_read, 0, (long)&byte, 1) == -EINTR) {}
}

/* ---- The shared slot -------------------------------------------------------------------------------------------- */

static struct slot *_Atomic slot;
static uint32_t generation;
static _Atomic int tried;

/* A decimal number that ends with `end`; what follows that, or NULL. */
static const char *number(const char *text, char end, uint32_t *value) {
  uint64_t sum = 0;
  const char *c = text;
  for (; *c >= '0' && *c <= '9'; c++) {
    sum = sum * 10 + (uint64_t)(*c - '0');
    if (sum > UINT32_MAX) return NULL;
  }
  *value = (uint32_t)sum;
  return c == text || *c != end ? NULL : c + 1;
}

static const char *after(const char *text, const char *prefix) {
  while (*prefix != '\0') {
    if (*text++ != *prefix++) return NULL;
  }
  return text;
}

/* Maps the page with the slot; NULL unless the file is really that long, for touching more would be a SIGBUS. */
static struct slot *map_slot(const char *path, uint32_t index) {
  uint64_t offset = (uint64_t)index * sizeof(struct slot);
  uint64_t page = offset & ~(LARGEST_PAGE - 1);
  long fd = sys4(SYS_openat, AT_FDCWD, (long)path, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0);
  if (fd < 0) return NULL;
  long mapped = -ENXIO;
  long size = sys3(SYS_lseek, fd, 0, 2 /* SEEK_END */);
  if (size > 0 && (uint64_t)size >= offset + sizeof(struct slot)) {
    mapped = sys6(SYS_mmap, 0, LARGEST_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (long)page);
  }
  (void)sys1(SYS_close, fd); /* Linux frees the descriptor whatever close answers */
  return mapped < 0 && mapped > -4096 ? NULL : (struct slot *)(mapped + (long)(offset - page));
}

/* Reads the setting and attaches to the slot, once per program image. */
COLD static void attach(void) {
  if (&environ == NULL || environ == NULL) return; /* so early that libc has none yet: the constructor comes again */
  if (atomic_exchange(&tried, 1) != 0) return;
  const char *setting = NULL;
  for (char **entry = environ; *entry != NULL && setting == NULL; entry++) setting = after(*entry, SETTING);
  if (setting == NULL || after(setting, "/proc/") == NULL) return;

  char path[PATH_BYTES];
  size_t length = 0;
  for (; *setting != ':' && *setting != '\0'; setting++) {
    if (length == sizeof path - 1) return;
    path[length++] = *setting;
  }
  path[length] = '\0';
  uint32_t index = 0;
  uint32_t expected = 0;
  if (*setting != ':' || (setting = number(setting + 1, ':', &index)) == NULL) return;
  if (number(setting, '\0', &expected) == NULL) return;

  struct slot *found = map_slot(path, index);
  if (found == NULL) return;
  if (atomic_load(&found->generation) != expected) {
    (void)sys2(SYS_munmap, (long)((uintptr_t)found & ~(LARGEST_PAGE - 1)), LARGEST_PAGE);
    return;
  }
  atomic_fetch_add(&found->attached, 1);
  generation = expected;
  atomic_store(&slot, found);
  uint32_t question = atomic_load(&found->question);
  if (UNLIKELY(question == TRY_LIMITS)) atomic_store(&found->answer, try_limits());
  if (UNLIKELY(question == HOLD)) hold(&found->answer);
}

__attribute__((constructor)) static void begin(void) {
  resolve();
  attach();
}

/* The slot, while it still belongs to the launch this process came from. */
static struct slot *own_slot(void) {
  struct slot *mine = atomic_load(&slot);
  return mine != NULL && atomic_load(&mine->generation) == generation ? mine : NULL;
}

static void raise_to(_Atomic uint64_t *maximum, uint64_t value) {
  uint64_t seen = atomic_load_explicit(maximum, memory_order_relaxed);
  while (seen < value && !atomic_compare_exchange_weak(maximum, &seen, value)) {
  }
}

/* ---- Noting a refusal ------------------------------------------------------------------------------------------- */

/* "VmHWM:     1234 kB" in bytes; 0 if the line is another one. */
static uint64_t bytes_of(const char *line, const char *name) {
  const char *c = after(line, name);
  if (c == NULL) return 0;
  while (*c == ' ' || *c == '\t') c++;
  uint64_t kib = 0;
  for (; *c >= '0' && *c <= '9'; c++) kib = kib * 10 + (uint64_t)(*c - '0');
  return kib * 1024;
}

/* Peak and present RSS of this process, 0 where unknown. Line by line: the stack may be a signal handler's. */
static void read_memory(uint64_t *peak, uint64_t *rss) {
  char chunk[STATUS_CHUNK];
  char line[32];
  size_t length = 0;
  *peak = 0;
  *rss = 0;
  long fd = sys4(SYS_openat, AT_FDCWD, (long)"/proc/self/status", O_RDONLY | O_CLOEXEC, 0);
  if (fd < 0) return;
  long got;
  while (*rss == 0 && (got = sys3(SYS_read, fd, (long)chunk, sizeof chunk)) > 0) {
    for (long i = 0; i < got && *rss == 0; i++) {
      if (chunk[i] != '\n') {
        if (length < sizeof line - 1) line[length++] = chunk[i];
        continue;
      }
      line[length] = '\0';
      length = 0;
      if (*peak == 0) *peak = bytes_of(line, "VmHWM:"); /* comes first */
      *rss = bytes_of(line, "VmRSS:");
    }
  }
  (void)sys1(SYS_close, fd);
}

/*
 * Writes one refusal. A size that no memory at all could satisfy is none: libc turns down an overflowing calloc, or
 * more than PTRDIFF_MAX, before it asks anybody. A program that runs into refusals in a loop must not be slowed down by
 * it, so /proc is read for a process' first one, and then seldom.
 */
COLD static void note(enum kind kind, uint64_t size) {
  if (size == 0 || size > PTRDIFF_MAX) return;
  if (atomic_load(&tried) == 0) attach();
  struct slot *mine = own_slot();
  if (mine == NULL) return;

  uint32_t pid = (uint32_t)sys0(SYS_getpid); /* asked each time: this may be a fork of the process that attached */
  static _Atomic uint32_t noted_pid;
  static _Atomic uint32_t noted_count;
  uint32_t count = atomic_fetch_add(&noted_count, 1);
  if (atomic_exchange(&noted_pid, pid) != pid || count % READ_MEMORY_EVERY == 0) {
    uint64_t peak;
    uint64_t rss;
    read_memory(&peak, &rss);
    atomic_store(&mine->rss_at_refusal, rss);
    raise_to(&mine->peak_rss, peak);
  }
  atomic_store(&mine->last, size);
  atomic_store(&mine->last_pid, pid);
  atomic_store(&mine->last_kind, (uint32_t)kind);
  raise_to(&mine->largest, size);
  atomic_fetch_add(&mine->refusals, 1); /* last: who sees the count sees the rest */
}

static int out_of_memory(void) { return __errno_location != NULL && *__errno_location() == ENOMEM; }

/* Answers NULL, so that callers can end in a jump to it and need no frame for more than the call before. */
COLD static void *allocation_failed(uint64_t size) {
  if (out_of_memory()) note(KIND_MALLOC, size);
  return NULL;
}

#if WITNESS_PEAK_AT_EXIT
__attribute__((destructor)) static void end(void) {
  struct slot *mine = own_slot();
  if (mine == NULL) return;
  uint64_t peak;
  uint64_t rss;
  read_memory(&peak, &rss);
  raise_to(&mine->peak_rss, peak);
}
#endif

/* ---- What programs call ----------------------------------------------------------------------------------------- */

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
  if (UNLIKELY(error == ENOMEM)) note(KIND_MALLOC, size);
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

/*
 * ENOMEM from the kernel is not always about memory. Left out, because a larger limit would not help and programs that
 * try their luck this way go on without: huge pages, of which there is a pool apart; the crowded lowest 2 GiB.
 */
#ifdef MAP_32BIT
#define APART (MAP_HUGETLB | MAP_32BIT)
#else
#define APART MAP_HUGETLB
#endif

EXPORT void *mmap(void *address, size_t length, int protection, int flags, int fd, int64_t offset) {
  void *result = NEXT(mmap)(address, length, protection, flags, fd, offset);
  if (UNLIKELY(result == (void *)-1) && (flags & APART) == 0 && out_of_memory()) note(KIND_MMAP, length);
  return result;
}

EXPORT void *mmap64(void *, size_t, int, int, int, int64_t) __attribute__((alias("mmap")));

/* libc's is variadic; the fifth argument is passed alike, and ignored without MREMAP_FIXED. */
EXPORT void *mremap(void *old, size_t old_length, size_t length, int flags, void *address) {
  void *result = NEXT(mremap)(old, old_length, length, flags, address);
  /* Without MAYMOVE, ENOMEM says as a rule that the neighbouring addresses are taken. */
  if (UNLIKELY(result == (void *)-1) && (flags & MREMAP_MAYMOVE) != 0 && out_of_memory()) note(KIND_MREMAP, length);
  return result;
}

/* Only making pages writable asks for memory, and ENOMEM is also the answer for a hole in the range, as msync's is. */
EXPORT int mprotect(void *address, size_t length, int protection) {
  int result = NEXT(mprotect)(address, length, protection);
  if (UNLIKELY(result != 0) && (protection & PROT_WRITE) != 0 && out_of_memory() &&
      sys3(SYS_msync, (long)address, (long)length, 1 /* MS_ASYNC */) != -ENOMEM) {
    note(KIND_MPROTECT, length);
  }
  return result;
}
