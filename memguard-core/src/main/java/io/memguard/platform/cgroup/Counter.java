package io.memguard.platform.cgroup;

/** What the kernel counts for a cgroup. */
public enum Counter {
  /** {@code memory.high} was exceeded, and processes were slowed down. */
  HIGH("high"),
  /** {@code memory.max} was about to be exceeded. */
  MAX("max"),
  /** The limit was reached and reclaim did not help: locally, it was this very cgroup's limit. */
  OOM("oom"),
  /** A process of the cgroup was killed by the OOM killer, whoever's limit it was. */
  OOM_KILL("oom_kill"),
  /** The cgroup was killed as a whole; since Linux 5.17. */
  OOM_GROUP_KILL("oom_group_kill"),
  /** cgroup v1: the limit was reached. */
  FAILCNT("failcnt"),
  /** cgroup v1: the limit of memory and swap together was reached; looked at before the other. */
  MEMSW_FAILCNT("memsw.failcnt");

  private final String key;

  Counter(String key) {
    this.key = key;
  }

  /** Returns its name in the kernel's files. */
  String key() {
    return key;
  }
}
