package io.memguard.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Signals sent to memguard reach the command, each once. */
@Timeout(120)
class SignalsTest {
  private static final int SIGKILL = 9;
  private static final int SIGTERM = 15;
  private static final int SIGCONT = 18;
  private static final int SIGSTOP = 19;

  /** Says which signal came, and exits with 7 after SIGTERM. */
  private static final String LISTENER =
      """
      import signal, sys
      signals = [int(n) for n in sys.argv[1:]]
      signal.pthread_sigmask(signal.SIG_BLOCK, signals)
      print('ready', flush=True)
      while True:
          came = signal.sigwaitinfo(signals).si_signo
          print(came, flush=True)
          if came == signal.SIGTERM:
              sys.exit(7)
      """;

  @ParameterizedTest
  @ValueSource(strings = {"native", "portable"})
  void everySignalIsForwarded(String engine) throws Exception {
    // HUP INT QUIT USR1 USR2 ALRM STKFLT URG WINCH IO PWR, the real-time ones but the JVM's, TERM
    List<Integer> signals =
        Stream.of(
                IntStream.of(1, 2, 3, 10, 12, 14, 16, 23, 28, 29, 30),
                IntStream.rangeClosed(34, 63),
                IntStream.of(SIGTERM))
            .flatMap(IntStream::boxed)
            .toList();
    String[] command =
        Stream.concat(
                Stream.of("run", "--", "python3", "-c", LISTENER),
                signals.stream().map(String::valueOf))
            .toArray(String[]::new);
    Process memguard = new Memguard().engine(engine).start(command);
    BufferedReader output = memguard.inputReader();
    assertThat(output.readLine()).isEqualTo("ready");

    for (int signal : signals) {
      kill(signal, memguard);
      assertThat(output.readLine()).isEqualTo(String.valueOf(signal));
    }

    assertThat(memguard.waitFor()).isEqualTo(7);
    assertThat(memguard.errorReader().readLine()).isNull();
  }

  @Test
  void aSignalThatEndsTheCommandIsToldByTheStatus() throws Exception {
    Process memguard = new Memguard().start("run", "sh", "-c", "echo ready; exec sleep 1000");
    assertThat(memguard.inputReader().readLine()).isEqualTo("ready");

    kill(SIGTERM, memguard);

    assertThat(memguard.waitFor()).isEqualTo(128 + SIGTERM);
    assertThat(memguard.errorReader().readLine())
        .startsWith("memguard: signalled: It was ended by SIGTERM; memguard was sent one too");
  }

  @Test
  void whatIsIgnoredStaysIgnored() throws Exception {
    Memguard.Result result =
        new Memguard()
            .through("sh", "-c", "trap '' HUP; exec \"$@\"", "sh")
            .call("run", "sh", "-c", "kill -HUP $PPID; kill -HUP $$; echo alive");

    assertThat(result.text()).isEqualTo("alive\n");
  }

  @Test
  void whoAsksMemguardToEndWantsNoOtherAttempt(@TempDir Path directory) throws Exception {
    Path runs = directory.resolve("runs");
    String job =
        """
        import os, signal, sys
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        open(sys.argv[1], 'a').write('run ')
        try:
            bytearray(200 << 20)
        except MemoryError:
            print('ready', flush=True)
            signal.sigwait([signal.SIGTERM])
            sys.exit(1)
        """;
    Process memguard =
        new Memguard()
            .start("run", "--memory=64M", "--retries=5", "python3", "-c", job, runs.toString());
    assertThat(memguard.inputReader().readLine()).isEqualTo("ready");

    kill(SIGTERM, memguard);

    assertThat(memguard.waitFor()).isEqualTo(137);
    assertThat(runs).hasContent("run ");
  }

  /** Who interrupts the whole group has interrupted the command, and not its later attempts. */
  @Test
  void whatIsNotForwardedLeavesOtherAttemptsTheirTurn() throws Exception {
    String job =
        """
        import os, signal, sys
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGUSR1])
        try:
            bytearray(100 << 20)
        except MemoryError:
            print('ready', flush=True)
            signal.sigwait([signal.SIGINT])
            signal.sigwait([signal.SIGUSR1])
            sys.exit(1)
        print('enough')
        """;
    Process memguard =
        new Memguard()
            .through("setsid")
            .start(
                "run",
                "--memory=64M",
                "--retries=1",
                "--grow=4",
                "--no-forward=INT",
                "python3",
                "-c",
                job);
    BufferedReader output = memguard.inputReader();
    assertThat(output.readLine()).isEqualTo("ready");

    Process kill =
        new ProcessBuilder("kill", "-INT", "--", "-" + memguard.pid()).inheritIO().start();
    assertThat(kill.waitFor()).isZero();
    kill(10, memguard); // by the time this comes, memguard has seen the interrupt too

    assertThat(output.readLine()).isEqualTo("enough");
    assertThat(memguard.waitFor()).isZero();
  }

  /** Where nothing can be forwarded, the command at least ends with memguard. */
  @Test
  void withoutTheNativeLibraryTheCommandEndsToo() throws Exception {
    Process memguard =
        new Memguard()
            .property("memguard.native.dir", "/nonexistent")
            .start("run", "sh", "-c", "echo $$; exec sleep 1000");
    long child = Long.parseLong(memguard.inputReader().readLine());

    kill(SIGTERM, memguard);

    assertThat(memguard.waitFor()).isEqualTo(128 + SIGTERM);
    assertThat(ProcessHandle.of(child).filter(ProcessHandle::isAlive)).isEmpty();
    assertThat(memguard.errorReader().readLine())
        .startsWith("memguard: warning: using the portable engine: ")
        .contains("/nonexistent");
  }

  /** A terminal sends ^C to memguard and to the command: then there is nothing to forward. */
  @Test
  void interruptFromTheTerminalComesOnce(@TempDir Path directory) throws Exception {
    Path terminal =
        Files.writeString(
            directory.resolve("terminal.py"),
            """
            import os, pty, sys
            pid, terminal = pty.fork()
            if pid == 0:
                os.execvp(sys.argv[1], sys.argv[1:])
            seen = b''
            while b'ready' not in seen:
                seen += os.read(terminal, 1000)
            os.write(terminal, b'\\x03')
            try:
                while True:
                    more = os.read(terminal, 1000)
                    if not more:
                        break
                    seen += more
            except OSError:  # Linux says EIO when the last one has closed it
                pass
            print(seen.decode())
            sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
            """);
    // SIGUSR1 makes the way through memguard after the interrupt did, if that did.
    String job =
        """
        import os, signal
        watched = [signal.SIGINT, signal.SIGUSR1]
        signal.pthread_sigmask(signal.SIG_BLOCK, watched)
        print('ready', flush=True)
        first = signal.sigwaitinfo([signal.SIGINT])
        print('from the kernel' if first.si_code == 128 else 'forwarded', flush=True)
        os.kill(os.getppid(), signal.SIGUSR1)
        signal.sigwaitinfo([signal.SIGUSR1])
        print('twice' if signal.SIGINT in signal.sigpending() else 'once')
        """;

    Memguard.Result result =
        new Memguard()
            .through("python3", terminal.toString())
            .call("run", "--", "python3", "-c", job);

    assertThat(result.text()).contains("from the kernel").contains("once").doesNotContain("twice");
    assertThat(result.status()).isZero();
  }

  /**
   * As Jupyter's clients interrupt a kernel: who signals the group has signalled the command. As
   * long as memguard is stopped, the two cannot become one.
   */
  @ParameterizedTest
  @ValueSource(strings = {"INT", "sigint", "2"})
  void whatIsNotForwardedComesOnceToTheGroup(String name) throws Exception {
    String[] command = {
      "run", "--no-forward", name, "--", "python3", "-c", LISTENER, "2", "10", "12", "15"
    };
    Process memguard = new Memguard().through("setsid").start(command);
    assertThat(memguard.inputReader().readLine()).isEqualTo("ready");
    kill(SIGSTOP, memguard);

    assertInterruptComesOnce(memguard);
  }

  /** The command can be there before memguard knows its number: then it stops memguard here. */
  @Test
  void whatIsNotForwardedComesOnceToACommandJustStarted() throws Exception {
    String job = "kill -STOP $PPID; exec python3 -c \"$0\" 2 10 12 15";
    Process memguard =
        new Memguard()
            .through("setsid")
            .start("run", "--no-forward=INT", "--", "sh", "-c", job, LISTENER);
    assertThat(memguard.inputReader().readLine()).isEqualTo("ready");

    assertInterruptComesOnce(memguard);
  }

  private static void assertInterruptComesOnce(Process stopped) throws Exception {
    BufferedReader output = stopped.inputReader();
    Process kill =
        new ProcessBuilder("kill", "-INT", "--", "-" + stopped.pid()).inheritIO().start();
    assertThat(kill.waitFor()).isZero();
    assertThat(output.readLine()).isEqualTo("2");
    kill(SIGCONT, stopped);

    for (int signal : List.of(10, 12, SIGTERM)) { // by now memguard has seen the interrupt too
      kill(signal, stopped);
      assertThat(output.readLine()).isEqualTo(String.valueOf(signal));
    }
    assertThat(stopped.waitFor()).isEqualTo(7);
  }

  @Test
  void whoIsToDieWithMemguardDoes() throws Exception {
    Process memguard =
        new Memguard().start("run", "--die-with-parent", "sh", "-c", "echo $$; exec sleep 1000");
    ProcessHandle child =
        ProcessHandle.of(Long.parseLong(memguard.inputReader().readLine())).orElseThrow();

    kill(SIGKILL, memguard);

    assertThat(child.onExit()).succeedsWithin(Duration.ofSeconds(30));
  }

  private static void kill(int signal, Process process) throws Exception {
    Process kill =
        new ProcessBuilder("kill", "-" + signal, String.valueOf(process.pid())).inheritIO().start();
    assertThat(kill.waitFor()).isZero();
  }
}
