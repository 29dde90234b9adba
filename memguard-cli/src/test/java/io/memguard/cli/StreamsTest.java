package io.memguard.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What goes through memguard untouched: streams, arguments, the environment. */
class StreamsTest {
  @ParameterizedTest
  @ValueSource(strings = {"native", "portable"})
  void bytesPassThrough(String engine, @TempDir Path directory) throws Exception {
    byte[] noise = new byte[4 << 20];
    new Random(1).nextBytes(noise);
    Path input = Files.write(directory.resolve("noise"), noise);

    Memguard.Result result =
        new Memguard()
            .engine(engine)
            .stdin(input.toFile())
            .call("run", "--memory", "256MiB", "--", "sh", "-c", "echo loud >&2; exec cat");

    assertThat(result.status()).isZero();
    assertThat(result.output()).isEqualTo(noise);
    assertThat(result.error()).isEqualTo("loud\n");
  }

  /** Its number goes to a file of the JVM's, and that is not for the command. */
  @ParameterizedTest
  @ValueSource(strings = {"native", "portable"})
  void closedStdinIsEmpty(String engine) throws Exception {
    Memguard.Result result =
        new Memguard()
            .engine(engine)
            .through("sh", "-c", "exec \"$@\" <&-", "sh")
            .call("run", "wc", "-c");

    assertThat(result.text()).isEqualTo("0\n");
    assertThat(result.status()).isZero();
  }

  @Test
  void everythingFromTheCommandOnIsTheCommands() throws Exception {
    Memguard.Result result =
        Memguard.run(
            "run", "printf", "[%s]", "--", "--memory", "0", "--help", "@file", "", "\"q\"", "${x}");

    assertThat(result.text()).isEqualTo("[--][--memory][0][--help][@file][][\"q\"][${x}]");
  }

  @Test
  void dashesEndMemguardsOptions() throws Exception {
    Memguard.Result result = Memguard.run("run", "--quiet", "--", "printf", "[%s]", "a", "--", "b");

    assertThat(result.text()).isEqualTo("[a][--][b]");
  }

  @ParameterizedTest
  @ValueSource(strings = {"C", "C.UTF-8"})
  void argumentsNeedNotBeText(String locale) throws Exception {
    Memguard.Result result =
        new Memguard()
            .env("LC_ALL", locale)
            .through(
                "sh",
                "-c",
                "exec \"$@\" \"$(printf '\\303\\251\\377.\\360\\237\\230\\200')\"",
                "sh")
            .call("run", "printf", "%s");

    assertThat(result.output())
        .isEqualTo(
            "\u00c3\u00a9\u00ff.\u00f0\u009f\u0098\u0080".getBytes(StandardCharsets.ISO_8859_1));
  }

  @Test
  void whatTheJvmNeedsIsNotTheCommands() throws Exception {
    Memguard.Result result =
        new Memguard().env("KEPT", "kept").call("run", "sh", "-c", "echo $KEPT; env");

    assertThat(result.text()).startsWith("kept\n").doesNotContain("_JAVA_SR_SIGNUM");
  }

  /** It lives on, so its arguments are there to be read, and are nobody's business. */
  @Test
  void whoWasRefusedIsNamedWithoutItsArguments() throws Exception {
    String job =
        """
        import sys
        try:
            bytearray(200 << 20)
        except MemoryError:
            sys.stdin.read()
        """;
    Process memguard =
        new Memguard()
            .start("run", "--memory=64M", "sh", "-c", "python3 -c \"$0\" hunter2; true", job);
    String line = memguard.errorReader().readLine();
    memguard.getOutputStream().close();

    assertThat(line)
        .matches("memguard: process \\d+ \\(python3\\S*\\) was refused 200(\\.0)?MiB .*");
    assertThat(memguard.waitFor()).isZero();
  }
}
