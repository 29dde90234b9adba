package io.memguard.platform.kernellog;

import java.util.Optional;

/** A line that the OOM killer writes. Process ids are the machine's, not those of a container. */
public sealed interface OomLine {

  /** Reads a line of the kernel's log, with or without the time that dmesg(1) puts in front. */
  static Optional<OomLine> parse(String line) {
    return OomLineParser.parse(line);
  }

  /** A report begins: a process asked for memory that there was not. */
  record Invoked() implements OomLine {}

  /**
   * Since Linux 5.0: who is to be killed, and why.
   *
   * @param limitCgroup whose limit was reached; empty if the machine itself, or the nodes the
   *     process may use, had no memory left
   * @param victimCgroup where the victim lives
   */
  record Summary(Optional<String> limitCgroup, String victimCgroup, String name, long pid)
      implements OomLine {}

  /** Before Linux 5.0: where the victim lives, and whose limit was reached. */
  record OldSummary(String victimCgroup, String limitCgroup) implements OomLine {}

  /** Before Linux 5.1: who was chosen; a child of it may be killed in its stead. */
  record Chosen(boolean inCgroup, long pid, String name) implements OomLine {}

  /** All of a cgroup is to be killed. */
  record Group(String cgroup) implements OomLine {}

  /**
   * A process was killed.
   *
   * @param inCgroup whether a cgroup's limit was the reason; empty before Linux 5.1, where {@link
   *     Chosen} tells
   */
  record Killed(Optional<Boolean> inCgroup, long pid, String name) implements OomLine {}
}
