package io.memguard;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.limits.LaunchOptions;
import io.memguard.limits.MemoryLimits;
import io.memguard.outcome.AllocationDeniedException;
import io.memguard.outcome.Cause;
import io.memguard.outcome.Confidence;
import io.memguard.outcome.Evidence.Ending;
import io.memguard.outcome.Outcome;
import io.memguard.outcome.WitnessRecord;
import io.memguard.support.Children;
import io.memguard.support.Eventually;
import io.memguard.support.WithGuard;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Who is refused memory and then does nothing is ended; who does anything is left alone. */
@ExtendWith(WithGuard.class)
@Timeout(60)
final class HangsTest {
  private static final MemoryLimits LIMITS = MemoryLimits.of("128MiB");
  private static final LaunchOptions SOON =
      LaunchOptions.defaults().withHangGrace(Duration.ofSeconds(1));
  private static final String REFUSED =
      """
      import os, sys, threading, time
      try: bytearray(1 << 30)
      except MemoryError: pass
      """;
  private static final String FOR_THREE_SECONDS = "until = time.time() + 3\n";

  @Test
  void whoSwallowsARefusalAndWaitsForeverIsEnded(MemoryGuard guard) throws Exception {
    String hangs = REFUSED + "lock = threading.Lock(); lock.acquire(); lock.acquire()";
    Outcome.OutOfMemory outcome = hung(guard.run(Children.python(hangs), LIMITS, SOON));
    assertThat(outcome.refusedBytes().orElseThrow()).isGreaterThanOrEqualTo(1 << 30);
    assertThat(outcome.evidence().elapsed()).isGreaterThan(Duration.ofSeconds(1));
    assertThat(outcome.explanation())
        .contains(
            "was refused under RLIMIT_DATA 128MiB, then hung, and memguard ended it (killed by SIGTERM)");
    assertThat(outcome.toException()).isInstanceOf(AllocationDeniedException.class);
  }

  @Test
  void theWholeTreeIs(MemoryGuard guard) throws Exception {
    String hangs = REFUSED + "print(os.getpid(), flush=True); time.sleep(1000)";
    List<String> python = Children.python(hangs).command();
    ProcessBuilder shell =
        Children.sh("trap '' TERM; \"$@\" & wait", python.toArray(String[]::new));
    LaunchOptions options = SOON.withGrace(Duration.ofMillis(50));
    Outcome.OutOfMemory outcome = hung(guard.run(shell, LIMITS, options));
    assertThat(outcome.explanation()).startsWith("Its process ").contains("then the child hung");
    Eventually.awaitGone(Long.parseLong(outcome.evidence().outputTail().strip()));
  }

  @Test
  void whoWaitsForAThreadThatHadNoRoomIs(MemoryGuard guard) throws Exception {
    String threads =
        """
        import threading
        threading.stack_size(200 << 20)
        done = threading.Event()
        try: threading.Thread(target=done.set).start()
        except RuntimeError: pass
        done.wait()
        """;
    Outcome.OutOfMemory outcome = hung(guard.run(Children.python(threads), LIMITS, SOON));
    assertThat(outcome.refusedBytes()).hasValue(200 << 20);
  }

  /** Each for three times its grace: it polls a file, writes, burns a twentieth of a CPU, forks. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "open('/proc/self/comm').read(); time.sleep(0.05)",
        "os.write(1, b'x'); time.sleep(0.05)",
        "began = time.process_time()\n  while time.process_time() - began < 0.01: pass\n"
            + "  time.sleep(0.2)",
        "pid = os.fork()\n  if pid == 0: time.sleep(0.2); os._exit(0)\n  os.waitpid(pid, 0)",
      })
  void whoDoesAnythingIsLeftAlone(String work, MemoryGuard guard) throws Exception {
    String works = REFUSED + FOR_THREE_SECONDS + "while time.time() < until:\n  " + work;
    Outcome outcome = guard.run(Children.python(works), LIMITS, SOON);
    assertThat(outcome).isEqualTo(new Outcome.Exited(0, outcome.evidence()));
    assertThat(outcome.evidence().witness()).get().matches(WitnessRecord::sawRefusal);
  }

  /** It waits in poll, as psql and curl do; what it received would be no I/O either. */
  @Test
  void whoWaitsForTheNetworkIsLeftAlone(MemoryGuard guard) throws Exception {
    String waits =
        REFUSED
            + """
              import socket
              server = socket.create_server(("127.0.0.1", 0))
              server.settimeout(3)
              try: server.accept()
              except TimeoutError: pass
              """;
    Outcome outcome = guard.run(Children.python(waits), LIMITS, SOON);
    assertThat(outcome).isEqualTo(new Outcome.Exited(0, outcome.evidence()));
  }

  @Test
  void whoWritesIntoAFullPipeIsLeftAlone(MemoryGuard guard) throws Exception {
    String writes = REFUSED + "os.write(1, b'x' * (1 << 20))";
    GuardedProcess process = guard.start(Children.python(writes), LIMITS, SOON);
    assertThat(process.waitFor(3, TimeUnit.SECONDS)).isFalse();
    assertThat(process.getInputStream().readAllBytes()).hasSize(1 << 20);
    Outcome outcome = process.outcome().get();
    assertThat(outcome).isEqualTo(new Outcome.Exited(0, outcome.evidence()));
  }

  @Test
  void whoWasRefusedNothingIsLeftAlone(MemoryGuard guard) throws Exception {
    Outcome outcome = guard.run(Children.sh("sleep 3"), LIMITS, SOON);
    assertThat(outcome).isEqualTo(new Outcome.Exited(0, outcome.evidence()));
  }

  @Test
  void whoIsStoppedIsLeftAlone(MemoryGuard guard) throws Exception {
    String stops =
        REFUSED
            + """
              if os.fork() == 0:
                time.sleep(3); os.kill(os.getppid(), 18); os._exit(0)
              os.kill(os.getpid(), 19)
              """;
    Outcome outcome = guard.run(Children.python(stops), LIMITS, SOON);
    assertThat(outcome).isEqualTo(new Outcome.Exited(0, outcome.evidence()));
  }

  @Test
  void whoWasStartedIsEndedIfThatIsAskedFor(MemoryGuard guard) throws Exception {
    String waits = REFUSED + "sys.stdin.read()";
    hung(guard.start(Children.python(waits), LIMITS, SOON).outcome().get());
  }

  private static Outcome.OutOfMemory hung(Outcome outcome) {
    assertThat(outcome).isInstanceOf(Outcome.OutOfMemory.class);
    Outcome.OutOfMemory memory = (Outcome.OutOfMemory) outcome;
    assertThat(memory.cause()).isEqualTo(Cause.ALLOCATION_DENIED);
    assertThat(memory.confidence()).isEqualTo(Confidence.PROBABLE);
    assertThat(memory.hung()).isTrue();
    assertThat(memory.evidence().ending()).isEqualTo(Ending.HUNG);
    return memory;
  }
}
