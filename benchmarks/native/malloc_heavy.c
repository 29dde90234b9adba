/*
 * A program that does hardly anything but allocate: sizes as programs ask for them (most under 128 bytes, a few KiB now
 * and then), a working set of live blocks, callocs and growing reallocs among the mallocs.
 *
 *   malloc-heavy ROUNDS
 */
#include <stdint.h>
#include <stdlib.h>

#define LIVE 4096

int main(int argc, char **argv) {
  static void *live[LIVE];
  uint64_t random = 88172645463325252ULL;
  unsigned long rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 3000000;
  for (unsigned long i = 0; i < rounds; i++) {
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    size_t place = random % LIVE;
    size_t size = (random >> 20) % 100 < 95 ? 8 + (random >> 32) % 120 : 128 + (random >> 32) % 4096;
    switch ((random >> 12) % 8) {
      case 0:
        free(live[place]);
        live[place] = calloc(1, size);
        break;
      case 1: {
        void *grown = realloc(live[place], size);
        if (grown == NULL) return 1;
        live[place] = grown;
        break;
      }
      default:
        free(live[place]);
        live[place] = malloc(size);
    }
    if (live[place] == NULL) return 1;
    *(volatile char *)live[place] = (char)i;
  }
  return 0;
}
