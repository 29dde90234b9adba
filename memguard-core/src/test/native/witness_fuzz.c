/*
 * Tests what the witness reads and writes, from within and with a kernel that is played: settings and lines of /proc of every
 * kind, a clock that stands still, processes that are gone. Built with sanitizers.
 *
 *   witness-fuzz ROUNDS
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "witness_slot.c"

static uint64_t state = 88172645463325252ULL;
static uint32_t draw(uint32_t bound) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (uint32_t)((state >> 11) % bound);
}

#define EXPECT(condition) ((condition) ? (void)0 : wrong(__LINE__, #condition))
static void wrong(int line, const char *what) {
  fprintf(stderr, "witness-fuzz: line %d: %s\n", line, what);
  exit(1);
}

/* ---- The kernel ---- */

static _Alignas(LARGEST_PAGE) struct slot memory[2];
static struct {
  const char *status;
  size_t position;
  uint32_t largest_read;
  uint64_t clock;
  uint32_t pid, tid, gone;
  int opened, seccomp, denied, full, written;
} kernel = {.status = "", .largest_read = 512, .clock = 5 * SECOND, .pid = 100, .tid = 100};

long fake_syscall(long number, long a, long b, long c) {
  switch (number) {
    case SYS_openat:
      if (kernel.denied) return -EACCES;
      if (strcmp((const char *)b, "/proc/self/status") == 0) kernel.opened++;
      kernel.position = 0;
      return 5;
    case SYS_read: {
      size_t left = strlen(kernel.status + kernel.position);
      size_t got = 1 + draw(kernel.largest_read);
      if (got > left) got = left;
      if (got > (size_t)c) got = (size_t)c;
      memcpy((void *)b, kernel.status + kernel.position, got);
      kernel.position += got;
      return (long)got;
    }
    case SYS_write:
      EXPECT(a == 5 && c == 4 && memcmp((const void *)b, "1000", 4) == 0);
      if (kernel.full) return -ENOMEM;
      kernel.written++;
      return c;
    case SYS_lseek: return sizeof memory;
    case SYS_mmap: return (long)memory;
    case SYS_getpid: return (long)kernel.pid;
    case SYS_gettid: return (long)kernel.tid;
    case SYS_kill: return (uint32_t)a == kernel.gone || kernel.gone == UINT32_MAX ? -ESRCH : 0;
    case SYS_prctl:
      if (a == PR_GET_SECCOMP) return kernel.seccomp;
      snprintf((char *)b, NAME_BYTES, "p%u", kernel.pid);
      return 0;
    case SYS_clock_gettime:
      *(struct timespec *)b = (struct timespec){(long)(kernel.clock / SECOND), (long)(kernel.clock % SECOND)};
      return 0;
    case SYS_prlimit64: /* the fourth argument is not passed on: unlimited */
    case SYS_close: return 0;
    default: wrong((int)number, "an unexpected system call");
  }
  return -ENOSYS;
}

void answer_to(uint32_t question, _Atomic uint32_t *answer) { (void)question, (void)answer; }

/* ---- The setting ---- */

/* What follows, without the zeros that a number may begin with. */
static const char *skip_zeros(const char *text) {
  while (text[0] == '0' && text[1] >= '0' && text[1] <= '9') text++;
  return text;
}

static void one_setting(void) {
  static const char alphabet[] = "/proc/0123456789:fdself- +x\xff\n";
  static const char *const good[] = {"/proc/1/fd/2:3:4", "/proc/4194304/fd/1048576:4095:4294967295", "/proc/self/fd/0:00:007"};
  char text[128] = "";
  strcpy(text, good[draw(3)]);
  size_t length = strlen(text);
  for (uint32_t i = draw(4); i > 0; i--) {
    size_t at = draw((uint32_t)length + 1);
    char c = alphabet[draw(sizeof alphabet)];
    switch (draw(4)) {
      case 0: text[at] = c; break;
      case 1: memmove(text + at + 1, text + at, length - at + 1), text[at] = c; break;
      case 2: memmove(text + at, text + at + 1, length - at + 1); break;
      default: /* very long */
        while (length < 60 + draw(12)) text[length++] = alphabet[draw(18)];
    }
    text[length < 100 ? length + 1 : 100] = '\0';
    length = strlen(text);
    text[length + 1] = '\0';
  }
  char *exact = malloc(length + 1); /* so that a byte too far is seen */
  EXPECT(exact != NULL);
  memcpy(exact, text, length + 1);
  struct place place;
  if (parse(exact, &place)) {
    EXPECT(strlen(place.path) < PATH_BYTES && strncmp(place.path, "/proc/", 6) == 0);
    size_t path = strcspn(exact, ":");
    EXPECT(strlen(place.path) == path && memcmp(place.path, exact, path) == 0 && exact[path] == ':');
    char numbers[32];
    snprintf(numbers, sizeof numbers, "%u", place.index);
    const char *index = skip_zeros(exact + path + 1);
    EXPECT(strncmp(index, numbers, strlen(numbers)) == 0 && index[strlen(numbers)] == ':');
    snprintf(numbers, sizeof numbers, "%u", place.generation);
    EXPECT(strcmp(skip_zeros(strchr(index, ':') + 1), numbers) == 0);
  }
  free(exact);
}

/* ---- /proc/self/status ---- */

#define STATUS                                                                                                                 \
  "Name:\tVmData:\nUmask:\t0022\nGroups:\t1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 \n" \
  "VmPeak:\t   99999 kB\nVmSize:\t   12345 kB\nVmLck:\t       0 kB\nVmHWM:\t    6789 kB\nVmRSS:\t    4567 kB\n"             \
  "RssAnon:\t     100 kB\nVmData:\t     321 kB\nVmStk:\t     132 kB\nThreads:\t1\n"

static void one_status(void) {
  char text[sizeof STATUS];
  memcpy(text, STATUS, sizeof STATUS);
  kernel.status = text;
  kernel.position = 0;
  kernel.largest_read = 1 + draw(600);
  uint64_t sizes[SIZES] = {0};
  read_sizes(sizes);
  EXPECT(sizes[VM_SIZE] == 12345 << 10 && sizes[VM_HWM] == 6789 << 10 && sizes[VM_RSS] == 4567 << 10 && sizes[VM_DATA] == 321 << 10);
  for (uint32_t i = 1 + draw(8); i > 0; i--) text[draw(sizeof STATUS - 1)] = (char)(1 + draw(255));
  read_sizes((uint64_t[SIZES]){0});
  kernel.status = STATUS;
}

/* ---- Records ---- */

static void begin_launch(void) {
  memset(memory, 0, sizeof memory);
  memory[1].generation = 7;
  static char setting[] = "MEMGUARD_WITNESS=/proc/1/fd/2:1:7";
  static char *variables[] = {setting, NULL};
  environ = variables;
  tried = 0;
  attach();
  EXPECT(memory[1].attached == 1 && memory[0].attached == 0);
}

static struct record *record(int i) { return &memory[1].records[i]; }

static void a_loop_of_refusals_reads_proc_seldom(void) {
  begin_launch();
  kernel.opened = 0;
  for (int i = 0; i < 10000; i++) note(KIND_MALLOC, ENOMEM, 1);
  EXPECT(kernel.opened == 1 && record(0)->refusals == 10000);
  kernel.clock += SECOND / 10 - 1;
  note(KIND_MALLOC, ENOMEM, 1);
  EXPECT(kernel.opened == 1);
  kernel.clock += 1;
  for (int i = 0; i < 10000; i++) note(KIND_MALLOC, ENOMEM, 1);
  EXPECT(kernel.opened == 2 && record(0)->memory.data == 321 << 10);
  tried = 0;
  attach(); /* as another program, which has other memory */
  note(KIND_MALLOC, ENOMEM, 1);
  EXPECT(kernel.opened == 3);
}

static void what_is_being_written_is_left_to_the_writer(void) {
  begin_launch();
  note(KIND_MMAP, ENOMEM, 5);
  record(0)->version++; /* as if another thread were at it */
  note(KIND_MALLOC, ENOMEM, 9);
  EXPECT(record(0)->bytes == 5 && record(0)->kind == KIND_MMAP && record(0)->refusals == 2 && memory[1].largest == 9);
  begin_launch();
  note(KIND_MMAP, ENOMEM, 5);
  record(0)->version++; /* and that thread is gone, because another executed a program */
  tried = 0;
  attach();
  EXPECT(record(0)->kind == 0 && record(0)->version % 2 == 0);
  note(KIND_FORK, EAGAIN, 0);
  EXPECT(record(0)->kind == KIND_FORK);
  note(KIND_MALLOC, ENOMEM, 9);
  EXPECT(record(0)->bytes == 9 && record(0)->version % 2 == 0 && record(0)->programs == 2);
}

static void what_was_not_memory_gives_way_to_what_was(void) {
  begin_launch();
  note(KIND_FORK, EAGAIN, 0);
  EXPECT(record(0)->kind == KIND_FORK && record(0)->spawns == 1 && memory[1].refusals == 0);
  note(KIND_MMAP, EAGAIN, 64);
  EXPECT(record(0)->kind == KIND_MMAP && record(0)->refusals == 0 && record(0)->largest == 0);
  note(KIND_BRK, ENOMEM, 8);
  note(KIND_MMAP, EAGAIN, 64);
  note(KIND_SPAWN, ENOMEM, 0);
  EXPECT(record(0)->kind == KIND_BRK && record(0)->bytes == 8 && record(0)->spawns == 2 && memory[1].refusals == 1);
  note(KIND_THREAD, EAGAIN, 4096);
  EXPECT(record(0)->kind == KIND_THREAD && record(0)->threads == 1 && record(0)->largest == 8);
}

static void each_process_has_its_own_as_long_as_there_is_room(void) {
  begin_launch();
  for (uint32_t i = 0; i < 30; i++) {
    kernel.pid = kernel.tid = 200 + i;
    note(KIND_MALLOC, ENOMEM, 10 + i);
    note(KIND_MALLOC, ENOMEM, 10 + i);
  }
  for (uint32_t i = 1; i < RECORDS; i++) {
    EXPECT(record((int)i)->pid == 199 + i && record((int)i)->refusals == 2 && record((int)i)->bytes == 9 + i);
  }
  EXPECT(record(0)->pid == 100 && record(0)->refusals == 0);
  EXPECT(memory[1].refusals == 60 && memory[1].without_room == 32 && memory[1].largest == 39);
  kernel.pid = kernel.tid = 100;
}

static void whoever_is_gone_makes_room_if_it_has_nothing_to_tell(void) {
  begin_launch();
  for (uint32_t i = 0; i < 30; i++) {
    kernel.pid = kernel.tid = 200 + i;
    tried = 0;
    attach();
    if (i == 3) note(KIND_MALLOC, ENOMEM, 1);
  }
  kernel.gone = 205;
  note(KIND_MALLOC, ENOMEM, 2);
  EXPECT(record(6)->pid == 229 && record(6)->programs == 0 && strcmp((const char *)record(6)->name, "p229") == 0);
  record(2)->version = 1; /* killed while it told of its first */
  kernel.gone = UINT32_MAX; /* all of them */
  for (uint32_t i = 0; i < 30; i++) {
    kernel.pid = kernel.tid = 300 + i;
    note(KIND_MALLOC, ENOMEM, 3);
  }
  EXPECT(record(0)->pid == 100 && record(2)->pid == 201 && record(4)->pid == 203 && record(6)->pid == 229);
  EXPECT(record(1)->pid == 300 && record(14)->pid == 310);
  EXPECT(memory[1].without_room == 19 && memory[1].refusals == 32);
  kernel.pid = kernel.tid = 100;
  kernel.gone = 0;
}

/* As the parent frees it. */
static void free_record(int i) {
  memset(&record(i)->programs, 0, sizeof *record(i) - sizeof record(i)->pid);
  record(i)->pid = 0;
}

static void note_as(uint32_t pid) {
  kernel.pid = kernel.tid = pid;
  note(KIND_MALLOC, ENOMEM, 1);
}

static void what_the_parent_freed_is_the_next_ones(void) {
  begin_launch();
  for (uint32_t i = 1; i < RECORDS; i++) note_as(200 + i);
  free_record(3);
  note_as(207);
  EXPECT(record(7)->refusals == 2 && record(3)->pid == 0); /* its own is behind the free one */
  note_as(300);
  EXPECT(record(3)->pid == 300 && record(3)->refusals == 1 && strcmp((const char *)record(3)->name, "p300") == 0);
  free_record(3); /* it only seemed gone */
  note_as(300);
  EXPECT(record(3)->pid == 300 && record(3)->refusals == 1);
  kernel.gone = UINT32_MAX;
  note_as(301); /* those that are gone and not freed keep what they have to tell */
  EXPECT(memory[1].without_room == 1 && memory[1].refusals == 18);
  kernel.pid = kernel.tid = 100;
  kernel.gone = 0;
}

static void a_descendant_stands_in_front_once_and_tries_until_it_does(void) {
  begin_launch();
  kernel.pid = kernel.tid = 101;
  forked();
  EXPECT(kernel.written == 0); /* nobody asked for it */
  memory[1].workers_first = 1;
  kernel.denied = 1;
  forked();
  kernel.denied = 0;
  kernel.full = 1;
  forked();
  kernel.full = 0;
  EXPECT(kernel.written == 0);
  kernel.pid = kernel.tid = 100;
  forked();
  EXPECT(kernel.written == 0); /* the child itself */
  kernel.pid = kernel.tid = 101;
  forked();
  forked();
  EXPECT(kernel.written == 1);
  kernel.pid = kernel.tid = 100;
}

static void whoever_locked_itself_in_is_asked_nothing(void) {
  begin_launch();
  kernel.seccomp = 2;
  kernel.denied = 1;
  kernel.opened = 0;
  kernel.pid = 101; /* what a system call would say */
  note(KIND_MALLOC, ENOMEM, 2);
  EXPECT(kernel.opened == 0 && record(0)->refusals == 1 && record(0)->tid == 0 && record(0)->at == 0 && record(0)->bytes == 2);
  EXPECT(!may_ask());
  kernel.denied = 0;
  begin_launch(); /* one that was so from the start is asked, as in containers */
  kernel.denied = 1;
  note(KIND_MALLOC, ENOMEM, 2);
  EXPECT(record(0)->pid == 101 && record(0)->tid == 100 && record(0)->at == kernel.clock && record(0)->memory.data == 0);
  EXPECT(may_ask());
  kernel.pid = 100;
  kernel.seccomp = kernel.denied = 0;
}

int main(int argc, char **argv) {
  long rounds = argc > 1 ? atol(argv[1]) : 1000;
  for (long i = 0; i < rounds; i++) one_setting();
  for (long i = 0; i < rounds / 10; i++) one_status();
  a_loop_of_refusals_reads_proc_seldom();
  what_is_being_written_is_left_to_the_writer();
  what_was_not_memory_gives_way_to_what_was();
  each_process_has_its_own_as_long_as_there_is_room();
  whoever_is_gone_makes_room_if_it_has_nothing_to_tell();
  what_the_parent_freed_is_the_next_ones();
  a_descendant_stands_in_front_once_and_tries_until_it_does();
  whoever_locked_itself_in_is_asked_nothing();
  return 0;
}
