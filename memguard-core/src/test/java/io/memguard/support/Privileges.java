package io.memguard.support;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Takes root's privileges from children, where the tests run as root. */
public final class Privileges {
  private Privileges() {}

  /** The same user, without a capability. */
  public static ProcessBuilder without(ProcessBuilder job) {
    return behind(job, List.of("--inh-caps=-all", "--bounding-set=-all"));
  }

  /** Another user, to whom the kernel's limits for users apply; it may read every file. */
  public static ProcessBuilder ofAnotherUser(ProcessBuilder job) {
    return behind(
        job,
        List.of(
            "--reuid=12345",
            "--regid=12345",
            "--clear-groups",
            "--inh-caps=+dac_read_search",
            "--ambient-caps=+dac_read_search"));
  }

  private static ProcessBuilder behind(ProcessBuilder job, List<String> setpriv) {
    if (isRoot()) {
      List<String> command = new ArrayList<>(List.of("setpriv"));
      command.addAll(setpriv);
      command.addAll(job.command());
      job.command(command);
    }
    return job;
  }

  private static boolean isRoot() {
    try {
      return Files.getAttribute(Path.of("/proc/self"), "unix:uid").equals(0);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
