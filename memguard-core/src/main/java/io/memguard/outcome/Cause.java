package io.memguard.outcome;

import java.util.Locale;

/** Names why a child ran out of memory, each with its own exception. */
public enum Cause {
  /**
   * A resource limit: an allocation failed with ENOMEM inside the child, as <a
   * href="https://man7.org/linux/man-pages/man2/mmap.2.html">mmap(2)</a> and <a
   * href="https://man7.org/linux/man-pages/man2/brk.2.html">brk(2)</a> say.
   */
  ALLOCATION_DENIED,
  /** The child could not even start under its limit: execve(2) or ld.so(8) had no room. */
  LIMIT_TOO_LOW,
  /**
   * The child's own runtime has a cap, and that was reached: {@code -Xmx}, {@code
   * --max-old-space-size}, …
   */
  RUNTIME_HEAP,
  /**
   * The child's own cgroup reached its limit, and the kernel killed it: {@code oom} and {@code
   * oom_kill} of its <a
   * href="https://docs.kernel.org/admin-guide/cgroup-v2.html#memory-interface-files">memory.events</a>.
   */
  OWN_CGROUP,
  /**
   * The limit of a cgroup above fired, and the child was the victim: the same counters of that one.
   */
  CONTAINER,
  /**
   * The machine ran out of memory, and the kernel's OOM killer chose the child (<a
   * href="https://man7.org/linux/man-pages/man5/proc_pid_oom_score.5.html">proc_pid_oom_score(5)</a>).
   */
  HOST,
  /**
   * memguard ended the child first: it and its descendants had too much, or others too little
   * ({@link io.memguard.limits.Protection#TREE_WATCH}, {@link
   * io.memguard.limits.Protection#HEADROOM_GUARD}).
   */
  PREEMPTED;

  /**
   * Returns the name in kebab-case, as the command line's report writes it.
   *
   * @return for example {@code "allocation-denied"}
   */
  public String label() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }
}
