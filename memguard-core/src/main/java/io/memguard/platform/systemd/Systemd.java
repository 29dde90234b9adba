package io.memguard.platform.systemd;

import io.memguard.platform.cgroup.Machine;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/** Asks systemd something, through the programs that come with it. */
final class Systemd {
  private Systemd() {}

  /**
   * What a program answered.
   *
   * @param said on either stream, stripped
   */
  record Answer(int status, String said) {}

  /**
   * Tells why systemd must not be asked about this process: in a container that can reach the
   * machine's, our pid and our cgroup's name are somebody else's there.
   *
   * @return empty if it may: it is the first process that we see, in a {@code /proc} of our own pid
   *     namespace
   */
  static Optional<String> obstacle(Machine machine) {
    Optional<String> first = machine.read("/proc/1/comm").map(String::strip);
    if (first.filter("systemd"::equals).isEmpty()) {
      return Optional.of(
          "process 1 "
              + first.map(name -> "is " + name + ", not systemd").orElse("cannot be seen")
              + ", and to a systemd elsewhere this process's pid is another's");
    }
    return machine.showsOurPids() // then that was not our own namespace's first process either
        ? Optional.empty()
        : Optional.of(
            "/proc is not of this process's pid namespace, so to the systemd that it shows this"
                + " process's pid may be another's");
  }

  /**
   * Looks for a program.
   *
   * @param path directories, with colons between
   */
  static Optional<String> find(String path, String program) {
    for (String directory : path.split(":", -1)) {
      File file = new File(directory, program);
      if (!directory.isEmpty() && file.isFile() && file.canExecute()) {
        return Optional.of(file.getPath());
      }
    }
    return Optional.empty();
  }

  /**
   * Runs a program that has little to say.
   *
   * @return empty if it has not ended in time; it is killed then
   */
  static Optional<Answer> ask(List<String> command, Duration patience)
      throws IOException, InterruptedException {
    Process program = new ProcessBuilder(command).redirectErrorStream(true).start();
    try {
      program.getOutputStream().close();
      if (!program.waitFor(patience.toMillis(), TimeUnit.MILLISECONDS)) {
        return Optional.empty();
      }
      String said =
          new String(
              program.getInputStream().readNBytes(program.getInputStream().available()),
              StandardCharsets.UTF_8);
      return Optional.of(new Answer(program.exitValue(), said.strip()));
    } finally {
      program.destroyForcibly();
    }
  }
}
