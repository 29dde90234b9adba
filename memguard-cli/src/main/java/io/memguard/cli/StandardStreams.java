package io.memguard.cli;

import java.io.File;
import java.io.IOException;
import java.lang.ProcessBuilder.Redirect;
import java.nio.file.Path;

/**
 * Hands the streams of this process on as they are.
 *
 * <p>Only where the caller has closed stdin, the command gets {@code /dev/null}: its number has
 * gone to the first file that the JVM opened for itself, and the command would read that. Writing
 * to such a file fails, as writing to a closed stream does.
 */
final class StandardStreams {
  private StandardStreams() {}

  static void passTo(ProcessBuilder job) {
    job.inheritIO();
    if (isStdinTheJvms()) {
      job.redirectInput(Redirect.from(new File("/dev/null")));
    }
  }

  private static boolean isStdinTheJvms() {
    try {
      Path file = Path.of("/proc/self/fd/0").toRealPath();
      return file.startsWith(Path.of(System.getProperty("java.home")).toRealPath());
    } catch (IOException e) {
      return false; // a pipe or a socket: the link of such leads nowhere
    }
  }
}
