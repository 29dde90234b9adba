package io.memguard.lab;

import io.memguard.limits.MemoryLimits;
import io.memguard.limits.Protection;
import io.memguard.limits.Requirement;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;

/**
 * The ways in which the greedy child of {@code lab/stock-pod} takes memory without end, each with
 * the limits it is given, and what is to be said of it then.
 */
enum Greed {
  /** Its own resource limit sees it. */
  ANONYMOUS("anonymous"),
  /** The same without a resource limit. */
  ANONYMOUS_NO_RLIMIT("anonymous"),
  /** No resource limit counts what is shared. */
  SHARED("shared"),
  /** The same in a file. */
  TMPFS_MAPPED("tmpfs-mapped"),
  /** The same where no process's own figures show it. */
  TMPFS_WRITTEN("tmpfs-written"),
  /** Each of eight processes is within its limit. */
  WORKERS("workers"),
  /** The same, and they have left the tree. */
  DOUBLE_FORK("double-fork"),
  /** The same, and the child has ended well before: it is they who are to be ended. */
  DOUBLE_FORK_GONE("double-fork-gone"),
  /** Its own resource limit sees the small blocks of many threads, too. */
  THREADS("threads"),
  /** The same without a resource limit. */
  THREADS_NO_RLIMIT("threads"),
  /** Nobody limited it: only what is left in the container does. */
  NO_LIMIT("anonymous");

  private final String child;

  Greed(String child) {
    this.child = child;
  }

  /** Finds one by its label. */
  static Greed labelled(String label) {
    List<String> labels = Stream.of(values()).map(Greed::label).toList();
    if (!labels.contains(label)) {
      throw new IllegalArgumentException("no kind is called " + label + "; they are " + labels);
    }
    return values()[labels.indexOf(label)];
  }

  /** Returns its name as the command line has it. */
  String label() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  /** Returns what the program {@code stock-pod.c} calls it. */
  String child() {
    return child;
  }

  MemoryLimits limits() {
    MemoryLimits limits = MemoryLimits.of("32MiB");
    return switch (this) {
      case ANONYMOUS_NO_RLIMIT, THREADS_NO_RLIMIT ->
          limits.with(Protection.RLIMIT_DATA, Requirement.OFF);
      case NO_LIMIT -> MemoryLimits.none();
      default -> limits;
    };
  }

  /**
   * Returns what {@link StockPodSupervisor} is to say of the child, a regular expression. Where it
   * fills the container as fast as the supervisor gets to look, which of two limits is seen to be
   * passed first is a matter of time, and either saves the others.
   */
  String right() {
    return switch (this) {
      case ANONYMOUS, THREADS -> "ALLOCATION_DENIED CERTAIN";
      case ANONYMOUS_NO_RLIMIT, TMPFS_MAPPED, TMPFS_WRITTEN -> "PREEMPTED CERTAIN TREE_MEMORY";
      case SHARED, WORKERS, DOUBLE_FORK, THREADS_NO_RLIMIT ->
          "PREEMPTED CERTAIN (TREE_MEMORY|HEAD_ROOM)";
      case DOUBLE_FORK_GONE -> "Exited 0, told PREEMPTED";
      case NO_LIMIT -> "PREEMPTED CERTAIN HEAD_ROOM";
    };
  }
}
