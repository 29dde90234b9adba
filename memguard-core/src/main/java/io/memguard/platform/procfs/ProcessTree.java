package io.memguard.platform.procfs;

import io.memguard.outcome.Signal;
import io.memguard.platform.Linux;
import io.memguard.platform.StatFile;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Collection;
import java.util.Deque;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * A process and all that descend from it, as {@code /proc} shows them. A descendant that was given
 * to another parent is kept once it has been seen, and is found by its mark if it has one.
 *
 * <p>Not safe to share between threads.
 */
public final class ProcessTree {
  /** What the name of each variable begins with that marks a tree. */
  public static final String MARK = "MEMGUARD_";

  private static final Signal STOP = new Signal(19);
  private static final int MAX_ROUNDS = 100;

  private final ProcessHandle root;
  private final Optional<String> mark;
  private final Set<ProcessHandle> members = new LinkedHashSet<>();
  private final Set<ProcessHandle> ended = new HashSet<>();
  private final Set<ProcessHandle> asked = new HashSet<>();

  /**
   * Begins with its root alone.
   *
   * @param mark a variable {@code MEMGUARD_…=VALUE} that all of it have in the environment they
   *     were started with, and nobody else has; or empty
   */
  public ProcessTree(ProcessHandle root, Optional<String> mark) {
    this.root = root;
    this.mark = mark;
    members.add(root);
  }

  /**
   * Adds processes that are known to belong to it.
   *
   * @return whether any of them lives and was not known yet
   */
  public boolean add(Collection<ProcessHandle> known) {
    boolean any = false;
    for (ProcessHandle handle : known) {
      boolean lives = !hasEnded(handle);
      any |= (lives ? members : ended).add(handle) && lives;
    }
    return any;
  }

  /** Looks for members that are not known yet. */
  public void look() {
    ProcessTable table = ProcessTable.now();
    findOrphans(table);
    findDescendants(table);
  }

  private Set<ProcessHandle> findDescendants(ProcessTable table) {
    return descend(table, living());
  }

  private Set<ProcessHandle> findOrphans(ProcessTable table) {
    List<ProcessHandle> orphans = mark.map(table::orphans).orElse(List.of());
    Set<ProcessHandle> found = new LinkedHashSet<>();
    orphans.stream().filter(this::isNew).forEach(found::add);
    members.addAll(found);
    found.addAll(descend(table, orphans));
    return found;
  }

  private boolean isNew(ProcessHandle handle) {
    return !members.contains(handle) && !hasEnded(handle);
  }

  /** Who has ended since is no member, but his children are. */
  private Set<ProcessHandle> descend(ProcessTable table, Collection<ProcessHandle> from) {
    Set<ProcessHandle> found = new LinkedHashSet<>();
    Set<ProcessHandle> visited = new HashSet<>(from);
    Deque<ProcessHandle> toVisit = new ArrayDeque<>(from);
    while (!toVisit.isEmpty()) {
      for (ProcessHandle child : table.children(toVisit.pop())) {
        if (isNew(child)) {
          members.add(child);
          found.add(child);
        }
        if (visited.add(child)) {
          toVisit.push(child);
        }
      }
    }
    return found;
  }

  /** Returns the members that have not ended. */
  public Collection<ProcessHandle> living() {
    for (ProcessHandle member : List.copyOf(members)) {
      if (hasEnded(member)) {
        members.remove(member);
        ended.add(member);
      }
    }
    return List.copyOf(members);
  }

  /**
   * Asks for the status of those that have ended and were given to this process, as all orphans are
   * where it is pid 1: nobody else does, and each listing of {@code /proc} would take longer. To be
   * called when all have ended: before, some are others' children. The root is the engine's.
   */
  public void bury() {
    for (ProcessHandle one : ended) {
      // To the JDK a zombie is alive, and as long as it is, its pid is nobody else's.
      if (Linux.isLoaded() && !one.equals(root) && one.isAlive()) {
        Linux.guard_bury((int) one.pid());
      }
    }
  }

  /**
   * To the JDK a zombie is alive until its parent asks for its status, and the first process of a
   * container may never ask.
   */
  public static boolean hasEnded(ProcessHandle handle) {
    if (!handle.isAlive()) {
      return true;
    }
    try {
      return StatFile.read(Path.of("/proc", String.valueOf(handle.pid()))).hasEnded();
    } catch (IOException e) {
      return !handle.isAlive();
    }
  }

  /**
   * Asks every member to end that was not asked yet.
   *
   * @param but those that somebody else has asked
   */
  public void terminate(Collection<ProcessHandle> but) {
    asked.addAll(but);
    living().stream().filter(asked::add).forEach(ProcessHandle::destroy);
  }

  /** Tells whether anybody lives who was asked to end. */
  public boolean isAnyAskedLeft() {
    return living().stream().anyMatch(asked::contains);
  }

  /**
   * Ends every member. They are stopped first, until no descendant is found any more, so that none
   * can start another behind our back. Orphans are looked for when those are killed: that takes
   * longer, and memory may be short.
   */
  public void kill() {
    try {
      boolean more = true;
      for (int round = 0; more && round < MAX_ROUNDS; round++) {
        stopAll();
        members.forEach(ProcessHandle::destroyForcibly);
        more = !findOrphans(ProcessTable.now()).isEmpty();
      }
    } finally {
      members.forEach(ProcessHandle::destroyForcibly); // or they would stay stopped
    }
  }

  private void stopAll() {
    Collection<ProcessHandle> toStop = living();
    for (int round = 0; !toStop.isEmpty() && round < MAX_ROUNDS; round++) {
      toStop.forEach(ProcessTree::stop);
      toStop = findDescendants(ProcessTable.now());
    }
  }

  /**
   * Without the native library there is no race-free way to stop a process; then it is killed while
   * it runs.
   */
  public static void stop(ProcessHandle handle) {
    if (!Linux.isLoaded()) {
      return;
    }
    int pidfd = Linux.guard_pidfd_open((int) handle.pid());
    if (pidfd >= 0) {
      if (handle
          .isAlive()) { // asked after opening: the pidfd is this process's and not a successor's
        Linux.guard_pidfd_signal(pidfd, STOP.number());
      }
      Linux.guard_close(pidfd);
    }
  }
}
