package io.memguard;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.memguard.events.MemoryGuardListener;
import io.memguard.launch.LaunchException;
import io.memguard.limits.GuardOptions;
import io.memguard.limits.MemoryLimits;
import io.memguard.limits.Protection;
import io.memguard.limits.Requirement;
import io.memguard.limits.VictimPolicy;
import io.memguard.limits.VictimPolicy.Candidate;
import io.memguard.outcome.MemoryEvent;
import io.memguard.outcome.MemoryEvent.Kind;
import io.memguard.outcome.Preemption;
import io.memguard.platform.Linux;
import io.memguard.platform.cgroup.CgroupFinder;
import io.memguard.platform.cgroup.Machine;
import io.memguard.platform.jfr.Recorder;
import io.memguard.platform.kernellog.OomVictims;
import io.memguard.support.ContainerOfFiles;
import io.memguard.support.Eventually;
import io.memguard.support.Proc;
import io.memguard.watch.LeafHints;
import io.memguard.watch.Watcher;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** When a child is ended so that the others live: in a container of ordinary files. */
@Tag("engine-independent")
@Timeout(60)
final class HeadroomGuardTest {
  private static final long MIB = 1L << 20;
  private static final long LIMIT = 200 * MIB;
  private static final long RESERVE = 20 * MIB;
  private static final long MILLI = TimeUnit.MILLISECONDS.toNanos(1);
  private static final int TURNS = 5;

  @TempDir Path machine;
  private ContainerOfFiles container;
  private final List<MemoryEvent> told = new CopyOnWriteArrayList<>();
  private final List<Fake> children = new ArrayList<>();
  private final MemoryEvents events =
      new MemoryEvents(
          Optional.empty(),
          OomVictims.unknown(),
          List.of(MemoryGuardListener.ofMemory(told::add)),
          Recorder.NONE);
  private final MemoryWatch thread = new MemoryWatch();
  private Optional<LeafHints> hints = Optional.empty();
  private long now;

  @BeforeEach
  void makeContainer() {
    container = new ContainerOfFiles(machine, LIMIT);
  }

  @AfterEach
  void end() {
    thread.close();
    events.close();
  }

  @Test
  void withoutAChildItIsParked() throws Exception {
    try (HeadroomGuard guard = guard(VictimPolicy.standard())) {
      container.headroom(0);
      assertThat(guard.tick(later())).isEqualTo(MemoryWatch.Client.NEVER);
      Fake child = child(guard, 1, 50);
      assertThat(guard.tick(later())).isNotEqualTo(MemoryWatch.Client.NEVER);
      child.gone = true;
      guard.tick(later());
      container.headroom(LIMIT);
      guard.tick(later());
      assertThat(guard.tick(later())).isEqualTo(MemoryWatch.Client.NEVER);
    }
  }

  /** At most as long as the fastest allocation needs for what is above the reserve. */
  @Test
  void theLessHeadroomTheSoonerItLooksAgain() throws Exception {
    try (HeadroomGuard guard = guard(VictimPolicy.standard())) {
      child(guard, 1, 50);
      container.headroom(RESERVE + 60 * MIB);
      assertThat(guard.tick(later())).isBetween(9 * MILLI, 10 * MILLI);
      container.headroom(RESERVE);
      assertThat(guard.tick(later())).isBetween(MILLI, 5 * MILLI);
      container.set("memory.max", 100_000 * MIB + "\n");
      assertThat(guard.tick(later())).isEqualTo(TimeUnit.SECONDS.toNanos(1));
      assertThat(children.get(0).reading).isEmpty();
    }
  }

  /** Slowly as any honest child may; fast as only one that would use it up in 20 ms. */
  @Test
  void moreIsKeptFreeWhileItFallsFast() throws Exception {
    try (HeadroomGuard guard = guard(GuardOptions.defaults())) {
      Fake child = child(guard, 1, 100);
      long next = 0;
      for (long left = 60 * MIB; left > 26 * MIB; left -= MIB / 50) {
        container.headroom(left);
        now += next;
        next = guard.tick(now);
      }
      assertThat(child.reading).as("at 12 MiB a second, 25 are kept").isEmpty();
      // What it takes to read is counted, and on a busy machine that may be longer than the fall.
      for (int turn = 0; turn < TURNS && child.reading.isEmpty(); turn++) {
        container.headroom(60 * MIB);
        guard.tick(now += 8 * MILLI);
        container.headroom(50 * MIB);
        guard.tick(now += 8 * MILLI);
        assertThat(child.reading).as("10 MiB in 8 ms are 25 in 20").isEmpty();
        container.headroom(39 * MIB);
        guard.tick(now += 8 * MILLI);
      }
      assertThat(child.reading.orElseThrow().thresholdBytes()).isEqualTo(LIMIT - 50 * MIB);
    }
  }

  @Test
  void oneIsEndedAndTheNextOnlyWhenThatOneIsGoneAndItWasNotEnough() throws Exception {
    try (HeadroomGuard guard = guard(VictimPolicy.standard())) {
      Fake older = child(guard, 1, 60);
      Fake newer = child(guard, 2, 50);
      container.headroom(RESERVE - MIB);
      tick(guard);
      assertThat(newer.reading)
          .contains(
              new Preemption(
                  Preemption.Limit.HEAD_ROOM,
                  LIMIT,
                  LIMIT - RESERVE,
                  LIMIT - RESERVE + MIB,
                  50 * MIB,
                  3,
                  Preemption.Source.STAT));
      container.headroom(0);
      tick(guard);
      tick(guard);
      assertThat(older.reading).as("while the first one dies").isEmpty();
      newer.gone = true;
      tick(guard);
      assertThat(older.reading).as("what was read may be older than its end").isEmpty();
      tick(guard);
      assertThat(older.reading).isPresent();
    }
  }

  /** The tree watch has told it to end, the child itself is gone, and its descendants hold much. */
  @Test
  void whileWhatAChildLeftBehindIsBeingEndedNobodyElseIs() throws Exception {
    try (HeadroomGuard guard = guard(VictimPolicy.standard())) {
      Fake left = child(guard, 1, 100);
      Fake newer = child(guard, 2, 100);
      left.ending = true;
      container.headroom(0);
      tick(guard);
      tick(guard);
      assertThat(newer.reading).isEmpty();
    }
  }

  /** Of one that exits nothing is shown, while the kernel still frees its memory. */
  @Test
  void whileOneThatIsBeingEndedExitsNobodyElseIsEnded() throws Exception {
    try (HeadroomGuard guard = guard(VictimPolicy.standard())) {
      Fake exiting = child(guard, 1, 0);
      Fake other = child(guard, 2, 50);
      exiting.ending = true;
      container.headroom(0);
      tick(guard);
      tick(guard);
      assertThat(other.reading).isEmpty();
      exiting.gone = true;
      tick(guard);
      tick(guard);
      assertThat(other.reading).as("that was not enough").isPresent();
    }
  }

  @Test
  void oneThatIsBeingEndedAndHoldsLittleHasItsTime() throws Exception {
    try (HeadroomGuard guard = guard(VictimPolicy.standard())) {
      Fake small = child(guard, 1, 1);
      Fake other = child(guard, 2, 50);
      small.ending = true;
      container.headroom(0);
      tick(guard);
      assertThat(small.reading).isEmpty();
      assertThat(other.reading).isPresent();
    }
  }

  /**
   * Who was told that memory is short may wait to hear that it is not, before he starts another.
   */
  @Test
  void itIsToldThatMemoryIsBackAlsoWhenNoChildIsLeft() throws Exception {
    try (HeadroomGuard guard = guard(VictimPolicy.standard())) {
      Fake child = child(guard, 1, 50);
      container.headroom(RESERVE + MIB);
      tick(guard);
      child.gone = true;
      assertThat(guard.tick(later())).isEqualTo(TimeUnit.SECONDS.toNanos(1));
      container.headroom(LIMIT);
      tick(guard);
      Eventually.await(
          "it is told", () -> told.stream().anyMatch(event -> event.kind() == Kind.HEADROOM_BACK));
      assertThat(guard.tick(later())).isEqualTo(MemoryWatch.Client.NEVER);
    }
  }

  /** A retry may come at once, and fill what is left. */
  @Test
  void aChildThatIsStartedWhileMemoryIsLowIsLookedAtAtOnce() throws Exception {
    try (HeadroomGuard guard = guard(VictimPolicy.standard())) {
      Fake first = child(guard, 1, 50);
      container.headroom(RESERVE + MIB);
      tick(guard);
      first.gone = true;
      tick(guard);
      Fake next = child(guard, 2, 50);
      container.headroom(0);
      guard.tick(now + MILLI);
      assertThat(next.reading).isPresent();
    }
  }

  @Test
  void aReserveAsLargeAsTheLimitIsRefused() {
    HeadroomGuard guard = guard(GuardOptions.defaults().withReserve(LIMIT));
    guard.close();
    assertThat(guard.state().active()).isFalse();
    assertThat(guard.state().reason()).contains("200 MiB").contains("GuardOptions.withReserve");
  }

  @Test
  void whenTheMemoryIsBackNobodyElseIsEnded() throws Exception {
    try (HeadroomGuard guard = guard(VictimPolicy.standard())) {
      Fake older = child(guard, 1, 60);
      Fake newer = child(guard, 2, 50);
      container.headroom(RESERVE - MIB);
      tick(guard);
      newer.gone = true;
      container.headroom(RESERVE + 49 * MIB);
      tick(guard);
      tick(guard);
      assertThat(older.reading).isEmpty();
    }
  }

  @Test
  void aVictimThatDoesNotEndIsNotWaitedForForEver() throws Exception {
    try (HeadroomGuard guard = guard(VictimPolicy.standard())) {
      Fake other = child(guard, 1, 60);
      Fake stuck = child(guard, 2, 50);
      container.headroom(0);
      tick(guard);
      assertThat(stuck.reading).isPresent();
      now += TimeUnit.SECONDS.toNanos(11);
      tick(guard);
      tick(guard);
      assertThat(other.reading).isPresent();
    }
  }

  @Test
  void whoIsBeingEndedAlreadyIsTheVictim() throws Exception {
    try (HeadroomGuard guard = guard(VictimPolicy.standard())) {
      Fake older = child(guard, 1, 60);
      Fake newer = child(guard, 2, 50);
      older.ending = true;
      container.headroom(0);
      tick(guard);
      assertThat(older.reading).as("it has no time left").isPresent();
      tick(guard);
      assertThat(newer.reading).isEmpty();
      now += TimeUnit.SECONDS.toNanos(11);
      tick(guard);
      tick(guard);
      assertThat(newer.reading).as("the other one is stuck").isPresent();
    }
  }

  @Test
  void whoseEndWouldNotBeEnoughIsSparedIfAnothersWould() throws Exception {
    try (HeadroomGuard guard = guard(VictimPolicy.standard())) {
      Fake enough = child(guard, 1, 20);
      Fake newer = child(guard, 2, 19);
      container.headroom(0);
      tick(guard);
      assertThat(newer.reading).isEmpty();
      assertThat(enough.reading).isPresent();
      enough.gone = true;
      tick(guard);
      tick(guard);
      assertThat(newer.reading).as("then nobody's is enough").isPresent();
    }
  }

  @Test
  void whoHoldsNextToNothingIsNoVictim() throws Exception {
    try (HeadroomGuard guard = guard(VictimPolicy.standard())) {
      Fake small = child(guard, 1, 2);
      container.headroom(0);
      tick(guard);
      assertThat(small.reading).isEmpty();
    }
  }

  @Test
  void eachStepDownIsToldOnceAndThatAllIsWellAgain() throws Exception {
    try (HeadroomGuard guard = guard(candidates -> Optional.empty())) {
      child(guard, 1, 50);
      for (long mebibytes : new long[] {100, 29, 25, 19, 18, 39, 25, 19, 40, 100, 29}) {
        container.headroom(mebibytes * MIB);
        tick(guard);
      }
      Eventually.await("all is told", () -> told.size() >= 5);
      assertThat(told)
          .extracting(MemoryEvent::kind)
          .containsExactly(
              Kind.HEADROOM_LOW,
              Kind.HEADROOM_CRITICAL,
              Kind.HEADROOM_CRITICAL,
              Kind.HEADROOM_BACK,
              Kind.HEADROOM_LOW);
    }
  }

  @Test
  void aPolicyOfTheUsersDecidesElsewhere() throws Exception {
    List<String> threads = new CopyOnWriteArrayList<>();
    VictimPolicy largest =
        candidates -> {
          threads.add(Thread.currentThread().getName());
          return Optional.of(candidates.get(0));
        };
    try (HeadroomGuard guard = guard(largest)) {
      Fake large = child(guard, 1, 60);
      Fake small = child(guard, 2, 50);
      container.headroom(0);
      guard.tick(later());
      Eventually.await(
          "it has decided",
          () -> {
            guard.hint(); // it has some milliseconds to decide, and no second passes here
            guard.tick(now);
            return large.reading.isPresent();
          });
      assertThat(small.reading).isEmpty();
      assertThat(threads).hasSize(1).doesNotContain(Thread.currentThread().getName());
    }
  }

  @Test
  void aPolicyThatBlocksFailsOrChoosesAStrangerIsReplaced() throws Exception {
    CountDownLatch never = new CountDownLatch(1);
    VictimPolicy blocking =
        candidates -> {
          try {
            never.await();
          } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
          }
          return Optional.empty();
        };
    VictimPolicy failing =
        candidates -> {
          throw new IllegalStateException("on purpose");
        };
    Candidate stranger = new Candidate(99, MemoryLimits.none(), 1, 1, Duration.ZERO, false);
    VictimPolicy answersNull = candidates -> null;
    VictimPolicy choosesStranger = candidates -> Optional.of(stranger);
    for (VictimPolicy policy : List.of(blocking, failing, choosesStranger, answersNull)) {
      try (HeadroomGuard guard = guard(policy)) {
        children.clear();
        Fake child = child(guard, 1, 60);
        container.headroom(0);
        Eventually.await(
            "the standard policy has decided",
            () -> {
              guard.tick(later());
              return child.reading.isPresent();
            });
      }
    }
    never.countDown();
  }

  @Test
  void aContainerThatVanishedIsLookedForSeldom() throws Exception {
    try (HeadroomGuard guard = guard(VictimPolicy.standard())) {
      child(guard, 1, 50);
      container.set("memory.max", "");
      assertThat(guard.tick(later())).isEqualTo(TimeUnit.SECONDS.toNanos(1));
    }
  }

  /** Whoever runs the container has set it, to have it slowed down before it is killed. */
  @Test
  void itIsToldThatTheContainerWasSlowedDown() throws Exception {
    container.set("memory.events.local", "high 7\n");
    try (HeadroomGuard guard = guard(VictimPolicy.standard())) {
      child(guard, 1, 50);
      tick(guard);
      tick(guard);
      container.set("memory.events.local", "high 9\n");
      tick(guard);
      tick(guard);
      events.close(); // tells what is still to be told
      Eventually.await("it is told", () -> !told.isEmpty());
      assertThat(told).extracting(MemoryEvent::kind).containsExactly(Kind.HIGH);
    }
  }

  @Test
  void aHintHasItLookBeforeItsTime() throws Exception {
    try (HeadroomGuard guard = guard(VictimPolicy.standard())) {
      Fake child = child(guard, 1, 50);
      guard.tick(now);
      container.headroom(0);
      assertThat(guard.tick(now)).isPositive();
      assertThat(child.reading).as("it is not time yet").isEmpty();
      guard.hint();
      guard.tick(now);
      assertThat(child.reading).isPresent();
    }
  }

  @Test
  void whatHappensAtTheLimitIsAHint() throws Exception {
    Linux.load();
    container.set("memory.events", "max 0\n");
    container.set("memory.events.local", "max 0\n"); // without it, before Linux 5.2, no hint
    try (Watcher watcher = new Watcher();
        LeafHints source = new LeafHints(watcher)) {
      hints = Optional.of(source);
      long before = Proc.inotifyWatches();
      try (HeadroomGuard guard = guard(VictimPolicy.standard())) {
        guard.arm(MemoryLimits.none());
        guard.arm(MemoryLimits.none());
        assertThat(Proc.inotifyWatches()).isEqualTo(before + 1);
        Fake child = child(guard, 1, 50);
        guard.tick(now);
        container.headroom(0);
        container.set("memory.events", "max 1\n");
        Eventually.await(
            "the hint has come",
            () -> {
              guard.tick(now);
              return child.reading.isPresent();
            });
      }
      assertThat(Proc.inotifyWatches()).isEqualTo(before);
    }
  }

  @Test
  void byItselfItIsOnWhereTheKernelWouldKillThisProcessToo() throws Exception {
    assertThat(of(GuardOptions.HeadroomGuard.AUTO).state().active()).isTrue();
    assertThat(of(GuardOptions.HeadroomGuard.AUTO).state().reason())
        .isEqualTo(
            "cgroup / keeps 25 MiB of 200 MiB free, 50 MiB while it falls fast: cgroup / has"
                + " memory.oom.group set, and cgroup / a limit of 200MiB");
    assertThat(of(GuardOptions.HeadroomGuard.OFF).state().reason())
        .isEqualTo("switched off for this guard; HeadroomGuard.ON switches it on");
    container.set("memory.oom.group", "0\n");
    assertThat(of(GuardOptions.HeadroomGuard.AUTO).state().active()).isFalse();
    assertThat(of(GuardOptions.HeadroomGuard.AUTO).state().reason()).startsWith("off by itself: ");
    assertThat(of(GuardOptions.HeadroomGuard.ON).state().active()).isTrue();
    container.remove("memory.max");
    assertThat(of(GuardOptions.HeadroomGuard.ON).state().reason())
        .isEqualTo("the head-room can be read neither in a cgroup nor in /proc");
  }

  /** Then the head-room of the machine says nothing about it. */
  @Test
  void whereTheLimitOfTheGroupIsNotSeenItPromisesNothing() throws Exception {
    Files.writeString(
        machine.resolve("proc/meminfo"), "MemTotal: 8388608 kB\nMemAvailable: 4194304 kB\n");
    container.set("memory.max", "max\n");

    assertThat(of(GuardOptions.HeadroomGuard.AUTO).state().reason())
        .startsWith("the limit at which this process is killed with its children cannot be seen")
        .doesNotContain("off by itself", "HeadroomGuard.ON");
  }

  @Test
  void whoRequiresItIsRefusedWhereItIsOff() throws Exception {
    MemoryLimits required =
        MemoryLimits.none().with(Protection.HEADROOM_GUARD, Requirement.REQUIRE);
    MemoryLimits spared = MemoryLimits.none().with(Protection.HEADROOM_GUARD, Requirement.OFF);
    HeadroomGuard on = of(GuardOptions.HeadroomGuard.ON);
    assertThat(on.arm(required).orElseThrow().active()).isTrue();
    assertThat(on.arm(MemoryLimits.none()).orElseThrow().active()).isTrue();
    assertThat(on.arm(spared)).isEmpty();
    HeadroomGuard off = of(GuardOptions.HeadroomGuard.OFF);
    assertThat(off.arm(MemoryLimits.none())).isEmpty();
    assertThatExceptionOfType(LaunchException.class)
        .isThrownBy(() -> off.arm(required))
        .withMessageContaining("required and is not on: switched off for this guard")
        .withMessageContaining("withHeadroomGuard(HeadroomGuard.ON)");
  }

  private HeadroomGuard guard(VictimPolicy policy) {
    return guard(GuardOptions.defaults().withReserve(RESERVE).withVictimPolicy(policy));
  }

  private HeadroomGuard of(GuardOptions.HeadroomGuard when) {
    HeadroomGuard guard = guard(GuardOptions.defaults().withHeadroomGuard(when));
    guard.close();
    return guard;
  }

  private HeadroomGuard guard(GuardOptions options) {
    Machine files = container.machine();
    return HeadroomGuard.of(
        files, CgroupFinder.findOwn(files), options, () -> {}, events, thread, hints);
  }

  private void tick(HeadroomGuard guard) {
    guard.tick(later());
  }

  /** At least as late as it has asked for. */
  private long later() {
    now += TimeUnit.SECONDS.toNanos(1);
    return now;
  }

  private Fake child(HeadroomGuard guard, long pid, long mebibytes) {
    Fake child = new Fake(pid, mebibytes * MIB);
    children.add(child);
    guard.add(child);
    return child;
  }

  /** A child that dies when told to. */
  private static final class Fake implements HeadroomGuard.Ward {
    private final long pid;
    private final long bytes;
    private Optional<Preemption> reading = Optional.empty();
    private boolean ending;
    private boolean gone;

    Fake(long pid, long bytes) {
      this.pid = pid;
      this.bytes = bytes;
    }

    @Override
    public long pid() {
      return pid;
    }

    @Override
    public Candidate candidate() {
      return new Candidate(
          pid,
          MemoryLimits.none(),
          gone ? 0 : bytes,
          gone ? 0 : 3,
          Duration.ofSeconds(100 - pid),
          false);
    }

    @Override
    public void preempt(Preemption why) {
      reading = Optional.of(why);
    }

    @Override
    public boolean isEnding() {
      return ending && !gone;
    }

    @Override
    public boolean isGone() {
      return gone;
    }

    @Override
    public boolean isForgotten() {
      return gone;
    }
  }
}
