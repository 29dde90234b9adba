package io.memguard;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.limits.MemoryLimits;
import io.memguard.outcome.Outcome;
import io.memguard.outcome.WitnessRecord;
import io.memguard.support.Children;
import io.memguard.support.WithGuard;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Programs that print what others print who have no memory, or end so, but were refused nothing.
 */
@ExtendWith(WithGuard.class)
final class LookAlikesTest {
  private static final MemoryLimits LIMITS = MemoryLimits.of("256MiB");

  /** One line of look-alikes.txt. */
  record LookAlike(String name, String program, String script) {
    private static LookAlike parse(String line) {
      String[] parts = line.split(" \\| ", 3);
      return new LookAlike(parts[0], parts[1], parts[2]);
    }

    private ProcessBuilder job() {
      String lines = script.replaceAll("(?<!\\\\)\\\\n", "\n").replace("\\\\", "\\");
      return switch (program) {
        case "sh" -> Children.sh(script.replace("\\\\", "\\"));
        case "python3" -> Children.python(lines);
        case "bash" -> new ProcessBuilder("bash", "-c", script);
        case "awk", "git", "sed" -> new ProcessBuilder(program, script);
        default -> new ProcessBuilder(program, "-e", script);
      };
    }

    @Override
    public String toString() {
      return name;
    }
  }

  static List<LookAlike> lookAlikes() throws IOException {
    try (InputStream file = LookAlikesTest.class.getResourceAsStream("diagnose/look-alikes.txt")) {
      return new String(file.readAllBytes(), StandardCharsets.UTF_8)
          .lines()
          .filter(line -> !line.startsWith("#"))
          .map(LookAlike::parse)
          .toList();
    }
  }

  @Test
  void thereAreMany() throws Exception {
    assertThat(lookAlikes())
        .hasSizeGreaterThan(60)
        .extracting(LookAlike::name)
        .doesNotHaveDuplicates();
  }

  @ParameterizedTest
  @MethodSource("lookAlikes")
  void areNoLackOfMemory(LookAlike one, MemoryGuard guard) throws Exception {
    Outcome outcome = guard.run(one.job(), LIMITS);
    assertThat(outcome).isInstanceOfAny(Outcome.Exited.class, Outcome.Signalled.class);
    assertThat(outcome.isSuccess()).as("it is to fail").isFalse();
    assertThat(outcome.evidence().witness()).get().matches(WitnessRecord::attached);
  }
}
