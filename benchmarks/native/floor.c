/*
 * The least a launch can cost: posix_spawn of /bin/true, nothing limited, no pipes, and waitpid. Prints two medians in
 * microseconds: launch to exit, launch to started.
 *
 *   floor LAUNCHES
 */
#define _GNU_SOURCE
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

static void fail(const char *what) {
  fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
  exit(1);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a;
  double y = *(const double *)b;
  return (x > y) - (x < y);
}

int main(int argc, char **argv) {
  extern char **environ;
  char *command[] = {"/bin/true", NULL};
  size_t launches = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
  if (launches == 0) {
    fprintf(stderr, "usage: floor LAUNCHES\n");
    return 2;
  }
  double *to_exit = calloc(launches, sizeof *to_exit);
  double *to_started = calloc(launches, sizeof *to_started);
  if (to_exit == NULL || to_started == NULL) fail("calloc");
  for (size_t i = 0; i < launches; i++) {
    pid_t pid;
    int status;
    double start = now();
    errno = posix_spawn(&pid, command[0], NULL, NULL, command, environ);
    if (errno != 0) fail("posix_spawn");
    to_started[i] = now() - start;
    if (waitpid(pid, &status, 0) != pid) fail("waitpid");
    to_exit[i] = now() - start;
  }
  qsort(to_exit, launches, sizeof *to_exit, by_value);
  qsort(to_started, launches, sizeof *to_started, by_value);
  printf("%.1f %.1f\n", to_exit[launches / 2], to_started[launches / 2]);
  return 0;
}
