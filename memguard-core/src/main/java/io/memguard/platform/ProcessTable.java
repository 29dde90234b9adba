package io.memguard.platform;

import java.io.IOException;
import java.lang.ref.SoftReference;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * All processes, as one listing of {@code /proc} shows them. Whoever wants one while another is
 * being made waits for the next, and has it together with all who wait: a thousand trees can be
 * ended at once, and {@code /proc} is not listed a thousand times.
 *
 * <p>Safe to share between threads.
 */
final class ProcessTable {
  private static final long HIDDEN = 0;
  private static final long INIT = 1;

  private static final AtomicLong BEGUN = new AtomicLong();
  private static final Object LISTING = new Object();
  private static SoftReference<ProcessTable> last = new SoftReference<>(null);

  private final long number;
  private final Map<Long, List<ProcessHandle>> children = new HashMap<>();
  private @Nullable Map<String, List<ProcessHandle>> marked;

  private ProcessTable(long number) {
    this.number = number;
    try (Stream<ProcessHandle> all = ProcessHandle.allProcesses()) {
      all.forEach(
          handle -> add(children, handle.parent().map(ProcessHandle::pid).orElse(HIDDEN), handle));
    }
  }

  private static <K> void add(Map<K, List<ProcessHandle>> map, K key, ProcessHandle handle) {
    map.computeIfAbsent(key, none -> new ArrayList<>(1)).add(handle);
  }

  /** Lists them, or has a listing that was begun after this call. */
  static ProcessTable now() {
    long begunBefore = BEGUN.get();
    synchronized (LISTING) {
      ProcessTable table = last.get();
      if (table == null || table.number <= begunBefore) {
        table = new ProcessTable(BEGUN.incrementAndGet());
        last = new SoftReference<>(table);
      }
      return table;
    }
  }

  /** Returns the children of a process; they may have ended since. */
  List<ProcessHandle> children(ProcessHandle parent) {
    return children.getOrDefault(parent.pid(), List.of());
  }

  /**
   * Returns who has a mark in the environment he was started with, of those whom the kernel gave to
   * another parent.
   *
   * @param mark see {@link ProcessTree}
   */
  synchronized List<ProcessHandle> orphans(String mark) {
    if (marked == null) {
      marked = new HashMap<>();
      for (long reaper : reapers()) {
        for (ProcessHandle child : children.getOrDefault(reaper, List.of())) {
          noteMark(child, marked);
        }
      }
    }
    return marked.getOrDefault(mark, List.of());
  }

  /**
   * An orphan of our descendants goes to one of them, to init, to us or to an ancestor of ours.
   * That may be one whom we may not see.
   */
  private static Set<Long> reapers() {
    Set<Long> reapers = new LinkedHashSet<>(Set.of(HIDDEN, INIT));
    for (ProcessHandle one = ProcessHandle.current();
        one != null;
        one = one.parent().orElse(null)) {
      reapers.add(one.pid());
    }
    return reapers;
  }

  private static void noteMark(ProcessHandle handle, Map<String, List<ProcessHandle>> marked) {
    Path environment = Path.of("/proc", String.valueOf(handle.pid()), "environ");
    try {
      String variables = Files.readString(environment, StandardCharsets.ISO_8859_1);
      for (String variable : variables.split("\0", -1)) {
        if (variable.startsWith(ProcessTree.MARK) && handle.isAlive()) { // its own, then
          add(marked, variable, handle);
        }
      }
    } catch (IOException e) {
      // it is another user's, or has ended
    }
  }
}
