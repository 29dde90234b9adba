package io.memguard;

import static io.memguard.support.Children.python;
import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.events.MemoryGuardListener;
import io.memguard.limits.GuardOptions;
import io.memguard.limits.GuardOptions.HeadroomGuard;
import io.memguard.limits.LaunchOptions;
import io.memguard.limits.MemoryLimits;
import io.memguard.limits.Protection;
import io.memguard.limits.Requirement;
import io.memguard.outcome.Cause;
import io.memguard.outcome.Confidence;
import io.memguard.outcome.MemoryEvent;
import io.memguard.outcome.MemoryEvent.Kind;
import io.memguard.outcome.Outcome;
import io.memguard.outcome.Preemption;
import io.memguard.recover.RetryPolicy;
import io.memguard.support.Children;
import io.memguard.support.ContainerOfFiles;
import io.memguard.support.Eventually;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Real children in a container that runs out of memory: of files, so it hurts nobody. */
@Timeout(60)
final class PreemptedForOthersTest {
  private static final long MIB = 1L << 20;
  private static final long LIMIT = 1024 * MIB;
  private static final long RESERVE = 256 * MIB;

  /** Holds as much as it is told, says so, and ends well when it is told to. */
  private static final String HOLD =
      "import sys; held = bytearray(int(sys.argv[1]) << 20); print('ready', flush=True);"
          + " sys.stdin.read(); print('right')";

  /** The same, and so does a child of its own. */
  private static final String HOLD_TWICE =
      "import os, sys; pid = os.fork(); held = bytearray(int(sys.argv[1]) << 20);"
          + " pid and (print(pid, flush=True)); sys.stdin.read()";

  @TempDir Path machine;
  private final List<MemoryEvent> told = new CopyOnWriteArrayList<>();
  private ContainerOfFiles container;

  @BeforeEach
  void makeContainer() {
    container = new ContainerOfFiles(machine, LIMIT);
  }

  @Test
  void oneIsEndedAndTheOthersDoNotNotice() throws Exception {
    List<MemoryEvent> its = new CopyOnWriteArrayList<>();
    try (MemoryGuard guard = guard()) {
      assertNobodyLooks();
      GuardedProcess bystander = hold(guard, 2, MemoryLimits.of("512MiB"));
      GuardedProcess large =
          ready(
              guard.start(
                  python(HOLD, "100"),
                  MemoryLimits.none(),
                  LaunchOptions.defaults().withMemoryListener(its::add)));
      assertThat(threads()).containsExactly("memguard-memory");
      assertThat(large.protections().get(Protection.HEADROOM_GUARD).active()).isTrue();
      container.headroom(RESERVE - MIB);
      Outcome outcome = large.outcome().get(20, TimeUnit.SECONDS);
      container.headroom(RESERVE + 100 * MIB);
      assertPreempted(outcome, 1);
      assertThat(its).extracting(MemoryEvent::kind).containsExactly(Kind.PREEMPTED);
      assertThat(its.get(0).child()).hasValue(large.pid());
      bystander.getOutputStream().close();
      assertThat(Children.output(bystander)).isEqualTo("right\n");
      assertThat(bystander.outcome().get().isSuccess()).isTrue();
      assertThat(told)
          .extracting(MemoryEvent::kind)
          .startsWith(Kind.HEADROOM_CRITICAL, Kind.PREEMPTED);
    }
    assertNobodyLooks();
  }

  @Test
  void withItsDescendants() throws Exception {
    try (MemoryGuard guard = guard()) {
      GuardedProcess parent = guard.start(python(HOLD_TWICE, "50"), MemoryLimits.none());
      long child = Long.parseLong(Children.line(parent.getInputStream()));
      container.headroom(0);
      assertPreempted(parent.outcome().get(20, TimeUnit.SECONDS), 2);
      container.headroom(LIMIT);
      Eventually.awaitGone(child);
    }
  }

  /** The child itself has ended well long before; nobody had set a limit. */
  @Test
  void whatAChildLeftBehindIsEndedToo() throws Exception {
    String leave =
        """
        import os, time
        pid = os.fork()
        if pid == 0:
            os.close(1)
            os.setsid()
            held = bytearray(60 << 20)
            time.sleep(3600)
        print(pid, flush=True)
        """;
    try (MemoryGuard guard = guard()) {
      GuardedProcess parent = guard.start(python(leave), MemoryLimits.none());
      long left = Long.parseLong(Children.line(parent.getInputStream()));
      assertThat(parent.outcome().get(20, TimeUnit.SECONDS).isSuccess()).isTrue();
      GuardedProcess bystander = hold(guard, 2, MemoryLimits.none());
      container.headroom(0);
      Eventually.awaitGone(left);
      container.headroom(LIMIT);
      Eventually.await(
          "it is told", () -> told.stream().anyMatch(event -> event.kind() == Kind.PREEMPTED));
      bystander.getOutputStream().close();
      assertThat(bystander.outcome().get().isSuccess()).isTrue();
    }
  }

  @Test
  void whoForbidsItIsSpared() throws Exception {
    MemoryLimits spared = MemoryLimits.none().with(Protection.HEADROOM_GUARD, Requirement.OFF);
    try (MemoryGuard guard = guard()) {
      GuardedProcess large = hold(guard, 200, spared);
      assertThat(large.protections()).doesNotContainKey(Protection.HEADROOM_GUARD);
      GuardedProcess small = hold(guard, 60, MemoryLimits.none());
      container.headroom(0);
      assertPreempted(small.outcome().get(20, TimeUnit.SECONDS), 1);
      container.headroom(LIMIT);
      assertThat(large.isAlive()).isTrue();
      large.getOutputStream().close();
      assertThat(large.outcome().get().isSuccess()).isTrue();
    }
  }

  @Test
  void aRetryHasTheSameMemoryAgain() throws Exception {
    try (MemoryGuard guard = guard()) {
      List<MemoryLimits> next = new CopyOnWriteArrayList<>();
      container.headroom(0);
      Outcome outcome =
          guard.run(
              python("import sys, time; held = bytearray(50 << 20); time.sleep(20)"),
              MemoryLimits.of("512MiB"),
              RetryPolicy.onOutOfMemory()
                  .maxAttempts(2)
                  .listener(attempt -> next.add(attempt.nextLimits())));
      assertThat(next).containsOnly(MemoryLimits.of("512MiB")).hasSize(2);
      assertPreempted(outcome, 1);
    }
  }

  @Test
  void closedWhileItIsShort() throws Exception {
    try (MemoryGuard guard = guard()) {
      hold(guard, 2, MemoryLimits.none());
      container.headroom(0);
      Eventually.await("it is told", () -> !told.isEmpty());
    }
    assertNobodyLooks();
  }

  private MemoryGuard guard() {
    return MemoryGuard.create(
        container.machine(),
        GuardOptions.defaults()
            .withHeadroomGuard(HeadroomGuard.AUTO)
            .withReserve(RESERVE)
            .withListener(MemoryGuardListener.ofMemory(told::add)));
  }

  private static GuardedProcess hold(MemoryGuard guard, int mebibytes, MemoryLimits limits)
      throws Exception {
    return ready(guard.start(python(HOLD, Integer.toString(mebibytes)), limits));
  }

  private static GuardedProcess ready(GuardedProcess child) {
    assertThat(Children.line(child.getInputStream())).isEqualTo("ready");
    return child;
  }

  private static void assertPreempted(Outcome outcome, int processes) {
    assertThat(outcome).isInstanceOf(Outcome.OutOfMemory.class);
    Outcome.OutOfMemory memory = (Outcome.OutOfMemory) outcome;
    assertThat(memory.cause()).isEqualTo(Cause.PREEMPTED);
    assertThat(memory.confidence()).isEqualTo(Confidence.CERTAIN);
    Preemption reading = memory.evidence().preemption().orElseThrow();
    assertThat(reading.limit()).isEqualTo(Preemption.Limit.HEAD_ROOM);
    assertThat(reading.limitBytes()).isEqualTo(LIMIT);
    assertThat(reading.thresholdBytes()).isEqualTo(LIMIT - RESERVE);
    assertThat(reading.bytes()).isGreaterThan(LIMIT - RESERVE);
    assertThat(reading.processes()).isEqualTo(processes);
  }

  private static void assertNobodyLooks() {
    Eventually.await("the last guard's thread has ended", () -> threads().isEmpty());
  }

  private static List<String> threads() {
    return Thread.getAllStackTraces().keySet().stream()
        .map(Thread::getName)
        .filter("memguard-memory"::equals)
        .toList();
  }
}
