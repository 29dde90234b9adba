/*
 * Trees of processes that have memory in every way, for the tests of what is read about them.
 *
 *   tree-actor ACT MIB [MORE]    says "ready" when it has what it is to have, and ends when its stdin does
 *
 * Whoever is started by it ends with it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static size_t bytes;

static void check(int good, const char *what) {
  if (good) return;
  perror(what);
  exit(9);
}

static void say(const char *line) { check(write(1, line, strlen(line)) > 0, "write"); }

static void await_line(void) {
  char c = 0;
  while (c != '\n') {
    if (read(0, &c, 1) != 1) _exit(0);
  }
}

static void await_end(void) {
  for (;;) await_line();
}

static char *memory(int flags, int fd) {
  char *all = mmap(0, bytes, PROT_READ | PROT_WRITE, flags, fd, 0);
  check(all != MAP_FAILED, "mmap");
  return all;
}

static char *touched(char *all) {
  for (size_t i = 0; i < bytes; i += 4096) all[i]++;
  return all;
}

/* A child that ends when its parent does, if that is asked for. */
static int start(int tied) {
  pid_t parent = getpid();
  int pid = fork();
  check(pid >= 0, "fork");
  if (pid == 0 && tied) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(0);
  }
  return pid;
}

static void fill(int fd) {
  check(fd >= 0, "open");
  char block[65536];
  memset(block, 1, sizeof block);
  for (size_t i = 0; i < bytes; i += sizeof block) check(write(fd, block, sizeof block) == sizeof block, "write");
}

/* Workers that have what the parent had before the fork, and with the next line each its own copy. */
static void workers(int count) {
  char *all = touched(memory(MAP_PRIVATE | MAP_ANONYMOUS, -1));
  int go[2], done[2];
  check(pipe(go) == 0 && pipe(done) == 0, "pipe");
  for (int i = 0; i < count; i++) {
    if (start(1) == 0) {
      char c;
      if (read(go[0], &c, 1) != 1) _exit(9);
      touched(all);
      if (write(done[1], "", 1) != 1) _exit(9);
      for (;;) pause();
    }
  }
  say("ready\n");
  await_line();
  for (int i = 0; i < count; i++) {
    char c;
    check(write(go[1], "", 1) == 1 && read(done[0], &c, 1) == 1, "pipe");
  }
  say("unshared\n");
  await_end();
}

/* A child between vfork and exec, which has its parent's memory. */
static void before_exec(void) {
  touched(memory(MAP_PRIVATE | MAP_ANONYMOUS, -1));
  if (vfork() == 0) {
    say("ready\n");
    await_end();
  }
}

static void shared_by_two(void) {
  char *all = touched(memory(MAP_SHARED | MAP_ANONYMOUS, -1));
  int ready[2];
  char c;
  check(pipe(ready) == 0, "pipe");
  if (start(1) == 0) {
    touched(all);
    if (write(ready[1], "", 1) != 1) _exit(9);
    for (;;) pause();
  }
  check(read(ready[0], &c, 1) == 1, "read");
  say("ready\n");
  await_end();
}

/* Lives on in a session of its own, with init for a parent. It tells its pid. */
static void away(void) {
  int ready[2];
  check(pipe(ready) == 0, "pipe");
  if (start(0) == 0) {
    setsid();
    if (start(0) == 0) {
      touched(memory(MAP_PRIVATE | MAP_ANONYMOUS, -1));
      pid_t pid = getpid();
      if (write(ready[1], &pid, sizeof pid) != sizeof pid) _exit(9);
      await_end();
    }
    _exit(0);
  }
  wait(0);
  pid_t pid;
  check(read(ready[0], &pid, sizeof pid) == sizeof pid, "read");
  printf("%d\n", pid);
  fflush(stdout);
  await_end();
}

static void *with_a_stack(void *touched_stacks) {
  volatile char stack[64 * 1024];
  for (size_t i = 0; i < sizeof stack; i += 4096) stack[i] = 1;
  sem_post(touched_stacks);
  for (;;) pause();
  return 0;
}

static void threads(int count) {
  static sem_t touched_stacks;
  pthread_t thread;
  for (int i = 0; i < count; i++) check(pthread_create(&thread, 0, with_a_stack, &touched_stacks) == 0, "pthread_create");
  for (int i = 0; i < count; i++) check(sem_wait(&touched_stacks) == 0, "sem_wait");
  touched(memory(MAP_PRIVATE | MAP_ANONYMOUS, -1));
  say("ready\n");
  await_end();
}

static void *after_main(void *main_thread) {
  check(pthread_join(*(pthread_t *)main_thread, 0) == 0, "pthread_join");
  touched(memory(MAP_PRIVATE | MAP_ANONYMOUS, -1));
  say("ready\n");
  await_end();
  return 0;
}

static void headless(void) {
  static pthread_t self;
  pthread_t thread;
  self = pthread_self();
  check(pthread_create(&thread, 0, after_main, &self) == 0, "pthread_create");
  pthread_exit(0);
}

/* Always has some children that were just forked, exec or end at once; at every time it has its memory once. */
static void fork_all_the_time(void) {
  touched(memory(MAP_PRIVATE | MAP_ANONYMOUS, -1));
  int parent = getpid();
  if (start(1) == 0) {
    for (int i = 0;; i++) {
      int pid = i % 3 == 2 ? vfork() : fork();
      if (pid == 0) {
        if (i % 3 == 1) _exit(0);
        execl("/bin/true", "true", (char *)0);
        _exit(9);
      }
      if (i >= 4) wait(0);
      if (getppid() != parent) _exit(0);
    }
  }
  say("ready\n");
  await_end();
}

int main(int count, char **words) {
  if (count < 3) return 8;
  const char *act = words[1];
  bytes = (size_t)atol(words[2]) << 20;
  const char *more = count > 3 ? words[3] : "";
  if (!strcmp(act, "workers")) workers(atoi(more));
  else if (!strcmp(act, "before_exec")) before_exec();
  else if (!strcmp(act, "shared_by_two")) shared_by_two();
  else if (!strcmp(act, "away")) away();
  else if (!strcmp(act, "threads")) threads(atoi(more));
  else if (!strcmp(act, "headless")) headless();
  else if (!strcmp(act, "forks")) fork_all_the_time();
  else {
    int in_memory = !strncmp(act, "memfd", 5);
    int fd = in_memory ? memfd_create("test", MFD_CLOEXEC) : open(more, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (strstr(act, "later")) {
      say("ready\n");
      for (;;) {
        await_line();
        fill(fd);
        say("written\n");
      }
    }
    fill(fd);
    if (strstr(act, "mapped")) touched(memory(MAP_SHARED, fd));
    if (strstr(act, "closed")) close(fd);
    if (strstr(act, "two") && start(1) == 0) {
      for (;;) pause();
    }
    say("ready\n");
    await_end();
  }
  return 0;
}
