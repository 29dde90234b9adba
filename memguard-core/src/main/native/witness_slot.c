/*
 * The memory shared with the parent: a slot for each launch, in it a header and a record for each process that was refused
 * something, or that there was room for. Java's twin: WitnessPage.
 *
 * Nothing here waits or allocates, so that it may run in a signal handler, a vfork child, and a fork of a process with
 * threads. Counters are atomic, and always right. What is told of the last refusal is many words: whoever finds them being
 * written leaves them to the other.
 */
#include <errno.h>
#include <linux/fcntl.h>
#include <linux/mman.h>
#include <linux/prctl.h>
#include <linux/resource.h>
#include <linux/time.h>

#include "syscalls.h"
#include "witness.h"

/*
 * Writing the peak at exit as well costs every child some 30 us, and a child that has locked itself into a seccomp
 * filter may be killed for the open: off.
 */
#ifndef WITNESS_PEAK_AT_EXIT
#define WITNESS_PEAK_AT_EXIT 0
#endif

#define SETTING "MEMGUARD_WITNESS="
#define PATH_BYTES 64
#define STATUS_CHUNK 512
#define RECORDS 15
#define NAME_BYTES 16
#define SECOND 1000000000ULL
#define READ_MEMORY_EVERY (SECOND / 10)

/* What a process has, and may have, in bytes; as /proc/self/status and getrlimit know it. */
struct memory {
  _Atomic uint64_t data;
  _Atomic uint64_t address;
  _Atomic uint64_t rss;
  _Atomic uint64_t peak;
  _Atomic uint64_t data_limit;
  _Atomic uint64_t address_limit;
};

struct record {
  _Atomic uint32_t pid;      /* 0: free. As the process itself sees it */
  _Atomic uint32_t programs; /* 0 for a fork that never became another program */
  _Atomic uint64_t name[NAME_BYTES / sizeof(uint64_t)];
  _Atomic uint32_t refusals; /* of memory */
  _Atomic uint32_t threads;
  _Atomic uint32_t spawns;
  _Atomic uint32_t version; /* odd while the rest is being written */
  _Atomic uint64_t largest;
  _Atomic uint64_t bytes;
  _Atomic uint32_t tid;
  _Atomic uint16_t kind;
  _Atomic uint16_t error;
  _Atomic uint64_t at;
  struct memory memory;
  _Atomic uint64_t read_at; /* when that was; 0: never */
};

struct slot {
  _Atomic uint32_t generation; /* of the launch the slot was handed to; any other must not write */
  _Atomic uint32_t attached;
  _Atomic uint64_t refusals;
  _Atomic uint64_t largest;
  _Atomic uint64_t began; /* CLOCK_MONOTONIC of the first program */
  _Atomic uint32_t without_room;
  _Atomic uint32_t question; /* enum question, or 0 */
  _Atomic uint32_t answer;   /* 0 as long as there is none */
  _Atomic uint32_t workers_first; /* whether descendants of the first process are to be killed before it */
  uint32_t unused[20];
  struct record records[RECORDS];
};
_Static_assert(sizeof(struct record) == 128, "the parent counts on 128 bytes a record");
_Static_assert(sizeof(struct slot) == 2048, "the parent counts on 2 KiB a slot");

extern char **environ __attribute__((weak));

static struct slot *_Atomic slot;
static uint32_t generation;
static uint32_t attached_pid;
static int unconfined; /* when it attached, no seccomp filter was in force */
static _Atomic int tried;

/* ---- The setting ------------------------------------------------------------------------------------------------ */

/* A decimal number that ends with `end`; what follows that, or NULL. */
static const char *number(const char *text, char end, uint32_t *value) {
  uint64_t sum = 0;
  const char *c = text;
  for (; *c >= '0' && *c <= '9'; c++) {
    sum = sum * 10 + (uint64_t)(*c - '0');
    if (sum > UINT32_MAX) return NULL;
  }
  *value = (uint32_t)sum;
  return c == text || *c != end ? NULL : c + 1;
}

static const char *after(const char *text, const char *prefix) {
  while (*prefix != '\0') {
    if (*text++ != *prefix++) return NULL;
  }
  return text;
}

/* Where the slot is: MEMGUARD_WITNESS=/proc/<pid>/fd/<n>:<slot>:<generation>. */
struct place {
  char path[PATH_BYTES];
  uint32_t index;
  uint32_t generation;
};

static int parse(const char *setting, struct place *place) {
  if (after(setting, "/proc/") == NULL) return 0;
  size_t length = 0;
  for (; *setting != ':' && *setting != '\0'; setting++) {
    if (length == sizeof place->path - 1) return 0;
    place->path[length++] = *setting;
  }
  place->path[length] = '\0';
  if (*setting != ':' || (setting = number(setting + 1, ':', &place->index)) == NULL) return 0;
  return number(setting, '\0', &place->generation) != NULL;
}

/* Maps the page with the slot; NULL unless the file is really that long, for touching more would be a SIGBUS. */
static struct slot *map_slot(const char *path, uint32_t index) {
  uint64_t offset = (uint64_t)index * sizeof(struct slot);
  uint64_t page = offset & ~(LARGEST_PAGE - 1);
  long fd = sys4(SYS_openat, AT_FDCWD, (long)path, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0);
  if (fd < 0) return NULL;
  long mapped = -ENXIO;
  long size = sys3(SYS_lseek, fd, 0, 2 /* SEEK_END */);
  if (size > 0 && (uint64_t)size >= offset + sizeof(struct slot)) {
    mapped = sys6(SYS_mmap, 0, LARGEST_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (long)page);
  }
  (void)sys1(SYS_close, fd); /* Linux frees the descriptor whatever close answers */
  return mapped < 0 && mapped > -4096 ? NULL : (struct slot *)(mapped + (long)(offset - page));
}

/* ---- Records ---------------------------------------------------------------------------------------------------- */

static uint64_t now(void) {
  struct timespec time = {0, 0};
  (void)sys2(SYS_clock_gettime, CLOCK_MONOTONIC, (long)&time);
  return (uint64_t)time.tv_sec * SECOND + (uint64_t)time.tv_nsec;
}

/* What the process is called, which a thread other than the first can only read. */
static void set_name(struct record *record, uint32_t pid) {
  union {
    char text[NAME_BYTES];
    uint64_t words[NAME_BYTES / sizeof(uint64_t)];
  } name = {{0}};
  if ((uint32_t)sys0(SYS_gettid) == pid) {
    (void)sys2(SYS_prctl, PR_GET_NAME, (long)name.text);
  } else {
    long fd = sys4(SYS_openat, AT_FDCWD, (long)"/proc/self/comm", O_RDONLY | O_CLOEXEC, 0);
    long length = fd < 0 ? 0 : sys3(SYS_read, fd, (long)name.text, NAME_BYTES);
    if (length > 0) name.text[length - 1] = '\0'; /* where the line ends */
    if (fd >= 0) (void)sys1(SYS_close, fd);
  }
  for (size_t i = 0; i < NAME_BYTES / sizeof(uint64_t); i++) {
    atomic_store_explicit(&record->name[i], name.words[i], memory_order_relaxed);
  }
}

/* The record of this process: the one it has, or the first that is free; NULL if there is none. The parent frees them in any order. */
static struct record *claim(struct slot *mine, uint32_t pid) {
  for (size_t i = 0; i < RECORDS; i++) {
    if (atomic_load(&mine->records[i].pid) == pid) return &mine->records[i];
  }
  for (size_t i = 0; i < RECORDS; i++) {
    struct record *record = &mine->records[i];
    uint32_t seen = atomic_load(&record->pid);
    if (seen == 0 && atomic_compare_exchange_strong(&record->pid, &seen, pid)) return record;
    if (seen == pid) return record; /* perhaps by another thread, just now */
  }
  return NULL;
}

/* Whether the record is of a process that is gone; of one in another pid namespace that may seem so. */
static int is_gone(uint32_t pid) { return sys2(SYS_kill, (long)pid, 0) == -ESRCH; }

/*
 * Takes over the record of a process that is gone and has nothing to tell, not even half of something: the others are freed by the
 * parent alone. Never the first one, of the child itself. A process in another pid namespace may seem gone: then it claims another
 * when it is refused something.
 */
static struct record *take_over(struct slot *mine, uint32_t pid) {
  for (size_t i = 1; i < RECORDS; i++) {
    struct record *record = &mine->records[i];
    uint32_t seen = atomic_load(&record->pid);
    if (seen == pid) return record;
    if (atomic_load(&record->version) != 0 || !is_gone(seen)) continue;
    if (atomic_compare_exchange_strong(&record->pid, &seen, pid)) {
      atomic_store(&record->programs, 0);
      return record;
    }
    if (seen == pid) return record;
  }
  return NULL;
}

/* The same, for one that has been refused something. Which one it was the last time is kept, and may be another's by now. */
static struct record *own_record(struct slot *mine, uint32_t pid, int confined) {
  static struct record *_Atomic last;
  struct record *record = atomic_load(&last);
  if (record != NULL && atomic_load(&record->pid) == pid) return record;
  record = claim(mine, pid);
  if (record == NULL && !confined) record = take_over(mine, pid);
  if (record != NULL && !confined && atomic_load(&record->programs) == 0) set_name(record, pid);
  atomic_store(&last, record);
  return record;
}

/* ---- Attaching -------------------------------------------------------------------------------------------------- */

/*
 * Notes that this process runs another program. What the one before had in memory is gone; so are its threads, one of them perhaps
 * while it told of a refusal, which is then told of no more.
 */
static void enter(struct slot *mine, uint32_t pid) {
  uint64_t never = 0;
  (void)atomic_compare_exchange_strong(&mine->began, &never, now());
  struct record *record = claim(mine, pid);
  if (record == NULL) return;
  atomic_fetch_add(&record->programs, 1);
  set_name(record, pid);
  atomic_store(&record->read_at, 0);
  uint32_t version = atomic_load(&record->version);
  if ((version & 1) != 0) {
    atomic_store(&record->kind, 0);
    atomic_store(&record->error, 0);
    atomic_store(&record->version, version + 1);
  }
}

/*
 * Offers this process to the OOM killer, unless it is the launch's own child: that has the first record. To raise the value
 * needs no privilege. It is done once: forks inherit the value, and that it was done. What failed is tried again at the next fork.
 */
static void stand_in_front(struct slot *mine, uint32_t pid) {
  static const char most[] = "1000";
  static _Atomic int done;
  if (atomic_load(&mine->workers_first) == 0 || atomic_load(&mine->records[0].pid) == pid) return;
  if (atomic_load(&done) != 0) return;
  long fd = sys4(SYS_openat, AT_FDCWD, (long)"/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC, 0);
  if (fd < 0) return;
  if (sys3(SYS_write, fd, (long)most, sizeof most - 1) >= 0) atomic_store(&done, 1);
  (void)sys1(SYS_close, fd);
}

COLD void attach(void) {
  if (&environ == NULL || environ == NULL) return; /* so early that libc has none yet: the constructor comes again */
  if (atomic_exchange(&tried, 1) != 0) return;
  const char *setting = NULL;
  for (char **entry = environ; *entry != NULL && setting == NULL; entry++) setting = after(*entry, SETTING);
  struct place place;
  if (setting == NULL || !parse(setting, &place)) return;

  struct slot *found = map_slot(place.path, place.index);
  if (found == NULL) return;
  if (atomic_load(&found->generation) != place.generation) {
    (void)sys2(SYS_munmap, (long)((uintptr_t)found & ~(LARGEST_PAGE - 1)), LARGEST_PAGE);
    return;
  }
  generation = place.generation;
  attached_pid = (uint32_t)sys0(SYS_getpid);
  unconfined = sys1(SYS_prctl, PR_GET_SECCOMP) == 0;
  enter(found, attached_pid);
  atomic_fetch_add(&found->attached, 1);
  atomic_store(&slot, found);
  stand_in_front(found, attached_pid);
  uint32_t question = atomic_load(&found->question);
  if (UNLIKELY(question != 0)) answer_to(question, &found->answer);
}

/* The slot, while it still belongs to the launch this process came from. */
static struct slot *own_slot(void) {
  struct slot *mine = atomic_load(&slot);
  return mine != NULL && atomic_load(&mine->generation) == generation ? mine : NULL;
}

static void raise_to(_Atomic uint64_t *maximum, uint64_t value) {
  uint64_t seen = atomic_load_explicit(maximum, memory_order_relaxed);
  while (seen < value && !atomic_compare_exchange_weak(maximum, &seen, value)) {
  }
}

/* ---- Noting a refusal ------------------------------------------------------------------------------------------- */

/* In the order in which /proc/self/status has them. */
enum { VM_SIZE, VM_HWM, VM_RSS, VM_DATA, SIZES };
static const char size_names[SIZES][8] = {"VmSize:", "VmHWM:", "VmRSS:", "VmData:"};

/* "VmHWM:     1234 kB" in bytes, in the place of its own; other lines are skipped. */
static void read_size(const char *line, uint64_t *sizes) {
  for (size_t i = 0; i < SIZES; i++) {
    const char *c = after(line, size_names[i]);
    if (c == NULL) continue;
    while (*c == ' ' || *c == '\t') c++;
    uint64_t kib = 0;
    for (; *c >= '0' && *c <= '9'; c++) kib = kib * 10 + (uint64_t)(*c - '0');
    sizes[i] = kib * 1024;
  }
}

/* What is unknown stays 0. Line by line: the stack may be a signal handler's. */
static void read_sizes(uint64_t *sizes) {
  char chunk[STATUS_CHUNK];
  char line[32];
  size_t length = 0;
  long fd = sys4(SYS_openat, AT_FDCWD, (long)"/proc/self/status", O_RDONLY | O_CLOEXEC, 0);
  if (fd < 0) return;
  long got;
  while (sizes[VM_DATA] == 0 && (got = sys3(SYS_read, fd, (long)chunk, sizeof chunk)) > 0) {
    for (long i = 0; i < got; i++) {
      if (chunk[i] != '\n') {
        if (length < sizeof line - 1) line[length++] = chunk[i];
        continue;
      }
      line[length] = '\0';
      length = 0;
      read_size(line, sizes);
    }
  }
  (void)sys1(SYS_close, fd);
}

static uint64_t soft_limit(int resource) {
  struct rlimit64 limit = {.rlim_cur = RLIM64_INFINITY};
  (void)sys4(SYS_prlimit64, 0, resource, 0, (long)&limit);
  return limit.rlim_cur;
}

static void read_memory(struct memory *memory) {
  uint64_t sizes[SIZES] = {0};
  read_sizes(sizes);
  atomic_store_explicit(&memory->data, sizes[VM_DATA], memory_order_release);
  atomic_store_explicit(&memory->address, sizes[VM_SIZE], memory_order_release);
  atomic_store_explicit(&memory->rss, sizes[VM_RSS], memory_order_release);
  raise_to(&memory->peak, sizes[VM_HWM]);
  atomic_store_explicit(&memory->data_limit, soft_limit(RLIMIT_DATA), memory_order_release);
  atomic_store_explicit(&memory->address_limit, soft_limit(RLIMIT_AS), memory_order_release);
}

/* Memory that was refused, or might have been: a thread is refused for its stack, or for the number of threads. */
static int is_of_memory(uint32_t kind, int error) { return kind == KIND_THREAD || (kind <= KIND_BRK && error == ENOMEM); }

/*
 * Tells of the last refusal. One that was not of memory is told of only as long as there is nothing better. A program that
 * runs into refusals in a loop must not be slowed down by it, so /proc is read for a process' first one, and then seldom.
 *
 * What is written is released each time: whoever reads one word of it and then the version must not see the version before.
 */
static void tell(struct record *record, enum kind kind, int error, uint64_t size, int confined) {
  uint32_t version = atomic_load(&record->version);
  if ((version & 1) != 0 || !atomic_compare_exchange_strong(&record->version, &version, version + 1)) return;
  if (is_of_memory(kind, error) || !is_of_memory(atomic_load(&record->kind), atomic_load(&record->error))) {
    uint64_t time = confined ? 0 : now();
    uint64_t read_at = atomic_load(&record->read_at);
    if (!confined && (read_at == 0 || time - read_at >= READ_MEMORY_EVERY)) {
      read_memory(&record->memory);
      atomic_store_explicit(&record->read_at, time, memory_order_release);
    }
    atomic_store_explicit(&record->bytes, size, memory_order_release);
    atomic_store_explicit(&record->tid, confined ? 0 : (uint32_t)sys0(SYS_gettid), memory_order_release);
    atomic_store_explicit(&record->kind, (uint16_t)kind, memory_order_release);
    atomic_store_explicit(&record->error, (uint16_t)error, memory_order_release);
    atomic_store_explicit(&record->at, time, memory_order_release);
  }
  atomic_store(&record->version, version + 2);
}

/*
 * A program that has locked itself into a seccomp filter since it began may be killed for a system call that it does not make
 * itself. Whether it has, only the kernel can say: that one question is asked.
 */
static int is_confined(void) { return unconfined && sys1(SYS_prctl, PR_GET_SECCOMP) != 0; }

void forked(void) {
  struct slot *mine = own_slot();
  if (mine == NULL || atomic_load(&mine->workers_first) == 0 || is_confined()) return;
  stand_in_front(mine, (uint32_t)sys0(SYS_getpid));
}

COLD int may_ask(void) {
  if (atomic_load(&tried) == 0) attach();
  return own_slot() != NULL && !is_confined();
}

/*
 * A size that no memory at all could satisfy is no refusal: libc turns down an overflowing calloc, or more than
 * PTRDIFF_MAX, before it asks anybody. Of a program that is confined only numbers are kept.
 */
COLD void note(enum kind kind, int error, uint64_t size) {
  if (kind <= KIND_BRK && (size == 0 || size > PTRDIFF_MAX)) return;
  if (atomic_load(&tried) == 0) attach();
  struct slot *mine = own_slot();
  if (mine == NULL) return;

  int confined = is_confined();
  /* Asked each time: this may be a fork of the process that attached. */
  uint32_t pid = confined ? attached_pid : (uint32_t)sys0(SYS_getpid);
  struct record *record = own_record(mine, pid, confined);
  int counts = kind <= KIND_BRK && error == ENOMEM;
  if (record == NULL) {
    atomic_fetch_add(&mine->without_room, 1);
  } else {
    tell(record, kind, error, size, confined);
    if (counts) raise_to(&record->largest, size);
    if (counts) atomic_fetch_add(&record->refusals, 1);
    if (kind == KIND_THREAD) atomic_fetch_add(&record->threads, 1);
    if (kind == KIND_FORK || kind == KIND_SPAWN) atomic_fetch_add(&record->spawns, 1);
  }
  if (!counts || own_slot() == NULL) return; /* meanwhile, the slot may have been handed to another launch */
  raise_to(&mine->largest, size);
  atomic_fetch_add(&mine->refusals, 1); /* last: who sees the count sees the rest */
}

#if WITNESS_PEAK_AT_EXIT
__attribute__((destructor)) static void end(void) {
  struct slot *mine = own_slot();
  struct record *record = mine == NULL ? NULL : claim(mine, (uint32_t)sys0(SYS_getpid));
  if (record == NULL) return;
  uint64_t sizes[SIZES] = {0};
  read_sizes(sizes);
  raise_to(&record->memory.peak, sizes[VM_HWM]);
}
#endif
