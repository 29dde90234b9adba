/* The renderer of docs/catalogue.md: static, and never done. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TILE = 1 << 20 };

int main(void) {
  char *tile;
  while ((tile = malloc(TILE)) != NULL)
    memset(tile, 1, TILE);
  fputs("render: out of tiles\n", stderr);
  return 9;
}
