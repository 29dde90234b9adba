package io.memguard;

import static io.memguard.support.Children.line;
import static io.memguard.support.Children.sh;
import static org.assertj.core.api.Assertions.assertThat;

import com.sun.jna.Function;
import com.sun.jna.NativeLibrary;
import io.memguard.limits.MemoryLimits;
import io.memguard.limits.Protection;
import io.memguard.outcome.Preemption;
import io.memguard.support.Engines;
import io.memguard.support.Eventually;
import io.memguard.support.Proc;
import io.memguard.support.WithGuard;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Set;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** What leaves the tree before anybody looks carries the witness's mark, and is found by it. */
@ExtendWith(WithGuard.class)
@Timeout(60)
final class EscapingDescendantsTest {
  private static final String LEAVES_ONE =
      "setsid sleep 3600 </dev/null >/dev/null 2>&1 & echo $! > \"$1\"; exit";

  private static final Preemption READING =
      new Preemption(Preemption.Limit.HEAD_ROOM, 3, 2, 2, 1, 1, Preemption.Source.STAT);

  private static final int PR_SET_CHILD_SUBREAPER = 36;

  @TempDir private Path directory;

  @Test
  void whatIsStartedInAnswerToTermIsEndedToo(MemoryGuard guard) throws Exception {
    assumeWitness(guard);
    Path pid = directory.resolve("pid");
    GuardedProcess child =
        guard.start(
            sh(
                "trap '" + LEAVES_ONE + "' TERM; echo ready; while :; do sleep 0.05; done",
                pid.toString()),
            MemoryLimits.of("1GiB"));
    line(child.getInputStream());
    // A shell that was just forked still has the trap, and forgets a SIGTERM that comes then.
    child.destroyTree(Duration.ofSeconds(30)).get();
    assertGone(pid);
  }

  @Test
  void whatLeftBeforeItWasAskedToEndIsEndedToo(MemoryGuard guard) throws Exception {
    assumeWitness(guard);
    Path pid = directory.resolve("pid");
    GuardedProcess child = hasLeftOne(guard, pid, MemoryLimits.of("1GiB"));
    child.destroyTree(Duration.ZERO).get();
    assertGone(pid);
  }

  /** It has no mark, so the first end did not find it; the head-room guard may know it. */
  @Test
  void whatWasLeftByAnEndCanBeEndedAfterwards(MemoryGuard guard) throws Exception {
    Path pid = directory.resolve("pid");
    GuardedProcess child = hasLeftOne(guard, pid, MemoryLimits.none());
    child.destroyTree(Duration.ofHours(1)).get();
    ProcessHandle left = ProcessHandle.of(Long.parseLong(Proc.read(pid).strip())).orElseThrow();
    assertThat(left.isAlive()).isTrue();
    child.preempt(READING, Set.of(left), Duration.ZERO);
    Eventually.awaitGone(left.pid());
  }

  /** Both watches may choose a child, and the one may know more of it than the other did. */
  @Test
  void whatBecomesKnownWhileItIsBeingEndedIsEndedToo(MemoryGuard guard) throws Exception {
    for (int round = 0; round < 20; round++) {
      GuardedProcess child = guard.start(sh("exec sleep 3600"), MemoryLimits.none());
      Process another = new ProcessBuilder("sleep", "3600").start(); // it has no mark
      try {
        child.preempt(READING, Set.of(), Duration.ZERO);
        child.preempt(READING, Set.of(another.toHandle()), Duration.ZERO);
        Eventually.awaitGone(another.pid());
      } finally {
        another.destroyForcibly();
      }
    }
  }

  /** As where the JVM is pid 1 of its container. */
  @Test
  void whatWasGivenToThisProcessAndEndedDoesNotStayAZombie(MemoryGuard guard) throws Exception {
    assumeWitness(guard);
    Path pid = directory.resolve("pid");
    subreaper(1);
    try {
      GuardedProcess child = hasLeftOne(guard, pid, MemoryLimits.of("1GiB"));
      child.destroyTree(Duration.ZERO).get();
      child.awaitSettled();
      assertThat(Path.of("/proc", Proc.read(pid).strip())).doesNotExist();
    } finally {
      subreaper(0);
    }
  }

  private static void subreaper(long on) {
    Function prctl = NativeLibrary.getInstance("c").getFunction("prctl");
    assertThat(prctl.invokeInt(new Object[] {PR_SET_CHILD_SUBREAPER, on, 0L, 0L, 0L})).isZero();
  }

  /** Starts a child that has left one behind already, and goes on. */
  private static GuardedProcess hasLeftOne(MemoryGuard guard, Path pid, MemoryLimits limits)
      throws Exception {
    GuardedProcess child =
        guard.start(
            sh("(" + LEAVES_ONE + "); echo ready; exec sleep 3600", pid.toString()), limits);
    line(child.getInputStream());
    return child;
  }

  private static void assumeWitness(MemoryGuard guard) {
    Assumptions.assumeTrue(Engines.isNative(), "the end is watched by the native engine");
    assertThat(guard.capabilities().protections().get(Protection.WITNESS).active()).isTrue();
  }

  private static void assertGone(Path file) {
    long pid = Long.parseLong(Proc.read(file).strip());
    try {
      Eventually.awaitGone(pid);
    } finally {
      ProcessHandle.of(pid).ifPresent(ProcessHandle::destroyForcibly);
    }
  }
}
