package io.memguard.limits;

import java.util.Locale;

/**
 * Names one way in which a child is kept from harming others, or in which its end is understood.
 */
public enum Protection {
  /**
   * {@code RLIMIT_DATA} in the child: an allocation too much fails with ENOMEM, and the child can
   * say so. It counts private writable mappings, since Linux 4.7 (<a
   * href="https://man7.org/linux/man-pages/man2/getrlimit.2.html">getrlimit(2)</a>).
   */
  RLIMIT_DATA,
  /**
   * {@code RLIMIT_AS} in the child: the same for all of its address space, reservations and files
   * that it maps included (<a
   * href="https://man7.org/linux/man-pages/man2/getrlimit.2.html">getrlimit(2)</a>).
   */
  RLIMIT_AS,
  /**
   * A preloaded observer that notes when an allocation fails. It makes "out of memory" a fact
   * instead of a guess; it works in dynamically linked programs that are not setuid ({@code
   * LD_PRELOAD} of <a href="https://man7.org/linux/man-pages/man8/ld.so.8.html">ld.so(8)</a>).
   */
  WITNESS,
  /**
   * {@code /proc/self/oom_score_adj} of the child, raised so that the kernel, when it must choose,
   * takes the child and not the supervisor (<a
   * href="https://man7.org/linux/man-pages/man5/proc_pid_oom_score_adj.5.html">proc(5)</a>).
   */
  OOM_SCORE_ADJ,
  /**
   * What the child starts is taken by the kernel before the child itself: each of its descendants
   * raises its own {@code oom_score_adj} to 1000 as soon as it is forked, or else as soon as it
   * runs another program, and the child has one half way between this process's own and that, or
   * the one that was asked for by {@link MemoryLimits#withOomScoreAdj}, if that is below 1000. The
   * child has to be the supervisor itself: one behind {@code tini} or a shell that waits for it is
   * a descendant like its workers; have it started directly, or by exec. A cgroup of the child's
   * own is not killed as a whole then ({@code memory.oom.group} is 0). For a supervisor with
   * workers of its own that can replace them. It is the witness that does it, so it works where
   * {@link #WITNESS} does, in descendants that the witness sees; a child whose file the witness
   * cannot get into (static, setuid) does not have it. Used only when asked for by name.
   */
  WORKERS_FIRST,
  /**
   * A cgroup of the child's own, with a limit of its own: where the kernel has to kill, the kill
   * stays inside it, and its counters say whose limit it was. The child begins in it ({@code
   * CLONE_INTO_CGROUP} of <a
   * href="https://man7.org/linux/man-pages/man2/clone.2.html">clone(2)</a>), or joins it before it
   * execs (cgroups(7)). Used only when asked for, by name or by {@link MemoryLimits#memoryHigh} or
   * {@link MemoryLimits#pidsMax}, since it changes the cgroup tree; the system property {@code
   * memguard.cgroup.leaf=off} forbids it. On <a
   * href="https://docs.kernel.org/admin-guide/cgroup-v2.html#memory-interface-files">cgroup v2</a>
   * the limit is {@code memory.max}, on <a
   * href="https://docs.kernel.org/admin-guide/cgroup-v1/memory.html">v1</a> {@code
   * memory.limit_in_bytes}.
   */
  CGROUP_LEAF,
  /**
   * memguard looks at the memory of the child and all its descendants, also of those that left it
   * for another parent. At {@link MemoryLimits#memoryHigh} the listener is told, at {@link
   * MemoryLimits#treeMemoryMax} they are ended. For where there is no cgroup of the child's own,
   * which does the same at once and needs no looking; with one it is used only where required. It
   * reads {@code Pss} of <a
   * href="https://man7.org/linux/man-pages/man5/proc_pid_smaps.5.html">smaps_rollup</a>, which
   * divides a page by those who map it.
   */
  TREE_WATCH,
  /**
   * memguard may end the child, to keep the container around it from running out of memory: the
   * kernel might kill the supervisor along ({@code memory.oom.group} of <a
   * href="https://docs.kernel.org/admin-guide/cgroup-v2.html#memory-interface-files">cgroup
   * v2</a>). See {@link GuardOptions#withHeadroomGuard}, which says when that is done at all; a
   * child for which this is {@link Requirement#OFF} is spared.
   */
  HEADROOM_GUARD;

  /**
   * Returns the name in kebab-case, as the command line and its report write it.
   *
   * @return for example {@code "rlimit-data"}
   */
  public String label() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }
}
