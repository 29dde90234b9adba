package io.memguard;

import io.memguard.outcome.CgroupRecord;
import io.memguard.outcome.CgroupRecord.Container;
import io.memguard.platform.cgroup.Cgroup;
import io.memguard.platform.cgroup.CgroupSearch;
import io.memguard.platform.cgroup.Counter;
import io.memguard.platform.cgroup.CounterChange;
import io.memguard.platform.cgroup.CounterFiles;
import io.memguard.platform.cgroup.CounterFiles.Reading;
import io.memguard.platform.cgroup.Counters;
import io.memguard.platform.cgroup.Leaf;
import io.memguard.platform.cgroup.Machine;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.TimeUnit;

/**
 * Compares the counters of the cgroups around the children between a launch and a death.
 *
 * <p>Where our own cgroup was not given the memory controller, the first one above that was is what
 * accounts our memory, and the kernel counts a kill there.
 *
 * <p>What rose before is not counted again: a reading is kept at each kill, and a child that lived
 * then is compared with that. Kills within a second of each other are looked at together, and are
 * said to be {@linkplain CgroupRecord#shared shared}: whose counter it was cannot be told.
 */
final class OomCounters implements AutoCloseable {
  private static final long TOGETHER_NANOS = TimeUnit.SECONDS.toNanos(1);

  private final Machine machine;
  private final List<Cgroup> levels;
  private final Optional<String> unseen;
  private final CounterFiles files;

  /** The state before the kills that are being looked at together, and after the last of them. */
  private Reading before;

  private Reading last;
  private long lastKill;
  private boolean anyKill;

  /** The machine's, likewise. */
  private OptionalLong hostBefore;

  private OptionalLong hostLast;

  OomCounters(Machine machine, CgroupSearch search) {
    this.machine = machine;
    levels = search.levels().stream().dropWhile(level -> !level.accountsMemory()).toList();
    unseen = search.unseen();
    files = new CounterFiles(levels);
    before = files.read();
    last = before;
    hostBefore = machine.oomKills();
    hostLast = hostBefore;
  }

  /** Takes the baseline of a launch. */
  Reading now() {
    return files.read();
  }

  /**
   * Says what has risen.
   *
   * @param launch the baseline
   * @param leaf the child's own cgroup, if it had one; it must still be there
   * @param killed true if it was killed by SIGKILL
   */
  synchronized CgroupRecord since(Reading launch, Optional<Leaf> leaf, boolean killed) {
    Reading now = files.read();
    boolean together = anyKill && now.nanos() - lastKill < TOGETHER_NANOS;
    if (killed && !together) {
      before = last;
      hostBefore = hostLast;
    }
    Reading kept = together ? before : last;
    Reading from = launch.nanos() - kept.nanos() > 0 ? launch : kept;
    boolean shared = together && launch.nanos() - lastKill < 0;
    List<CounterChange> changes = files.between(from, now);
    OptionalLong hostKills = OptionalLong.empty();
    if (killed) {
      last = now;
      lastKill = now.nanos();
      anyKill = true;
      hostKills = hostKills();
    }
    return new CgroupRecord(
        leaf.map(OomCounters::leaf), containers(changes, leaf), unseen, hostKills, shared);
  }

  /** Dear to read, some 30 microseconds: only after a kill. */
  private OptionalLong hostKills() {
    hostLast = machine.oomKills();
    return hostBefore.isPresent() && hostLast.isPresent()
        ? OptionalLong.of(hostLast.getAsLong() - hostBefore.getAsLong())
        : OptionalLong.empty();
  }

  private static CgroupRecord.Leaf leaf(Leaf leaf) {
    Optional<Counters> counters = leaf.cgroup().localEvents();
    return new CgroupRecord.Leaf(
        leaf.cgroup().path(),
        leaf.limits().max(),
        of(counters, Counter.OOM),
        limitReached(counters),
        of(counters, Counter.OOM_KILL));
  }

  private List<Container> containers(List<CounterChange> changes, Optional<Leaf> leaf) {
    return changes.stream()
        .filter(
            change ->
                leaf.isEmpty() || leaf.get().directory().startsWith(change.cgroup().directory()))
        .map(this::container)
        .toList();
  }

  private Container container(CounterChange change) {
    boolean own = change.cgroup() == levels.get(0);
    OptionalLong kills = of(change.hierarchical(), Counter.OOM_KILL);
    return new Container(
        change.cgroup().path(),
        of(change.local(), Counter.OOM),
        limitReached(change.local()),
        kills.isPresent() || !own ? kills : of(change.local(), Counter.OOM_KILL));
  }

  private static OptionalLong limitReached(Optional<Counters> counters) {
    return counters.map(Counters::limitReached).orElse(OptionalLong.empty());
  }

  private static OptionalLong of(Optional<Counters> counters, Counter counter) {
    return counters.map(known -> known.of(counter)).orElse(OptionalLong.empty());
  }

  @Override
  public void close() {
    files.close();
  }
}
