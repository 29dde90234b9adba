package io.memguard.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code --retries}: only for want of memory, with more of it, as often as asked for. */
class RetriesTest {
  /** Takes memory little by little, so that what is refused suggests no large step. */
  private static final String TAKES_150_MIB = "held = [bytearray(1 << 20) for i in range(150)]";

  @TempDir Path directory;

  @ParameterizedTest
  @ValueSource(strings = {"native", "portable"})
  void untilThereIsEnough(String engine) throws Exception {
    Path file = directory.resolve("r.json");

    Memguard.Result result =
        new Memguard()
            .engine(engine)
            .call(
                "run",
                "--memory=64MiB",
                "--retries=3",
                "--grow=2",
                "--report",
                file.toString(),
                "--",
                "python3",
                "-c",
                TAKES_150_MIB);

    assertThat(result.status()).isZero();
    assertThat(result.error())
        .contains("memguard: attempt 1 of 4: It asked for ", "; trying again with 128MiB\n")
        .contains("memguard: attempt 2 of 4: It asked for ", "; trying again with 256MiB\n")
        .doesNotContain("attempt 3");
    JsonNode report = new ObjectMapper().readTree(file.toFile());
    assertThat(report.get("outcome").asText()).isEqualTo("exited");
    assertThat(report.get("attempts").findValuesAsText("outcome"))
        .containsExactly("out-of-memory", "out-of-memory", "exited");
    assertThat(report.get("attempts").findValuesAsText("limitBytes"))
        .containsExactly("67108864", "134217728", "268435456");
  }

  @Test
  void notBeyondTheCeiling() throws Exception {
    Memguard.Result result =
        Memguard.run(
            "run",
            "--memory=64MiB",
            "--retries=9",
            "--max-memory=100MiB",
            "--",
            "python3",
            "-c",
            TAKES_150_MIB);

    assertThat(result.status()).isEqualTo(137);
    assertThat(result.error())
        .contains("; trying again with 100MiB\n")
        .contains("memguard: out of memory: ")
        .doesNotContain("attempt 2 of");
  }

  @Test
  void noOtherFailure() throws Exception {
    Path runs = directory.resolve("runs");

    Memguard.Result result =
        Memguard.run(
            "run", "--memory=64MiB", "--retries=3", "sh", "-c", "echo run >>" + runs + "; exit 9");

    assertThat(result.status()).isEqualTo(9);
    assertThat(result.error()).isEmpty();
    assertThat(Files.readAllLines(runs)).hasSize(1);
  }
}
