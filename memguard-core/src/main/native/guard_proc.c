/*
 * What is asked about the memory of other processes, thousands of times a second: in one call each, since what a call from
 * Java costs is more than these system calls take.
 * Every function answers like a raw system call: a value, or -errno.
 */
#define _GNU_SOURCE
#include "guard.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "syscalls.h"

static const char MEMFD[] = "/memfd:"; /* what the link of such a file in /proc/<pid>/fd begins with: see memfd_create(2) */

/* Reads a file of /proc, up to `bytes` of it; answers how many. */
GUARD_API int32_t guard_read_file(const char *file, char *to, int32_t bytes) {
  long fd = sys4(SYS_openat, AT_FDCWD, (long)file, O_RDONLY | O_CLOEXEC | O_NOCTTY, 0);
  if (fd < 0) return (int32_t)fd;
  long length = 0, answer;
  do {
    answer = sys3(SYS_read, fd, (long)(to + length), bytes - length);
    if (answer > 0) length += answer;
  } while (answer == -EINTR || (answer > 0 && length < bytes));
  sys1(SYS_close, fd);
  return (int32_t)(answer < 0 && length == 0 ? answer : length);
}

/* The directory's names that are numbers: all pids of /proc, or the threads of one; answers how many, `capacity` at most. */
GUARD_API int32_t guard_numbers(const char *directory, int64_t *out, int32_t capacity) {
  long fd = sys4(SYS_openat, AT_FDCWD, (long)directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  if (fd < 0) return (int32_t)fd;
  _Alignas(struct dirent64) char entries[8192];
  int32_t count = 0;
  long length;
  while ((length = sys3(SYS_getdents64, fd, (long)entries, sizeof entries)) > 0) {
    for (long at = 0; at < length && count < capacity;) {
      const struct dirent64 *entry = (const void *)(entries + at);
      at += entry->d_reclen;
      int64_t number = 0;
      const char *digit = entry->d_name;
      for (; *digit >= '0' && *digit <= '9'; digit++) number = number * 10 + (*digit - '0');
      if (*digit == '\0') out[count++] = number;
    }
  }
  sys1(SYS_close, fd);
  return length < 0 ? (int32_t)length : count;
}

/* 1: the two processes have one memory, as between vfork and exec; 0: each has its own. */
GUARD_API int32_t guard_same_memory(int32_t pid, int32_t other) {
  long answer = sys5(SYS_kcmp, pid, other, KCMP_VM, 0, 0);
  return answer < 0 ? (int32_t)answer : answer == 0;
}

/* Whether it is memfd_create(2)'s, and not of huge pages: those are set apart from all other memory. */
static int is_memfd(long directory, const char *name) {
  char target[sizeof MEMFD - 1];
  if (sys4(SYS_readlinkat, directory, (long)name, (long)target, sizeof target) != sizeof target) return 0;
  for (size_t i = 0; i < sizeof target; i++) {
    if (target[i] != MEMFD[i]) return 0;
  }
  struct statfs system;
  long fd = sys4(SYS_openat, directory, (long)name, O_PATH | O_CLOEXEC, 0);
  if (fd < 0) return 0;
  long answer = sys2(SYS_fstatfs, fd, (long)&system);
  sys1(SYS_close, fd);
  return answer == 0 && system.f_type == TMPFS_MAGIC;
}

static int64_t earlier(int64_t one, int64_t other) {
  return one < other ? one : other;
}

/* The mode of the link itself tells how the file was opened. A server that does not answer is not waited for. */
static int held_for_writing(long directory, const char *name, struct guard_held_file *out) {
  struct statx file;
  if (sys5(SYS_statx, directory, (long)name, AT_SYMLINK_NOFOLLOW, STATX_MODE, (long)&file) < 0) return 0;
  if (!(file.stx_mode & S_IWUSR)) return 0;
  unsigned wanted = STATX_TYPE | STATX_INO | STATX_BLOCKS | STATX_NLINK | STATX_ATIME | STATX_MTIME | STATX_CTIME | STATX_BTIME;
  if (sys5(SYS_statx, directory, (long)name, AT_STATX_DONT_SYNC, wanted, (long)&file) < 0) return 0;
  if (!S_ISREG(file.stx_mode) || file.stx_blocks == 0) return 0;
  *out = (struct guard_held_file){
      .major = file.stx_dev_major,
      .minor = file.stx_dev_minor,
      .inode = file.stx_ino,
      .bytes = (int64_t)file.stx_blocks * 512,
      .birth = file.stx_mask & STATX_BTIME ? file.stx_btime.tv_sec : 0,
      .earliest = earlier(file.stx_atime.tv_sec, earlier(file.stx_mtime.tv_sec, file.stx_ctime.tv_sec)),
      .memfd = is_memfd(directory, name),
      .links = file.stx_nlink,
  };
  return 1;
}

/* The regular files that are not empty and that a process holds open for writing; `directory` is its /proc/<pid>/fd. */
GUARD_API int32_t guard_held_files(const char *directory, struct guard_held_file *out, int32_t capacity) {
  long fd = sys4(SYS_openat, AT_FDCWD, (long)directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  if (fd < 0) return (int32_t)fd;
  _Alignas(struct dirent64) char entries[4096];
  int32_t count = 0;
  long length;
  while (count < capacity && (length = sys3(SYS_getdents64, fd, (long)entries, sizeof entries)) > 0) {
    for (long at = 0; at < length && count < capacity;) {
      const struct dirent64 *entry = (const void *)(entries + at);
      at += entry->d_reclen;
      if (entry->d_name[0] != '.' && held_for_writing(fd, entry->d_name, &out[count])) count++;
    }
  }
  sys1(SYS_close, fd);
  return count;
}
