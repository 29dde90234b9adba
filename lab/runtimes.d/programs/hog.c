/* Takes a GiB in blocks of a MiB, and says so if it is refused one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void) {
  for (int i = 0; i < 1024; i++) {
    char *block = malloc(1 << 20);
    if (!block) {
      perror("hog: malloc");
      return 1;
    }
    memset(block, 1, 1 << 20);
  }
  return 0;
}
