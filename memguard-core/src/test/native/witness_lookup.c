/*
 * Compares how the witness looks names up with a plain search, in all objects that are loaded into this program: their own names,
 * and names changed at random. Built with sanitizers.
 *
 *   witness-lookup ROUNDS
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "witness_next.c"

static uint64_t state = 88172645463325252ULL;
static uint32_t draw(uint32_t bound) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (uint32_t)((state >> 11) % bound);
}

/* How many symbols there are: one more than the last that the hash table leads to. */
static uint32_t count_symbols(const struct object *object) {
  if (object->gnu_hash == NULL) return object->sysv_hash == NULL ? 0 : object->sysv_hash[1];
  const uint32_t *table = object->gnu_hash;
  const uint32_t *buckets = (const uint32_t *)((const ElfW(Addr) *)(table + 4) + table[2]);
  uint32_t last = 0;
  for (uint32_t i = 0; i < table[0]; i++) {
    if (buckets[i] > last) last = buckets[i];
  }
  if (last < table[1]) return table[1];
  while ((buckets[table[0] + last - table[1]] & 1) == 0) last++;
  return last + 1;
}

struct symbol {
  const char *name;
  uintptr_t value;
};

static int by_name(const void *a, const void *b) {
  return strcmp(((const struct symbol *)a)->name, ((const struct symbol *)b)->name);
}

/* All functions of an object under their default version, in order. */
static size_t list(const struct object *object, struct symbol **functions) {
  uint32_t all = count_symbols(object);
  uint32_t first = object->gnu_hash != NULL ? object->gnu_hash[1] : 1;
  size_t count = 0;
  *functions = calloc(all + 1, sizeof **functions);
  for (uint32_t i = first; i < all; i++) {
    const ElfW(Sym) *symbol = &object->symbols[i];
    if (symbol->st_shndx == SHN_UNDEF || ELF64_ST_TYPE(symbol->st_info) != STT_FUNC) continue;
    if (object->versions != NULL && (object->versions[i] & 0x8000) != 0) continue;
    (*functions)[count++] = (struct symbol){object->strings + symbol->st_name, object->base + symbol->st_value};
  }
  qsort(*functions, count, sizeof **functions, by_name);
  return count;
}

static void compare(const struct object *object, const struct symbol *functions, size_t count, const char *name) {
  struct symbol wanted = {name, 0};
  const struct symbol *right = bsearch(&wanted, functions, count, sizeof *functions, by_name);
  uintptr_t found = (uintptr_t)find(object, name);
  if ((right == NULL) == (found == 0) && (right == NULL || right->value == found)) return;
  fprintf(stderr, "witness-lookup: %s: %#lx\n", name, (unsigned long)found);
  exit(1);
}

int main(int argc, char **argv) {
  long rounds = argc > 1 ? atol(argv[1]) : 1000;
  size_t objects = 0;
  size_t names_seen = 0;
  for (const struct link_map *map = _r_debug.r_map; map != NULL; map = map->l_next) {
    struct object object = describe(map);
    struct symbol *functions;
    size_t count = list(&object, &functions);
    objects++;
    names_seen += count;
    for (size_t i = 0; i < count; i++) compare(&object, functions, count, functions[i].name);
    for (long i = 0; i < rounds && count > 0; i++) {
      char name[64];
      snprintf(name, sizeof name, "%s", functions[draw((uint32_t)count)].name);
      if (name[0] == '\0') continue;
      uint32_t at = draw((uint32_t)strlen(name));
      if (draw(2)) name[at] = '\0';
      else name[at] = (char)(1 + draw(255));
      char *exact = strdup(name);
      compare(&object, functions, count, exact);
      free(exact);
    }
    free(functions);
  }
  printf("%zu objects, %zu functions\n", objects, names_seen);
  return objects < 2 || names_seen < 1000;
}
