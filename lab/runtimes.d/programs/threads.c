/* Starts 200 threads, and says so if it cannot. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void *wait_for_the_end(void *nothing) {
  pause();
  return nothing;
}

int main(void) {
  for (int i = 0; i < 200; i++) {
    pthread_t thread;
    int error = pthread_create(&thread, 0, wait_for_the_end, 0);
    if (error) {
      fprintf(stderr, "threads: pthread_create: %s\n", strerror(error));
      return 1;
    }
  }
  return 0;
}
