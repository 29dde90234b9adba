package io.memguard.support;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Builds the children of the tests, and reads what they say. */
public final class Children {
  private static final String JAVA =
      Path.of(System.getProperty("java.home"), "bin/java").toString();

  private Children() {}

  /** A shell script; {@code $1} is the first argument. */
  public static ProcessBuilder sh(String script, String... arguments) {
    List<String> command = new ArrayList<>(List.of("/bin/sh", "-c", script, "sh"));
    command.addAll(List.of(arguments));
    return new ProcessBuilder(command);
  }

  /** A Python program; {@code sys.argv[1]} is the first argument. */
  public static ProcessBuilder python(String program, String... arguments) {
    List<String> command = new ArrayList<>(List.of(Python.PATH, "-c", program));
    command.addAll(List.of(arguments));
    return new ProcessBuilder(command);
  }

  /** A JVM with the tests' class path and the same engine. */
  public static ProcessBuilder jvm(List<String> options, Class<?> main, String... arguments) {
    List<String> command =
        new ArrayList<>(List.of(JAVA, "-Xshare:auto", "-XX:TieredStopAtLevel=1"));
    if (Runtime.version().feature() >= 24) {
      command.add("--enable-native-access=ALL-UNNAMED");
    }
    command.add("-Dmemguard.engine=" + (Engines.isNative() ? "native" : "portable"));
    command.addAll(options);
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), main.getName()));
    command.addAll(List.of(arguments));
    return new ProcessBuilder(command);
  }

  /** All that a child writes to its stdout. */
  public static String output(Process process) {
    return text(process.getInputStream());
  }

  /** All that is in a stream. */
  public static String text(InputStream stream) {
    try {
      return new String(stream.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** The next line, and no byte more: what follows stays for other readers. */
  public static String line(InputStream stream) {
    StringBuilder line = new StringBuilder();
    try {
      for (int b = stream.read(); b >= 0 && b != '\n'; b = stream.read()) {
        line.append((char) b);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return line.toString();
  }

  /** The interpreter itself: the one on the PATH may be a script that looks for it. */
  private static final class Python {
    static final String PATH = find();

    private static String find() {
      try {
        Process python =
            new ProcessBuilder("python3", "-c", "import sys; print(sys.executable)").start();
        return output(python).strip();
      } catch (IOException e) {
        throw new UncheckedIOException("these tests need python3", e);
      }
    }
  }
}
