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
import java.util.function.LongSupplier;
import java.util.stream.Stream;

/**
 * Compares the counters of the cgroups around the children between a launch and a death.
 *
 * <p>Where our own cgroup was not given the memory controller, the first one above that was is what
 * accounts our memory, and the kernel counts a kill there; until our own is given it, when the
 * first leaf is made beside it. So a kill is looked for in all of these, and in each only among its
 * own processes: those below it are in other children's leaves, or another application's.
 *
 * <p>What rose before is not counted: a reading is kept at each kill, and a child that lived then
 * is compared with that; and now and then one that was made for a launch is, for a child that is
 * reaped much later was alive then. Kills within a second of each other are looked at together, and
 * are said to be {@linkplain CgroupRecord#shared shared}: whose counter it was cannot be told.
 *
 * <p>The machine's counter is read only where there is no cgroup's.
 */
final class OomCounters implements AutoCloseable {
  private static final long TOGETHER_NANOS = TimeUnit.SECONDS.toNanos(1);

  /**
   * The longest from the kernel's count of a kill until we have reaped: a large process takes
   * seconds to end, the more where memory is short.
   */
  private static final long DYING_NANOS = TimeUnit.SECONDS.toNanos(10);

  /** Launches share a look at the machine's counter for so long: one takes 30 microseconds. */
  private static final long MACHINE_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

  private final Machine machine;
  private final List<Cgroup> levels;
  private final List<Cgroup> own;
  private final Optional<String> unseen;
  private final CounterFiles files;
  private final LongSupplier nanoClock;

  /** The state before the kills that are being looked at together, and after the last of them. */
  private Baseline before;

  private Baseline last;
  private long lastKill;
  private boolean anyKill;

  /** Two launches' readings; the older is the first of all, or {@link #DYING_NANOS} older. */
  private Baseline older;

  private volatile Baseline newer;

  private OptionalLong machineKills = OptionalLong.empty();
  private long machineRead;

  /**
   * What all counters said at one moment.
   *
   * @param machineKills the machine's counter, where there is no other; maybe a little older
   */
  record Baseline(Reading cgroups, OptionalLong machineKills) {
    private long nanos() {
      return cgroups.nanos();
    }

    private Baseline orLater(Baseline other) {
      return nanos() - other.nanos() >= 0 ? this : other;
    }
  }

  OomCounters(Machine machine, CgroupSearch search) {
    this(machine, search, System::nanoTime);
  }

  OomCounters(Machine machine, CgroupSearch search, LongSupplier nanoClock) {
    this.machine = machine;
    this.nanoClock = nanoClock;
    long without = search.levels().stream().takeWhile(level -> !level.accountsMemory()).count();
    levels = without == search.levels().size() ? List.of() : search.levels();
    own = levels.isEmpty() ? levels : levels.subList(0, Math.toIntExact(without) + 1);
    unseen = search.unseen();
    files = new CounterFiles(levels, own.size(), nanoClock);
    before = new Baseline(files.read(), OptionalLong.empty());
    last = before;
    older = before;
    newer = before;
    machineRead = before.nanos() - MACHINE_NANOS;
  }

  /** Takes the baseline of a launch. */
  Baseline now() {
    Baseline now =
        new Baseline(files.read(), levels.isEmpty() ? recentMachineKills() : OptionalLong.empty());
    if (now.nanos() - newer.nanos() >= DYING_NANOS) {
      keep(now);
    }
    return now;
  }

  /** A leaf was made, and with the first one our own cgroup may have been given the controller. */
  void leafWasMade() {
    files.openLate();
  }

  private synchronized void keep(Baseline now) {
    if (now.nanos() - newer.nanos() >= DYING_NANOS) { // another launch may just have done it
      older = newer;
      newer = now;
    }
  }

  private synchronized OptionalLong recentMachineKills() {
    return nanoClock.getAsLong() - machineRead < MACHINE_NANOS ? machineKills : machineKills();
  }

  private synchronized OptionalLong machineKills() {
    machineRead = nanoClock.getAsLong();
    machineKills = machine.oomKills();
    return machineKills;
  }

  /**
   * Says what has risen.
   *
   * @param launch the baseline
   * @param leaf the child's own cgroup, if it had one; it must still be there
   * @param killed true if it was killed by SIGKILL
   */
  synchronized CgroupRecord since(Baseline launch, Optional<Leaf> leaf, boolean killed) {
    // before those above: the kernel counts a kill there last, so nobody else's is overlooked
    Optional<CgroupRecord.Leaf> own = leaf.map(OomCounters::leaf);
    Baseline now =
        new Baseline(
            files.readAll(), killed && levels.isEmpty() ? machineKills() : OptionalLong.empty());
    boolean together = anyKill && now.nanos() - lastKill < TOGETHER_NANOS;
    if (killed && !together) {
      before = last;
    }
    Baseline from = launch.orLater(together ? before : last).orLater(whileItLived(now));
    boolean shared = together && launch.nanos() - lastKill < 0;
    List<CounterChange> changes = files.between(from.cgroups, now.cgroups);
    List<CounterChange> all = leaf.isEmpty() ? changes : files.between(launch.cgroups, now.cgroups);
    if (killed) {
      last = now;
      lastKill = now.nanos();
      anyKill = true;
    }
    return new CgroupRecord(
        own,
        around(leaf, changes).map(change -> container(change, others(change, all, own))).toList(),
        unseen,
        risen(from.machineKills, now.machineKills),
        shared);
  }

  /** Returns the latest of the kept readings that a child which has just been reaped has seen. */
  private Baseline whileItLived(Baseline now) {
    return now.nanos() - newer.nanos() >= DYING_NANOS ? newer : older;
  }

  private static OptionalLong risen(OptionalLong before, OptionalLong now) {
    return before.isPresent() && now.isPresent()
        ? OptionalLong.of(now.getAsLong() - before.getAsLong())
        : OptionalLong.empty();
  }

  private static CgroupRecord.Leaf leaf(Leaf leaf) {
    Optional<Counters> all = leaf.cgroup().events();
    Optional<Counters> local = leaf.cgroup().localEvents();
    OptionalLong here = of(local, Counter.OOM_KILL);
    OptionalLong kills = all.isPresent() ? of(all, Counter.OOM_KILL) : here;
    boolean apart = all.isPresent() && local.isPresent(); // else the one there is, is local
    return new CgroupRecord.Leaf(
        leaf.cgroup().path(),
        leaf.limits().max(),
        of(local, Counter.OOM),
        limitReached(local.or(() -> all)),
        kills,
        apart ? risen(here, kills) : OptionalLong.empty(),
        killedAsAWhole(leaf, local));
  }

  private static boolean killedAsAWhole(Leaf leaf, Optional<Counters> local) {
    OptionalLong counted = of(local, Counter.OOM_GROUP_KILL);
    return counted.isPresent() ? counted.getAsLong() > 0 : leaf.cgroup().oomGroup().orElse(false);
  }

  private static Stream<CounterChange> around(Optional<Leaf> leaf, List<CounterChange> changes) {
    return changes.stream()
        .filter(
            change ->
                leaf.isEmpty() || leaf.get().directory().startsWith(change.cgroup().directory()));
  }

  /** Only our own cgroup's kills may be those of a child without a leaf. */
  private Container container(CounterChange change, OptionalLong others) {
    return new Container(
        change.cgroup().path(),
        of(change.local(), Counter.OOM),
        limitReached(change.local()),
        own.contains(change.cgroup()) ? of(change.local(), Counter.OOM_KILL) : OptionalLong.empty(),
        others);
  }

  /**
   * Says how many were killed in a cgroup besides the child and its leaf.
   *
   * @param all since its launch, if it had a leaf, whose counters are as old
   */
  private static OptionalLong others(
      CounterChange change, List<CounterChange> all, Optional<CgroupRecord.Leaf> leaf) {
    long its = leaf.map(CgroupRecord.Leaf::oomKills).orElse(OptionalLong.of(1)).orElse(0);
    OptionalLong kills =
        all.stream()
            .filter(one -> one.cgroup() == change.cgroup())
            .findFirst()
            .map(one -> of(one.hierarchical(), Counter.OOM_KILL))
            .orElse(OptionalLong.empty());
    return kills.isPresent() ? OptionalLong.of(Math.max(0, kills.getAsLong() - its)) : kills;
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
