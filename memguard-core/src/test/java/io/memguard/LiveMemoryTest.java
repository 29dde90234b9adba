package io.memguard;

import static io.memguard.support.Children.line;
import static io.memguard.support.Children.python;
import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.limits.GuardOptions;
import io.memguard.limits.MemoryLimits;
import io.memguard.outcome.MemoryReading;
import io.memguard.outcome.MemorySample;
import io.memguard.platform.cgroup.Machine;
import io.memguard.support.WithGuard;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** Whoever asks is told what a living child and its descendants hold. */
@ExtendWith(WithGuard.class)
@Timeout(60)
final class LiveMemoryTest {
  private static final long MIB = 1 << 20;

  /** What Python has before it does anything: less than 16 MiB, none of it files'. */
  private static final long BARE = 16 * MIB;

  private static final String HOLD =
      """
      import os, sys
      held = b"x" * (64 << 20)
      %s
      print("ready", flush=True)
      sys.stdin.read()
      """;

  @Test
  void aChildHasWhatItWroteTo(MemoryGuard guard) throws Exception {
    MemoryLimits limits = MemoryLimits.of("256MiB").withTreeMemory("512MiB");
    GuardedProcess process = start(guard, limits, "");
    MemoryReading reading = process.memory().orElseThrow();
    assertThat(reading.bytes()).isBetween(64 * MIB, 64 * MIB + BARE);
    assertThat(reading.limitBytes()).isEqualTo(limits.treeMemoryMax());
    assertThat(reading.processes()).isEqualTo(1);
    assertThat(reading.source()).isEqualTo(MemoryReading.Source.SMAPS_ROLLUP);
    MemorySample largest = reading.largest().orElseThrow();
    assertThat(largest.pid()).isEqualTo(process.pid());
    assertThat(largest.dataBytes()).isBetween(64 * MIB, 64 * MIB + BARE);
    process.destroyForcibly().waitFor();
    assertThat(process.memory()).as("after its end").isEmpty();
  }

  /** As the children of supervisors that fork: only what they write to is their own. */
  @Test
  void whatDescendantsShareCountsOnce(MemoryGuard guard) throws Exception {
    GuardedProcess process =
        start(
            guard,
            MemoryLimits.of("256MiB"),
            """
            done, told = os.pipe()
            for i in range(2):
                if os.fork() == 0:
                    own = b"y" * (32 << 20)
                    os.write(told, b".")
                    sys.stdin.read()
                    os._exit(0)
            os.read(done, 1), os.read(done, 1)
            """);
    MemoryReading reading = process.memory().orElseThrow();
    assertThat(reading.processes()).isEqualTo(3);
    assertThat(reading.bytes()).isBetween(128 * MIB, 128 * MIB + 3 * BARE);
    process.destroyTree(Duration.ZERO).join();
  }

  @Test
  void withoutLimitsThereIsNoneToTell(MemoryGuard guard) throws Exception {
    GuardedProcess process = start(guard, MemoryLimits.none(), "");
    MemoryReading reading = process.memory().orElseThrow();
    assertThat(reading.bytes()).isBetween(64 * MIB, 64 * MIB + BARE);
    assertThat(reading.limitBytes()).isEqualTo(OptionalLong.empty());
    process.destroyForcibly().waitFor();
  }

  @Test
  void onCgroupV1PressureIsTheMachines(@TempDir Path machine) throws Exception {
    Map<String, String> files =
        Map.of(
            "proc/self/cgroup", "4:memory:/app\n",
            "proc/self/mountinfo",
                "30 23 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
            "sys/fs/cgroup/memory/app/cgroup.procs", "1\n",
            "proc/pressure/memory", "some avg10=12.50 avg60=0.00 avg300=0.00 total=1\n");
    for (Map.Entry<String, String> file : files.entrySet()) {
      Files.createDirectories(machine.resolve(file.getKey()).getParent());
      Files.writeString(machine.resolve(file.getKey()), file.getValue());
    }
    try (MemoryGuard guard = MemoryGuard.create(new Machine(machine), GuardOptions.defaults())) {
      GuardedProcess process = start(guard, MemoryLimits.none(), "");
      assertThat(process.memory().orElseThrow().pressure()).hasValue(0.125);
      process.destroyForcibly().waitFor();
    }
  }

  @Test
  void manyMayAskAtOnceAndUntilTheEnd(MemoryGuard guard) throws Exception {
    GuardedProcess one = start(guard, MemoryLimits.none(), "");
    GuardedProcess other = start(guard, MemoryLimits.none(), "");
    ExecutorService askers = Executors.newFixedThreadPool(4);
    try {
      List<Future<Long>> answers = new ArrayList<>();
      for (GuardedProcess asked : List.of(one, other, one, other)) {
        answers.add(askers.submit(() -> mostUntilTheEnd(asked)));
      }
      for (GuardedProcess ending : List.of(one, other)) {
        ending.memory();
        ending.destroyForcibly();
      }
      for (Future<Long> answer : answers) {
        assertThat(answer.get()).isLessThan(64 * MIB + BARE);
      }
    } finally {
      askers.shutdownNow();
    }
  }

  private static long mostUntilTheEnd(GuardedProcess asked) {
    long most = 0;
    for (Optional<MemoryReading> now = asked.memory(); now.isPresent(); now = asked.memory()) {
      most = Math.max(most, now.get().bytes());
    }
    return most;
  }

  @Test
  void aClosedGuardTellsNothing() throws Exception {
    GuardedProcess process;
    try (MemoryGuard guard = MemoryGuard.create()) {
      process = start(guard, MemoryLimits.none(), "");
      assertThat(process.memory()).isPresent();
    }
    assertThat(process.memory()).isEmpty();
  }

  private static GuardedProcess start(MemoryGuard guard, MemoryLimits limits, String more)
      throws Exception {
    GuardedProcess process = guard.start(python(HOLD.formatted(more)), limits);
    assertThat(line(process.getInputStream())).isEqualTo("ready");
    return process;
  }
}
