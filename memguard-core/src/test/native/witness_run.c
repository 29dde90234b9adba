/*
 * Runs COMMAND with the witness preloaded, as memguard would, and prints what the shared slot then says, in one line on
 * the file RESULT:
 *
 *   status=0 attached=1 refusals=1 largest=… last=… pid=child|NUMBER kind=1 rss=… peak=… stray=0
 *
 * stray counts bytes of the file that changed and do not belong to the slot; with --ask, " answer=…" follows. Options, before
 * COMMAND:
 *   --preload LIST     LD_PRELOAD; without it nothing is preloaded
 *   --setting TEXT     MEMGUARD_WITNESS, where %p is this process and %f the descriptor; default /proc/%p/fd/%f:1:7
 *   --slot N           the slot that is handed out (default 1); --setting must agree
 *   --size BYTES       of the file (default 1 MiB, the whole page table of slots)
 *   --ask              has the witness try what limits stop here
 *   --retire           when the child has attached, hands the slot to another launch, then closes the child's stdin
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define GENERATION 7
#define ALL_BYTES (1 << 20)
#define PATIENCE_SECONDS 30

extern char **environ;

struct slot {
  volatile uint32_t generation, attached;
  volatile uint64_t refusals, largest, last;
  volatile uint32_t pid, kind;
  volatile uint64_t rss, peak;
  volatile uint32_t question, answer;
};

static void fail(const char *what) {
  fprintf(stderr, "witness-run: %s: %s\n", what, strerror(errno));
  exit(125);
}

static void write_setting(const char *text, int fd) {
  char value[256] = "MEMGUARD_WITNESS=";
  for (; *text != '\0'; text++) {
    size_t length = strlen(value);
    if (length > sizeof value - 16) break;
    if (text[0] == '%' && text[1] == 'p') {
      snprintf(&value[length], sizeof value - length, "%d", getpid());
      text++;
    } else if (text[0] == '%' && text[1] == 'f') {
      snprintf(&value[length], sizeof value - length, "%d", fd);
      text++;
    } else {
      value[length] = *text;
    }
  }
  if (putenv(strdup(value)) != 0) fail("putenv");
}

/* Waits until the child is attached, or is gone. */
static void await_attached(pid_t child, const struct slot *slot) {
  siginfo_t info = {0};
  while (slot->attached == 0 && info.si_pid == 0) {
    if (waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT) != 0) fail("waitid");
    sched_yield();
  }
}

int main(int argc, char **argv) {
  const char *preload = NULL;
  const char *setting = "/proc/%p/fd/%f:1:7";
  size_t slot_number = 1;
  size_t bytes = ALL_BYTES;
  int retire = 0;
  int ask = 0;
  if (argc < 3) return 125;
  FILE *result = fopen(argv[1], "we");
  if (result == NULL) fail(argv[1]);
  int next = 2;
  for (; next < argc && strncmp(argv[next], "--", 2) == 0; next++) {
    if (strcmp(argv[next], "--retire") == 0) retire = 1;
    else if (strcmp(argv[next], "--ask") == 0) ask = 1;
    else if (next + 1 == argc) return 125;
    else if (strcmp(argv[next], "--preload") == 0) preload = argv[++next];
    else if (strcmp(argv[next], "--setting") == 0) setting = argv[++next];
    else if (strcmp(argv[next], "--slot") == 0) slot_number = strtoul(argv[++next], NULL, 10);
    else if (strcmp(argv[next], "--size") == 0) bytes = strtoul(argv[++next], NULL, 10);
    else return 125;
  }
  if (next == argc) return 125;

  int fd = memfd_create("slots", MFD_CLOEXEC);
  if (fd < 0 || ftruncate(fd, ALL_BYTES) != 0) fail("memfd_create");
  unsigned char *file = mmap(NULL, ALL_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (file == MAP_FAILED) fail("mmap");
  struct slot *slot = (struct slot *)(file + slot_number * sizeof(struct slot));
  slot->generation = GENERATION;
  slot->question = (uint32_t)ask;
  if (bytes < ALL_BYTES && ftruncate(fd, (off_t)bytes) != 0) fail("ftruncate");

  write_setting(setting, fd);
  if (preload != NULL && setenv("LD_PRELOAD", preload, 1) != 0) fail("setenv");
  int ends[2];
  posix_spawn_file_actions_t actions;
  errno = posix_spawn_file_actions_init(&actions);
  if (errno != 0 || pipe2(ends, O_CLOEXEC) != 0) fail("pipe2");
  if (retire && posix_spawn_file_actions_adddup2(&actions, ends[0], 0) != 0) fail("adddup2");
  pid_t child;
  int status;
  errno = posix_spawnp(&child, argv[next], &actions, NULL, &argv[next], environ);
  if (errno != 0) fail(argv[next]);
  if (retire) {
    alarm(PATIENCE_SECONDS); /* ends this program; the child then sees the end of its stdin */
    await_attached(child, slot);
    slot->generation = GENERATION + 1;
  }
  posix_spawn_file_actions_destroy(&actions);
  close(ends[0]);
  close(ends[1]);
  if (waitpid(child, &status, 0) != child) fail("waitpid");

  if (bytes < ALL_BYTES && ftruncate(fd, ALL_BYTES) != 0) fail("ftruncate");
  struct slot seen = *slot;
  memset((void *)slot, 0, sizeof *slot);
  size_t stray = seen.question != (uint32_t)ask;
  for (size_t i = 0; i < ALL_BYTES; i++) stray += file[i] != 0;
  char pid[16] = "child";
  if (seen.pid != (uint32_t)child) snprintf(pid, sizeof pid, "%u", seen.pid);
  if (!ask) stray += seen.answer != 0;
  fprintf(result, "status=%d attached=%u refusals=%llu largest=%llu last=%llu pid=%s kind=%u rss=%llu peak=%llu stray=%zu",
          status, seen.attached, (unsigned long long)seen.refusals, (unsigned long long)seen.largest,
          (unsigned long long)seen.last, pid, seen.kind, (unsigned long long)seen.rss, (unsigned long long)seen.peak, stray);
  if (ask) fprintf(result, " answer=%u", seen.answer);
  fputc('\n', result);
  return fclose(result) == 0 ? 0 : 125;
}
