/*
 * Runs COMMAND with the witness preloaded, as memguard would, and prints what the shared slot then says: in one line on the
 * file RESULT, what is true of all processes and of the last refusal,
 *
 *   status=0 attached=1 refusals=1 largest=… last=… pid=child|NUMBER kind=1 errno=12 rss=… peak=… room=0 stray=0
 *
 * and then a line for each process, with the bytes it had and might have in its own memory:
 *
 *   pid=child name=sh programs=1 refusals=1 threads=0 spawns=0 largest=… bytes=… kind=1 errno=12 thread=main|other|none
 *     after=<milliseconds> data=… address=… data-limit=… address-limit=…
 *
 * room is the number of refusals without a record; stray counts bytes of the file that changed and do not belong to the slot;
 * with --ask, " answer=…" follows. Options, before COMMAND:
 *   --preload LIST     LD_PRELOAD; without it nothing is preloaded
 *   --setting TEXT     MEMGUARD_WITNESS, where %p is this process and %f the descriptor; default /proc/%p/fd/%f:1:7
 *   --slot N           the slot that is handed out (default 1); --setting must agree
 *   --size BYTES       of the file (default 1 MiB, 512 slots)
 *   --ask              has the witness try what limits stop here
 *   --retire           when the child has attached, hands the slot to another launch, then closes the child's stdin
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "witness_page.h"

#define GENERATION 7
#define ALL_BYTES (1 << 20)
#define PATIENCE_SECONDS 30

extern char **environ;

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

static const struct record nothing;

/* The record of the last refusal, or one of zeros. */
static const struct record *latest(const struct slot *slot) {
  const struct record *last = &nothing;
  for (size_t i = 0; i < 15; i++) {
    const struct record *record = &slot->records[i];
    if (record->kind != 0 && record->at >= last->at) last = record;
  }
  return last;
}

static const char *name_of(const struct record *record, pid_t child) {
  static char number[16];
  if (record->pid == (uint32_t)child) return "child";
  snprintf(number, sizeof number, "%u", record->pid);
  return number;
}

static void print(FILE *result, const struct slot *slot, const struct record *record, pid_t child) {
  const char *thread = record->tid == 0 ? "none" : record->tid == record->pid ? "main" : "other";
  uint64_t after = record->at == 0 ? 0 : (record->at - slot->began) / 1000000;
  fprintf(result, "pid=%s name=%.16s programs=%u refusals=%u threads=%u spawns=%u largest=%" PRIu64, name_of(record, child),
          record->name, record->programs, record->refusals, record->threads, record->spawns, record->largest);
  fprintf(result, " bytes=%" PRIu64 " kind=%u errno=%u thread=%s after=%" PRIu64, record->bytes, record->kind, record->error,
          thread, after);
  fprintf(result, " data=%" PRIu64 " address=%" PRIu64 " data-limit=%" PRId64 " address-limit=%" PRId64 "%s\n", record->data,
          record->address, (int64_t)record->data_limit, (int64_t)record->address_limit, record->version % 2 ? " torn" : "");
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
  struct slot seen;
  memcpy(&seen, (void *)slot, sizeof seen);
  memset((void *)slot, 0, sizeof *slot);
  size_t stray = seen.question != (uint32_t)ask;
  for (size_t i = 0; i < ALL_BYTES; i++) stray += file[i] != 0;
  if (!ask) stray += seen.answer != 0;
  const struct record *last = latest(&seen);
  fprintf(result, "status=%d attached=%u refusals=%" PRIu64 " largest=%" PRIu64 " last=%" PRIu64 " pid=%s kind=%u errno=%u", status,
          seen.attached, seen.refusals, seen.largest, last->bytes, name_of(last, child), last->kind, last->error);
  fprintf(result, " rss=%" PRIu64 " peak=%" PRIu64 " room=%u stray=%zu", last->rss, last->peak, seen.without_room, stray);
  if (ask) fprintf(result, " answer=%u", seen.answer);
  fputc('\n', result);
  for (size_t i = 0; i < 15 && seen.records[i].pid != 0; i++) print(result, &seen, &seen.records[i], child);
  return fclose(result) == 0 ? 0 : 125;
}
