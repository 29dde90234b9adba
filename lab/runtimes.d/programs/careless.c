/* Takes a GiB and never looks whether it was refused. */
#include <stdlib.h>
#include <string.h>

int main(void) {
  for (int i = 0; i < 1024; i++) memset(malloc(1 << 20), 1, 1 << 20);
  return 0;
}
