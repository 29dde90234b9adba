package io.memguard;

import io.memguard.outcome.WitnessRecord;
import io.memguard.outcome.WitnessedProcess;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;

/**
 * What of a child's refusals its listener was told, and when it is time to tell more: of each
 * process at once, and then every ten seconds at most, however often it is refused something. It
 * does no I/O. Safe to share between threads.
 */
final class Refusals {
  static final long AGAIN_NANOS = TimeUnit.SECONDS.toNanos(10);

  /** No process has this number: for those that the witness had no room for. */
  private static final int NOBODY = 0;

  private final Map<Integer, Told> told = new HashMap<>();
  private boolean finished;

  private record Told(long times, long at) {}

  /**
   * What is to be told.
   *
   * @param times how often it was refused something since it was told last
   * @param process empty for processes that the witness had no room for
   */
  record News(long times, Optional<WitnessedProcess> process) {}

  /**
   * Returns what is new, and is told now.
   *
   * @param noted what the records have
   * @param gone whose records are freed after that: of them nothing is held back
   * @param now as {@link System#nanoTime}
   * @param last true to hold nothing back: there is no other time
   */
  synchronized List<News> news(WitnessRecord noted, Set<Integer> gone, long now, boolean last) {
    List<News> news = new ArrayList<>(0);
    if (finished) {
      return news;
    }
    finished = last;
    Map<Integer, WitnessedProcess> processes = new LinkedHashMap<>();
    Map<Integer, Long> times = new HashMap<>();
    for (WitnessedProcess process : noted.processes()) { // two threads may have one each
      processes.merge(process.pid(), process, (one, other) -> one);
      times.merge(process.pid(), times(process), Long::sum);
    }
    processes.forEach(
        (pid, process) ->
            add(
                news,
                pid,
                times.getOrDefault(pid, 0L),
                Optional.of(process),
                now,
                last || gone.contains(pid)));
    told.keySet()
        .removeIf(pid -> pid != NOBODY && (gone.contains(pid) || !processes.containsKey(pid)));
    add(news, NOBODY, noted.withoutRoom(), Optional.empty(), now, last);
    return news;
  }

  private static long times(WitnessedProcess process) {
    return process.refusals() + process.threadRefusals() + process.spawnRefusals();
  }

  private void add(
      List<News> news,
      int pid,
      long times,
      Optional<WitnessedProcess> process,
      long now,
      boolean last) {
    Told before = told.get(pid);
    before = before == null || times < before.times ? null : before; // the pid is another's now
    long more = times - (before == null ? 0 : before.times);
    if (more > 0 && (last || before == null || now - before.at >= AGAIN_NANOS)) {
      told.put(pid, new Told(times, now));
      news.add(new News(more, process));
    }
  }
}
