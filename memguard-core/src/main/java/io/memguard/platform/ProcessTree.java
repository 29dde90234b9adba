package io.memguard.platform;

import io.memguard.outcome.Signal;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Collection;
import java.util.Deque;
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
  private static final Signal STOP = new Signal(19);
  private static final int MAX_ROUNDS = 100;

  private final Optional<String> mark;
  private final Set<ProcessHandle> members = new LinkedHashSet<>();

  /**
   * Begins with its root alone.
   *
   * @param mark what all of it has in the environment it was started with, {@link
   *     WitnessPage#VARIABLE}{@code =VALUE}, and nobody else; or empty
   */
  public ProcessTree(ProcessHandle root, Optional<String> mark) {
    this.mark = mark;
    members.add(root);
  }

  /** Adds processes that are known to belong to it. */
  public void add(Collection<ProcessHandle> known) {
    members.addAll(known);
  }

  /**
   * Looks for members that are not known yet.
   *
   * @return those
   */
  public Set<ProcessHandle> look() {
    ProcessTable table = ProcessTable.now();
    Set<ProcessHandle> found = new LinkedHashSet<>();
    Deque<ProcessHandle> toVisit = new ArrayDeque<>(living());
    mark.ifPresent(text -> addNew(table.orphans(text), found, toVisit));
    while (!toVisit.isEmpty()) {
      addNew(table.children(toVisit.pop()), found, toVisit);
    }
    return found;
  }

  private void addNew(
      List<ProcessHandle> handles, Set<ProcessHandle> found, Deque<ProcessHandle> toVisit) {
    for (ProcessHandle handle : handles) {
      if (!members.contains(handle) && !hasEnded(handle)) {
        members.add(handle);
        found.add(handle);
        toVisit.push(handle);
      }
    }
  }

  /** Returns the members that have not ended. */
  public Collection<ProcessHandle> living() {
    members.removeIf(ProcessTree::hasEnded);
    return List.copyOf(members);
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
   * Asks every member to end.
   *
   * @param but those that were asked already
   */
  public void terminate(Set<ProcessHandle> but) {
    living().stream().filter(member -> !but.contains(member)).forEach(ProcessHandle::destroy);
  }

  /**
   * Ends every member. They are stopped first, until a look finds no other, so that none can start
   * another behind our back.
   */
  public void kill() {
    Collection<ProcessHandle> toStop = living();
    for (int round = 0; !toStop.isEmpty() && round < MAX_ROUNDS; round++) {
      toStop.forEach(ProcessTree::stop);
      toStop = look();
    }
    living().forEach(ProcessHandle::destroyForcibly);
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
