package io.memguard.support;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Assumptions;

/** Makes programs of C. */
public final class Compiler {
  private Compiler() {}

  /** Compiles one; the test is skipped if the compiler cannot do that here. */
  public static void compile(String source, Path program, String... flags) throws Exception {
    List<String> command = new ArrayList<>(List.of("gcc"));
    for (String flag : flags) {
      if (!flag.isEmpty()) {
        command.add(flag);
      }
    }
    command.addAll(List.of("-o", program.toString(), "-x", "c", "-"));
    Process gcc = new ProcessBuilder(command).redirectErrorStream(true).start();
    try (var stdin = gcc.getOutputStream()) {
      stdin.write(source.getBytes(StandardCharsets.UTF_8));
    }
    String said = new String(gcc.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    Assumptions.assumeTrue(gcc.waitFor() == 0, said);
  }
}
