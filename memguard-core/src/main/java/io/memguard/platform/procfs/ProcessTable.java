package io.memguard.platform.procfs;

import io.memguard.platform.Linux;
import io.memguard.platform.StatFile;
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
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * All processes, as one listing of {@code /proc} shows them. Whoever wants one while another is
 * being made waits for the next, and has it together with all who wait: a thousand trees can be
 * ended at once, and {@code /proc} is not listed a thousand times. {@link
 * ProcessHandle#allProcesses} and each one's parent would read every process three times.
 *
 * <p>Safe to share between threads.
 */
final class ProcessTable {
  private static final long HIDDEN = 0;
  private static final long INIT = 1;

  private static final AtomicLong BEGUN = new AtomicLong();
  private static final Object LISTING = new Object();
  private static SoftReference<ProcessTable> last = new SoftReference<>(null);
  private static @Nullable ProcFiles files;

  private final long number;
  private final Map<Long, List<Listed>> children = new HashMap<>();
  private @Nullable Map<String, List<ProcessHandle>> marked;

  /** A process, as it was listed: its pid may be another's by now. */
  private record Listed(long pid, long start) {
    /** Who has its pid before and after has it in between. */
    Optional<ProcessHandle> handle() {
      return ProcessHandle.of(pid).filter(handle -> isStillListed());
    }

    private boolean isStillListed() {
      try {
        return StatFile.read(Path.of("/proc", String.valueOf(pid))).startTime() == start;
      } catch (IOException e) {
        return false;
      }
    }
  }

  private ProcessTable(long number, ProcFiles from) {
    this.number = number;
    Map<Long, ProcessStat> all = new HashMap<>();
    from.numbers("")
        .forEach(
            pid -> {
              ProcessStat stat = from.stat(from.name(pid + "/stat"));
              if (stat != null) {
                all.put(pid, stat);
              }
            });
    all.forEach(
        (pid, stat) ->
            add(
                children,
                all.containsKey(stat.ppid()) ? stat.ppid() : HIDDEN,
                new Listed(pid, stat.start())));
  }

  private static <K, V> void add(Map<K, List<V>> map, K key, V value) {
    map.computeIfAbsent(key, none -> new ArrayList<>(1)).add(value);
  }

  /** Lists them, or has a listing that was begun after this call. */
  static ProcessTable now() {
    long begunBefore = BEGUN.get();
    synchronized (LISTING) {
      ProcessTable table = last.get();
      if (table == null || table.number <= begunBefore) {
        table = new ProcessTable(BEGUN.incrementAndGet(), files());
        last = new SoftReference<>(table);
      }
      return table;
    }
  }

  private static ProcFiles files() {
    ProcFiles from = files;
    if (from == null || from.nativeCalls() != Linux.isLoaded()) {
      from = new ProcFiles(Path.of("/proc"), Linux.isLoaded());
      files = from;
    }
    return from;
  }

  /** Returns the children of a process; they may have ended since. */
  List<ProcessHandle> children(ProcessHandle parent) {
    return children.getOrDefault(parent.pid(), List.of()).stream()
        .flatMap(child -> child.handle().stream())
        .toList();
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
        for (Listed child : children.getOrDefault(reaper, List.of())) {
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

  private static void noteMark(Listed process, Map<String, List<ProcessHandle>> marked) {
    Path environment = Path.of("/proc", String.valueOf(process.pid), "environ");
    try {
      String variables = Files.readString(environment, StandardCharsets.ISO_8859_1);
      for (String variable : variables.split("\0", -1)) {
        if (variable.startsWith(ProcessTree.MARK)) { // its own, if it is the same one still
          process.handle().ifPresent(handle -> add(marked, variable, handle));
        }
      }
    } catch (IOException e) {
      // it is another user's, or has ended
    }
  }
}
