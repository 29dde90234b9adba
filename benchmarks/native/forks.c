/*
 * Forks much while it holds nearly all that it may have: for a moment, each fork seems to double it.
 *
 *   forks MIB ROUNDS
 *
 * Holds MIB mebibytes, and in each round has eight children at once: some end at once, some read all of it first, some become
 * another program, after fork(2) and after vfork(2). Exits with 0 when all were right.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILDREN = 8, MIB = 1 << 20, PAGE = 4096 };

static char *held;
static size_t bytes;

static int count(void) {
  size_t pages = 0;
  for (size_t at = 0; at < bytes; at += PAGE) pages += held[at] == 'x';
  return pages == bytes / PAGE ? 0 : 1;
}

static pid_t start(int kind) {
  if (kind == 0) {
    pid_t pid = vfork();
    if (pid == 0) {
      execl("/bin/true", "true", (char *)NULL);
      _exit(1);
    }
    return pid;
  }
  pid_t pid = fork();
  if (pid == 0) {
    if (kind == 1) execl("/bin/true", "true", (char *)NULL);
    _exit(kind == 2 ? count() : kind == 1);
  }
  return pid;
}

int main(int arguments, char **argument) {
  if (arguments != 3) return 2;
  bytes = strtoull(argument[1], NULL, 10) * MIB;
  held = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (held == MAP_FAILED) return 1;
  memset(held, 'x', bytes);
  for (int round = atoi(argument[2]); round > 0; round--) {
    for (int child = 0; child < CHILDREN; child++) {
      if (start(child % 4) < 0) return 1;
    }
    for (int child = 0; child < CHILDREN; child++) {
      int status = 0;
      if (wait(&status) < 0 || status != 0) return 1;
    }
  }
  return 0;
}
