package io.memguard.platform.procfs;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.TimeUnit;

/**
 * What some processes have done since they were started: two of the same processes can be compared.
 *
 * @param processes their pids, with when they were started
 * @param cpuNanos what they have had of CPUs, with the children that they have waited for; counted
 *     in hundredths of a second
 * @param io how much they have read and written, bytes and calls together; empty if the kernel does
 *     not tell of one of them ({@code /proc/<pid>/io} is for who may trace the process)
 * @param held whether one of them cannot go on by itself: it is stopped, or waits in the kernel for
 *     a disk
 */
public record Activity(Map<Long, Long> processes, long cpuNanos, OptionalLong io, boolean held) {
  private static final long NANOS_PER_TICK =
      TimeUnit.SECONDS.toNanos(1) / (long) ProcessTrees.TICKS_PER_SECOND;

  /** Takes over the map. */
  public Activity {
    processes = Map.copyOf(processes);
  }

  static Activity of(List<Member> members, ProcFiles files) {
    Map<Long, Long> processes = new HashMap<>();
    long ticks = 0;
    long io = 0;
    boolean told = true;
    boolean held = false;
    for (Member member : members) {
      ProcessStat stat = member.stat();
      processes.put(member.pid(), stat.start());
      ticks += stat.cpuTicks();
      held |= stat.isStopped() || stat.isUninterruptible();
      Optional<String> text = files.text(files.name(member.pid() + "/io"));
      io += text.map(Activity::sum).orElse(0L);
      told &= text.isPresent();
    }
    return new Activity(
        processes, ticks * NANOS_PER_TICK, told ? OptionalLong.of(io) : OptionalLong.empty(), held);
  }

  /** What read(2), write(2) and their like moved, and how often they were called. */
  private static long sum(String text) {
    return text.lines()
        .filter(line -> line.startsWith("rchar:") || line.startsWith("wchar:") || isCalls(line))
        .mapToLong(line -> Long.parseLong(line.substring(line.indexOf(':') + 1).strip()))
        .sum();
  }

  private static boolean isCalls(String line) {
    return line.startsWith("syscr:") || line.startsWith("syscw:");
  }
}
