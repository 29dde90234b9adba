package io.memguard.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The table of exit statuses in {@code memguard run --help}. */
class ExitStatusTest {
  @ParameterizedTest
  @CsvSource({
    "native,0",
    "native,1",
    "native,125",
    "native,137",
    "native,255",
    "portable,0",
    "portable,3"
  })
  void theCommandsOwn(String engine, int code) throws Exception {
    Memguard.Result result =
        new Memguard().engine(engine).call("run", "--", "sh", "-c", "exit " + code);

    assertThat(result.status()).isEqualTo(code);
    assertThat(result.error()).isEmpty();
  }

  @ParameterizedTest
  @CsvSource({"native,TERM,143", "native,KILL,137", "portable,TERM,143"})
  void killedByASignal(String engine, String signal, int status) throws Exception {
    Memguard.Result result =
        new Memguard().engine(engine).call("run", "--", "sh", "-c", "kill -" + signal + " $$");

    assertThat(result.status()).isEqualTo(status);
    assertThat(result.onlyLine()).contains("signalled: It was killed by SIG" + signal);
  }

  @ParameterizedTest
  @ValueSource(strings = {"native", "portable"})
  void outOfMemory(String engine) throws Exception {
    Memguard.Result result =
        new Memguard().engine(engine).call("run", "--memory", "64MiB", "--", "sh", "-c", GREEDY);

    assertThat(result.status()).isEqualTo(137);
    assertThat(result.error())
        .matches(
            "memguard: out of memory: It asked for 200(\\.0)?MiB and was refused under RLIMIT_DATA 64MiB,"
                + " then ended \\(exit 1\\);.* \\[sh, pid \\d+: allocation-denied, probable; limit 64MiB,"
                + " peak RSS \\S+[KM]iB, after \\d+ ms; try \\d+MiB]\n");
  }

  @Test
  void theLineStaysOneLineWhateverTheProgramsName(@TempDir Path directory) throws Exception {
    Path program = directory.resolve("odd\nmemguard: forged\u001B[31m");
    Files.copy(Path.of("/bin/sh"), program, StandardCopyOption.COPY_ATTRIBUTES);

    Memguard.Result result = Memguard.run("run", program.toString(), "-c", "kill -9 $$");

    assertThat(result.onlyLine()).contains(" [odd?memguard: forged?[31m, pid ");
  }

  @Test
  void outOfMemoryHasTheStatusThatWasAskedFor() throws Exception {
    Memguard.Result result =
        Memguard.run("run", "--memory=64MiB", "--oom-exit-code", "99", "sh", "-c", GREEDY);

    assertThat(result.status()).isEqualTo(99);
  }

  @ParameterizedTest
  @ValueSource(strings = {"native", "portable"})
  void timedOut(String engine) throws Exception {
    Memguard.Result result =
        new Memguard().engine(engine).call("run", "--timeout", "300ms", "sleep", "1000");

    assertThat(result.status()).isEqualTo(124);
    assertThat(result.onlyLine()).contains("timed out: It had not ended after 300 ms");
  }

  @ParameterizedTest
  @ValueSource(strings = {"native", "portable"})
  void notFound(String engine) throws Exception {
    Memguard.Result result = new Memguard().engine(engine).call("run", "no-such-program", "--help");

    assertThat(result.status()).isEqualTo(127);
    assertThat(result.onlyLine()).contains("\"no-such-program\" was not found", "PATH");
  }

  @ParameterizedTest
  @ValueSource(strings = {"native", "portable"})
  void cannotBeExecuted(String engine, @TempDir Path directory) throws Exception {
    Path file = Files.writeString(directory.resolve("data"), "no program");

    Memguard.Result plain = new Memguard().engine(engine).call("run", file.toString());
    Memguard.Result folder = new Memguard().engine(engine).call("run", directory.toString());

    assertThat(plain.status()).isEqualTo(126);
    assertThat(plain.onlyLine()).contains("may not be executed", "chmod +x");
    assertThat(folder.status()).isEqualTo(126);
    assertThat(folder.onlyLine()).contains("is a directory");
  }

  @Test
  void scriptWithoutItsInterpreter(@TempDir Path directory) throws Exception {
    Path script = Files.writeString(directory.resolve("script"), "#!/no/such/interpreter\n");
    assertThat(script.toFile().setExecutable(true)).isTrue();

    Memguard.Result result = Memguard.run("run", script.toString());

    assertThat(result.status()).isEqualTo(127);
    assertThat(result.onlyLine()).contains("interpreter");
  }

  @Test
  void anEngineThatCannotBeHad() throws Exception {
    Memguard.Result result =
        new Memguard()
            .engine("native")
            .property("memguard.native.dir", "/nonexistent")
            .call("run", "true");

    assertThat(result.status()).isEqualTo(125);
    assertThat(result.onlyLine()).contains("native engine is forced", "/nonexistent");
  }

  @Test
  void quietSaysNothing() throws Exception {
    Memguard.Result result = Memguard.run("run", "--quiet", "sh", "-c", "kill -9 $$");

    assertThat(result.status()).isEqualTo(137);
    assertThat(result.error()).isEmpty();
  }

  /** Asks for more than 64 MiB, and fails as programs do. */
  private static final String GREEDY = "exec 2>/dev/null; exec python3 -c 'bytearray(200 << 20)'";
}
