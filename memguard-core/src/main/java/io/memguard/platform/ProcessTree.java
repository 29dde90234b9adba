package io.memguard.platform;

import io.memguard.outcome.Signal;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Collection;
import java.util.Deque;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * A process and all that descend from it, as {@code /proc} shows them. A descendant that was given
 * to another parent is kept once it has been seen.
 *
 * <p>Not safe to share between threads.
 */
public final class ProcessTree {
  private static final Signal STOP = new Signal(19);
  private static final int MAX_ROUNDS = 100;

  private final Set<ProcessHandle> members = new LinkedHashSet<>();

  /** Takes a first look. */
  public ProcessTree(ProcessHandle root) {
    members.add(root);
    refresh();
  }

  /**
   * Looks for members that were started since.
   *
   * @return those that are new
   */
  public Set<ProcessHandle> refresh() {
    Map<Long, List<ProcessHandle>> children = new HashMap<>();
    try (Stream<ProcessHandle> all = ProcessHandle.allProcesses()) {
      children.putAll(
          all.collect(
              Collectors.groupingBy(handle -> handle.parent().map(ProcessHandle::pid).orElse(0L))));
    }
    Set<ProcessHandle> fresh = new LinkedHashSet<>();
    Deque<ProcessHandle> toVisit = new ArrayDeque<>(living());
    while (!toVisit.isEmpty()) {
      for (ProcessHandle child : children.getOrDefault(toVisit.pop().pid(), List.of())) {
        if (!hasEnded(child) && members.add(child)) {
          fresh.add(child);
          toVisit.push(child);
        }
      }
    }
    return fresh;
  }

  /** Adds processes that are known to belong to it. */
  public void add(Collection<ProcessHandle> known) {
    members.addAll(known);
    refresh();
  }

  /**
   * Adds the processes that have a text in the environment they were started with: descendants that
   * were given to another parent before anybody looked.
   *
   * @param mark the text, {@code NAME=VALUE}; empty finds nothing
   */
  public void findMarked(Optional<String> mark) {
    if (mark.isEmpty()) {
      return;
    }
    try (Stream<ProcessHandle> all = ProcessHandle.allProcesses()) {
      all.filter(handle -> !hasEnded(handle) && hasMark(handle, mark.get())).forEach(members::add);
    }
    refresh();
  }

  private static boolean hasMark(ProcessHandle handle, String mark) {
    Path environment = Path.of("/proc", String.valueOf(handle.pid()), "environ");
    try {
      String variables = Files.readString(environment, StandardCharsets.ISO_8859_1);
      return ("\0" + variables).contains("\0" + mark + "\0");
    } catch (IOException e) {
      return false; // it is another user's, or has ended
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
   * Ends every member. They are stopped first, from the root down, so that none can start another
   * behind our back.
   */
  public void kill() {
    Collection<ProcessHandle> toStop = living();
    for (int round = 0; !toStop.isEmpty() && round < MAX_ROUNDS; round++) {
      toStop.forEach(ProcessTree::stop);
      toStop = refresh();
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
