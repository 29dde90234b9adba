package io.memguard.platform.kernellog;

import java.util.Optional;

/**
 * A process that the OOM killer killed, put together from the lines about it.
 *
 * @param pid the machine's number for it, which is another than a container's
 * @param name the first 15 bytes of its name
 * @param scope why
 * @param limitCgroup the cgroup whose limit was reached, as the machine names it
 * @param victimCgroup the cgroup it lived in
 * @param groupCgroup the cgroup that was killed as a whole; empty if this one process was meant
 */
public record OomKill(
    long pid,
    String name,
    Scope scope,
    Optional<String> limitCgroup,
    Optional<String> victimCgroup,
    Optional<String> groupCgroup) {
  /** Why a process was killed. */
  public enum Scope {
    /** A cgroup's limit was reached. */
    CGROUP,
    /** The machine had no memory left. */
    HOST,
    /** The lines that would tell were not there: the kernel limits how many it writes. */
    UNKNOWN
  }
}
