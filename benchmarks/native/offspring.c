/*
 * A program that makes threads or processes, one after the other, and waits for each.
 *
 *   offspring threads|forks COUNT
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void *nothing(void *unused) { return unused; }

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  for (long n = atol(argv[2]); n > 0; n--) {
    if (strcmp(argv[1], "threads") == 0) {
      pthread_t thread;
      if (pthread_create(&thread, NULL, nothing, NULL) != 0 || pthread_join(thread, NULL) != 0) return 1;
    } else {
      pid_t child = fork();
      if (child == 0) _exit(0);
      if (child < 0 || waitpid(child, NULL, 0) != child) return 1;
    }
  }
  return 0;
}
