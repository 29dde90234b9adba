/*
 * Finds the next in line of what the witness stands in front of: in the loader's list of objects behind this one, which is
 * the order in which the loader binds symbols.
 *
 * Not by dlsym, which takes locks, may call calloc, and in older glibc is in a library that may not be loaded.
 */
#include <link.h>

#include "witness.h"
#include "witness_next.h"

#pragma GCC visibility push(hidden)
extern ElfW(Dyn) _DYNAMIC[];
#pragma GCC visibility pop

/* Each starts out as a function that looks all up and tries again, so that the common path has nothing to test. */
#define AS_FIRST_CALL(type, name, parameters, arguments, missing) static type first_##name parameters;
#define AS_START(type, name, parameters, arguments, missing) .name = first_##name,
INTERPOSED(AS_FIRST_CALL)
struct next next = {INTERPOSED(AS_START)};

#define AS_STRING(type, name, parameters, arguments, missing) #name,
static const char names[][16] = {INTERPOSED(AS_STRING)};
#define INTERPOSED_COUNT (sizeof names / sizeof names[0])
_Static_assert(sizeof(struct next) == INTERPOSED_COUNT * sizeof(void *), "resolve() fills next as an array");

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

/*
 * Finds everything at once. The objects loaded at start never leave the list, and libc, which has nearly all, is one of
 * them. Threads that come here together write the same.
 *
 * What is not found stays as it is, and is looked for again when it is called: libpthread, where it is a library of its
 * own (glibc before 2.34), may be loaded later. While the loader changes its list, that is left for the next call.
 */
COLD void resolve(void) {
  static _Atomic int resolved;
  const struct r_debug *debug = &_r_debug != NULL         ? &_r_debug
                                : &_dl_debug_addr != NULL ? _dl_debug_addr
                                                          : NULL;
  if (debug == NULL || (atomic_load(&resolved) != 0 && debug->r_state != RT_CONSISTENT)) return;
  const struct link_map *map = debug->r_map;
  while (map != NULL && map->l_ld != _DYNAMIC) map = map->l_next;
  void **members = (void **)&next;

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
  for (size_t i = 0; i < INTERPOSED_COUNT; i++) {
    if (found[i] != NULL) __atomic_store_n(&members[i], found[i], __ATOMIC_RELAXED);
  }
  atomic_store(&resolved, 1);
}

static int set_errno(int error) {
  if (__errno_location != NULL) *__errno_location() = error;
  return -1;
}

#define fails(error) set_errno(error)
#define without(error, result) (set_errno(error), (result))

#define AS_FIRST_CALL_BODY(type, name, parameters, arguments, missing) \
  COLD static type first_##name parameters {                           \
    resolve();                                                         \
    return NEXT(name) == first_##name ? missing : NEXT(name) arguments; \
  }
INTERPOSED(AS_FIRST_CALL_BODY)
