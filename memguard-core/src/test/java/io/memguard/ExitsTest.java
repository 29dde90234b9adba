package io.memguard;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.limits.MemoryLimits;
import io.memguard.limits.ResourceLimit;
import io.memguard.outcome.Outcome;
import io.memguard.outcome.Signal;
import io.memguard.outcome.WaitStatus;
import io.memguard.support.Children;
import io.memguard.support.Engines;
import io.memguard.support.Proc;
import io.memguard.support.WithGuard;
import java.nio.file.Path;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Every way a process can end is told as it was. */
@ExtendWith(WithGuard.class)
final class ExitsTest {
  /** By default these do nothing (CHLD, CONT, URG, WINCH) or stop a process (19 to 22). */
  private static final Set<Integer> DO_NOT_END = Set.of(17, 18, 19, 20, 21, 22, 23, 28);

  /** They are blocked or ignored, depending on the JDK and the thread. */
  private static final Set<Integer> THE_JDKS_CHILDREN_IGNORE = Set.of(3, 32, 33);

  @Test
  void allExitCodesAreTold(MemoryGuard guard) throws Exception {
    for (int code = 0; code < 256; code++) {
      GuardedProcess child = guard.start(Children.sh("exit $1", "" + code), MemoryLimits.none());
      assertThat(child.waitFor()).isEqualTo(code);
      assertThat(child.exitValue()).isEqualTo(code);
      Outcome outcome = child.outcome().get();
      assertThat(outcome.isSuccess()).isEqualTo(code == 0);
      if (Engines.isNative() || code <= 128 || code > 192) {
        assertThat(outcome).isEqualTo(new Outcome.Exited(code, outcome.evidence()));
        assertThat(child.waitStatus()).contains(new WaitStatus.Exit(code));
      } else { // the portable engine's first limitation
        assertThat(outcome)
            .isEqualTo(new Outcome.Signalled(new Signal(code - 128), outcome.evidence()));
      }
    }
  }

  static IntStream endingSignals() {
    long ignored = ignoredHere();
    return IntStream.rangeClosed(1, 64)
        .filter(signal -> !DO_NOT_END.contains(signal))
        .filter(signal -> (ignored >> (signal - 1) & 1) == 0);
  }

  /**
   * What runs the tests may ignore signals, and its children with it: nohup(1) SIGHUP, as it
   * promises to all below it, and a shell SIGINT for what it runs beside itself.
   */
  private static long ignoredHere() {
    long ignored =
        Proc.read(Path.of("/proc/self/status"))
            .lines()
            .filter(line -> line.startsWith("SigIgn:"))
            .mapToLong(line -> Long.parseUnsignedLong(line.substring(7).strip(), 16))
            .findFirst()
            .orElseThrow();
    return Engines.isNative() ? ignored & 1 : ignored;
  }

  @ParameterizedTest
  @MethodSource("endingSignals")
  void everySignalThatEndsAProcessIsTold(int number, MemoryGuard guard) throws Exception {
    GuardedProcess child =
        guard.start(
            Children.sh("kill -$1 $$", "" + number),
            MemoryLimits.none().withRlimit(ResourceLimit.parse("core=0")));
    if (!Engines.isNative() && THE_JDKS_CHILDREN_IGNORE.contains(number)) {
      assertThat(guard.capabilities().limitations()).anyMatch(text -> text.contains("SIGQUIT"));
      return;
    }
    Signal signal = new Signal(number);
    assertThat(child.waitFor()).isEqualTo(128 + number);
    Outcome outcome = child.outcome().get();
    assertThat(outcome).isEqualTo(new Outcome.Signalled(signal, outcome.evidence()));
    assertThat(child.waitStatus()).contains(new WaitStatus.Kill(signal, false));
    assertThat(outcome.explanation()).contains(signal.name());
  }

  @Test
  void exit137IsNotSigkill(MemoryGuard guard) throws Exception {
    Outcome exited = guard.run(Children.sh("exit 137"), MemoryLimits.none());
    Outcome killed = guard.run(Children.sh("kill -9 $$"), MemoryLimits.none());
    assertThat(killed).isEqualTo(new Outcome.Signalled(Signal.KILL, killed.evidence()));
    if (Engines.isNative()) {
      assertThat(exited).isEqualTo(new Outcome.Exited(137, exited.evidence()));
    } else {
      assertThat(guard.capabilities().limitations())
          .anyMatch(text -> text.contains("cannot be told apart"));
      assertThat(exited).isEqualTo(new Outcome.Signalled(Signal.KILL, exited.evidence()));
    }
  }

  @Test
  void aDumpedCoreIsTold(MemoryGuard guard, @TempDir Path directory) throws Exception {
    ProcessBuilder abort = Children.sh("kill -ABRT $$").directory(directory.toFile());
    MemoryLimits limits = MemoryLimits.none();
    boolean dumps =
        Engines.isNative()
            && Proc.read(Path.of("/proc/sys/kernel/core_pattern")).matches("core\\s*")
            && Proc.read(Path.of("/proc/self/limits"))
                .matches("(?s).*core file size +\\S+ +unlimited.*");
    if (dumps) {
      limits = limits.withRlimit(ResourceLimit.parse("core=unlimited"));
    }
    Outcome outcome = guard.run(abort, limits);
    assertThat(outcome.evidence().status()).isEqualTo(new WaitStatus.Kill(new Signal(6), dumps));
    assertThat(directory.toFile().list((dir, name) -> name.startsWith("core")))
        .hasSize(dumps ? 1 : 0);
  }

  @Test
  void whatItUsedIsToldWhereItIsKnown(MemoryGuard guard) throws Exception {
    Outcome outcome =
        guard.run(Children.python("for i in range(3000000): pass"), MemoryLimits.none());
    if (Engines.isNative()) {
      assertThat(outcome.evidence().usage().orElseThrow().userTime()).isPositive();
    } else {
      assertThat(guard.capabilities().limitations()).anyMatch(text -> text.contains("CPU time"));
      assertThat(outcome.evidence().usage()).isEmpty();
    }
  }
}
