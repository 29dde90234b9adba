/*
 * Runs COMMAND on a kernel that takes resource limits and forgets them, as far as a program can tell: a seccomp filter
 * answers 0 to whoever sets one, and sets nothing. That needs no privilege. What is inherited stays in force.
 *
 *   limits-ignored COMMAND [ARGUMENT...]
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define WORD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)(field))
#define ARGUMENT(n) (offsetof(struct seccomp_data, args) + (n) * sizeof(__u64))
#define IS(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)(value), yes, no)

int main(int argc, char **argv) {
  struct sock_filter filter[] = {
      WORD(offsetof(struct seccomp_data, nr)),
      IS(SYS_setrlimit, 5, 0),
      IS(SYS_prlimit64, 0, 5),
      WORD(ARGUMENT(2)), /* without a new limit it only asks for the present one */
      IS(0, 0, 2),
      WORD(ARGUMENT(2) + 4),
      IS(0, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {sizeof filter / sizeof filter[0], filter};
  if (argc < 2) return 2;
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    fprintf(stderr, "limits-ignored: no seccomp filter can be had: %s\n", strerror(errno));
    return 125;
  }
  execvp(argv[1], &argv[1]);
  fprintf(stderr, "limits-ignored: %s: %s\n", argv[1], strerror(errno));
  return 127;
}
