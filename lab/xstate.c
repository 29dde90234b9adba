/*
 * Preloaded into linux.uml by lab/boot: lets a user-mode-linux built for 2696 bytes of extended processor state run where the
 * processor has more of it (AMX: 11008).
 *
 * The kernel takes NT_X86_XSTATE only whole: a shorter buffer is EFAULT, a longer one is cut to size. So the transfer goes through
 * a buffer longer than any processor's state. The part user-mode-linux does not know stays zero and is marked as initial in the
 * header; its guests cannot use it anyway, for that takes a permission of the host's kernel which nobody asks for.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { LONGEST_STATE = 64 * 1024, HEADER = 512, KNOWN_STATE = 2696 };
#define KNOWN_FEATURES UINT64_C(0x2ff) /* x87, SSE, AVX, MPX, AVX-512, PKRU: what fits into KNOWN_STATE */

static _Thread_local _Alignas(64) unsigned char state[LONGEST_STATE];

static long set_state(pid_t pid, const struct iovec *from) {
  struct iovec whole = {state, sizeof state};
  if (from->iov_len > sizeof state) return syscall(SYS_ptrace, PTRACE_SETREGSET, pid, NT_X86_XSTATE, from);
  memset(state, 0, sizeof state);
  memcpy(state, from->iov_base, from->iov_len);
  if (from->iov_len <= KNOWN_STATE && from->iov_len >= HEADER + sizeof(uint64_t)) {
    uint64_t features;
    memcpy(&features, state + HEADER, sizeof features);
    features &= KNOWN_FEATURES;
    memcpy(state + HEADER, &features, sizeof features);
  }
  return syscall(SYS_ptrace, PTRACE_SETREGSET, pid, NT_X86_XSTATE, &whole);
}

/* The C library's ptrace: for the PEEK requests it returns the word that the system call stores. */
long ptrace(enum __ptrace_request request, ...) {
  va_list arguments;
  va_start(arguments, request);
  pid_t pid = va_arg(arguments, pid_t);
  void *address = va_arg(arguments, void *);
  void *data = va_arg(arguments, void *);
  va_end(arguments);

  if (request == PTRACE_PEEKTEXT || request == PTRACE_PEEKDATA || request == PTRACE_PEEKUSER) {
    long word;
    long result = syscall(SYS_ptrace, request, pid, address, &word);
    return result < 0 ? result : word;
  }
  if (request == PTRACE_SETREGSET && (uintptr_t)address == NT_X86_XSTATE) return set_state(pid, data);
  return syscall(SYS_ptrace, request, pid, address, data);
}
