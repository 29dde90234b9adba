package io.memguard;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.tuple;

import io.memguard.limits.MemoryLimits;
import io.memguard.limits.ResourceLimit;
import io.memguard.outcome.AllocationDeniedException;
import io.memguard.outcome.Cause;
import io.memguard.outcome.ChildExitException;
import io.memguard.outcome.Confidence;
import io.memguard.outcome.Outcome;
import io.memguard.outcome.WaitStatus;
import io.memguard.outcome.WitnessRecord;
import io.memguard.outcome.WitnessedProcess;
import io.memguard.support.Children;
import io.memguard.support.WithGuard;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A refusal that was seen is out of memory, certainly; a text that speaks of one is nothing. */
@ExtendWith(WithGuard.class)
final class WitnessVerdictsTest {
  private static final long GIB = 1L << 30;
  private static final MemoryLimits LIMITS = MemoryLimits.of("128MiB");
  private static final String MALLOC =
      """
      import ctypes, sys
      libc = ctypes.CDLL(None)
      libc.malloc.restype = ctypes.c_void_p
      libc.malloc.argtypes = [ctypes.c_size_t]
      sys.exit(7 if libc.malloc(int(sys.argv[1])) is None else 0)
      """;

  @ParameterizedTest
  @ValueSource(longs = {GIB, GIB + 1, 3 * GIB + 12_345, 200_000_003})
  void theSizeThatWasRefusedIsToldToTheByte(long size, MemoryGuard guard) throws Exception {
    Outcome.OutOfMemory outcome =
        denied(guard, Children.python(MALLOC, "" + size), Confidence.PROBABLE);
    assertThat(outcome.refusedBytes()).hasValue(size);
    assertThat(outcome.evidence().status()).isEqualTo(new WaitStatus.Exit(7));
    assertThat(outcome.limitBytes()).hasValue(128L << 20);
    assertThat(outcome.suggestedLimitBytes().orElseThrow())
        .as("room for it, for an interpreter, and an eighth")
        .isBetween(size / 8 * 9, (size + (64L << 20)) / 8 * 9);
    assertThat(outcome.hung()).isFalse();
  }

  @Test
  void whoGrowsUntilItIsRefusedNeedNotSaySo(MemoryGuard guard) throws Exception {
    String grows = "kept = []\ntry:\n  while True: kept.append(bytearray(1 << 20))";
    denied(guard, Children.python(grows + "\nexcept MemoryError: import os; os._exit(7)"));
  }

  /** As sort -S does, which asks for half as much each time. */
  @Test
  void whoTriesALargeBlockAndFailsForAnotherReasonIsNotForCertainOutOfMemory(MemoryGuard guard)
      throws Exception {
    String tries = "try: bytearray(1 << 30)\nexcept MemoryError: pass\nraise ValueError('config')";
    Outcome.OutOfMemory outcome = denied(guard, Children.python(tries), Confidence.PROBABLE);
    assertThat(outcome.explanation()).contains("there was room for less");
  }

  @Test
  void pythonThatDiesOfMemoryErrorGetsItsException(MemoryGuard guard) throws Exception {
    Outcome.OutOfMemory outcome = denied(guard, Children.python("bytearray(1 << 30)"));
    assertThat(outcome.refusedBytes().orElseThrow()).isBetween(GIB, GIB + 64);
    assertThat(outcome.evidence().errorTail()).contains("MemoryError");
    assertThatExceptionOfType(AllocationDeniedException.class)
        .isThrownBy(outcome::orThrow)
        .withMessageContaining("RLIMIT_DATA 128MiB")
        .withMessageContaining("MemoryError")
        .satisfies(e -> assertThat(e.outcome()).isSameAs(outcome));
  }

  @Test
  void ofTwoLimitsTheSmallerIsTheOneThatRefused(MemoryGuard guard) throws Exception {
    MemoryLimits both = MemoryLimits.of("2GiB").withRlimit(ResourceLimit.parse("as=512MiB"));
    Outcome outcome = guard.run(Children.python("bytearray(1 << 30)"), both);
    assertThat(outcome.explanation()).contains("under RLIMIT_AS 512MiB");
  }

  @Test
  void perlTheSame(MemoryGuard guard) throws Exception {
    Outcome.OutOfMemory outcome =
        denied(guard, new ProcessBuilder("perl", "-e", "my $x = 'x' x (1 << 30);"));
    assertThat(outcome.refusedBytes().orElseThrow()).isBetween(GIB, GIB + 4096);
  }

  @Test
  void aProgramOfTheSystemTheSame(MemoryGuard guard) throws Exception {
    Outcome.OutOfMemory outcome =
        denied(guard, new ProcessBuilder("dd", "if=/dev/zero", "of=/dev/null", "bs=1G", "count=1"));
    assertThat(outcome.refusedBytes().orElseThrow()).isBetween(GIB, GIB + (1 << 20));
  }

  @Test
  void theWordsAloneAreAnOrdinaryExit(MemoryGuard guard) throws Exception {
    Outcome outcome = guard.run(Children.sh("echo MemoryError >&2; exit 1"), LIMITS);
    assertThat(outcome).isEqualTo(new Outcome.Exited(1, outcome.evidence()));
    assertThat(outcome.evidence().errorTail()).isEqualTo("MemoryError\n");
    assertThat(outcome.evidence().witness().orElseThrow().attached()).isTrue();
    assertThatExceptionOfType(ChildExitException.class).isThrownBy(outcome::orThrow);
  }

  @Test
  void aPythonThatRaisesTheErrorItselfIsAnOrdinaryExit(MemoryGuard guard) throws Exception {
    Outcome outcome = guard.run(Children.python("raise MemoryError()"), LIMITS);
    assertThat(outcome).isEqualTo(new Outcome.Exited(1, outcome.evidence()));
  }

  @Test
  void whoeverCarriesOnAndSucceedsSucceeded(MemoryGuard guard) throws Exception {
    String swallows = "try: bytearray(1 << 30)\nexcept MemoryError: pass";
    Outcome outcome = guard.run(Children.python(swallows), LIMITS);
    assertThat(outcome).isEqualTo(new Outcome.Exited(0, outcome.evidence()));
    assertThat(outcome.orThrow()).isSameAs(outcome);
    assertThat(outcome.evidence().witness()).get().matches(WitnessRecord::sawRefusal);
    assertThat(outcome.explanation())
        .matches("It exited .*; process \\d+ \\(python3.*\\) had been refused memory before\\.");
  }

  @Test
  void aKillAfterARefusalIsForMemory(MemoryGuard guard) throws Exception {
    String aborts = "import os\ntry: bytearray(1 << 30)\nexcept MemoryError: os.abort()";
    Outcome.OutOfMemory outcome = denied(guard, Children.python(aborts), Confidence.PROBABLE);
    assertThat(outcome.evidence().status()).isInstanceOf(WaitStatus.Kill.class);
    assertThat(outcome.explanation()).contains("SIGABRT");
  }

  @Test
  void aKillWithoutARefusalIsNot(MemoryGuard guard) throws Exception {
    Outcome outcome = guard.run(Children.sh("kill -9 $$"), LIMITS);
    assertThat(outcome).isInstanceOf(Outcome.Signalled.class);
  }

  @Test
  void whatIsRefusedToAGrandchildCounts(MemoryGuard guard) throws Exception {
    ProcessBuilder python = Children.python(MALLOC, "" + GIB);
    ProcessBuilder shell =
        Children.sh("\"$@\"; echo $?; exit 9", python.command().toArray(String[]::new));
    Outcome.OutOfMemory outcome = denied(guard, shell, Confidence.PROBABLE);
    assertThat(outcome.evidence().outputTail()).isEqualTo("7\n");
    assertThat(outcome.refusedBytes()).hasValue(GIB);
    WitnessRecord record = outcome.evidence().witness().orElseThrow();
    assertThat(record.lastPid().orElseThrow()).isNotEqualTo((int) outcome.evidence().pid());
    assertThat(record.programs()).isGreaterThanOrEqualTo(2);
  }

  @Test
  void theWorkerThatWasRefusedIsNamed(MemoryGuard guard) throws Exception {
    String workers =
        """
        import os, sys
        pids = []
        for size in (1 << 20, 3 << 30, 2 << 30):
          pid = os.fork()
          if pid == 0:
            with open('/proc/self/comm', 'w') as name: name.write('worker-%d' % len(pids))
            try: bytearray(size)
            except MemoryError: os._exit(4)
            os._exit(0)
          pids.append(pid)
          os.waitpid(pid, 0)
        print(*pids)
        sys.exit(5)
        """;
    Outcome.OutOfMemory outcome = denied(guard, Children.python(workers), Confidence.PROBABLE);
    String[] pids = outcome.evidence().outputTail().strip().split(" ", 0);
    WitnessRecord record = outcome.evidence().witness().orElseThrow();
    assertThat(record.processes())
        .extracting(WitnessedProcess::name, WitnessedProcess::refusals)
        .contains(tuple("worker-1", 1L), tuple("worker-2", 1L))
        .noneMatch(process -> process.toList().get(0).equals("worker-0"));
    assertThat(record.lastPid()).hasValue(Integer.parseInt(pids[2]));
    assertThat(outcome.explanation())
        .startsWith("Its process " + pids[1] + " (worker-1) asked for 3.0GiB")
        .contains("was refused under RLIMIT_DATA 128MiB, then the child ended (exit");
  }

  @Test
  void aThreadWithoutRoomForItsStackIsARefusal(MemoryGuard guard) throws Exception {
    String threads =
        """
        import threading
        threading.stack_size(48 << 20)
        stop = threading.Event()
        for i in range(9): threading.Thread(target=stop.wait, daemon=True).start()
        """;
    Outcome.OutOfMemory outcome = denied(guard, Children.python(threads));
    assertThat(outcome.refusedBytes()).hasValue(48L << 20);
    assertThat(outcome.explanation())
        .startsWith("It could not start a thread, for whose stack of 48MiB there was no room");
    WitnessedProcess process =
        outcome.evidence().witness().orElseThrow().threadWithoutRoom().orElseThrow();
    assertThat(process.threadRefusals()).isEqualTo(1);
    assertThat(process.last().orElseThrow().errno()).isEqualTo(11);
  }

  @Test
  void aThreadTooManyIsNone(MemoryGuard guard) throws Exception {
    String threads =
        """
        import os, resource, threading
        if os.getuid() == 0: os.setresuid(65534, 65534, 65534)
        resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
        threading.Thread(target=print).start()
        """;
    Outcome outcome = guard.run(Children.python(threads), LIMITS);
    assertThat(outcome).isEqualTo(new Outcome.Exited(1, outcome.evidence()));
    WitnessRecord record = outcome.evidence().witness().orElseThrow();
    assertThat(record.processes().get(0).threadRefusals()).isEqualTo(1);
    assertThat(record.sawRefusal()).isFalse();
  }

  @Test
  void theLargestAndTheLastRefusalAreKeptApart(MemoryGuard guard) throws Exception {
    String twice =
        "for n in (3 << 30, 1 << 30):\n  try: bytearray(n)\n  except MemoryError: pass\nexit(2)";
    Outcome.OutOfMemory outcome = denied(guard, Children.python(twice), Confidence.PROBABLE);
    WitnessRecord record = outcome.evidence().witness().orElseThrow();
    assertThat(record.refusals()).isEqualTo(2);
    assertThat(record.largestRefusedBytes().orElseThrow()).isBetween(3 * GIB, 3 * GIB + 64);
    assertThat(record.lastRefusedBytes().orElseThrow()).isBetween(GIB, GIB + 64);
  }

  private static Outcome.OutOfMemory denied(MemoryGuard guard, ProcessBuilder job)
      throws Exception {
    return denied(guard, job, Confidence.CERTAIN);
  }

  private static Outcome.OutOfMemory denied(
      MemoryGuard guard, ProcessBuilder job, Confidence confidence) throws Exception {
    Outcome outcome = guard.run(job, LIMITS);
    assertThat(outcome).isInstanceOf(Outcome.OutOfMemory.class);
    Outcome.OutOfMemory memory = (Outcome.OutOfMemory) outcome;
    assertThat(memory.cause()).isEqualTo(Cause.ALLOCATION_DENIED);
    assertThat(memory.confidence()).isEqualTo(confidence);
    return memory;
  }
}
