package io.memguard.platform.procfs;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Optional;

/**
 * The command lines of a child's descendants, for people. To read one may take as long as the
 * process lets the kernel wait that is about to change its mappings.
 */
public final class CommandLine {
  private static final int LONGEST = 200;

  /** A process may have megabytes of arguments. */
  private static final int READ_BYTES = 4096;

  /** A process that has rewritten its title may leave spaces behind it, or NULs between. */
  private static final String GAPS = "[\\s\\00]+";

  private CommandLine() {}

  /**
   * Returns the command line of a process that a witness told of, if it still lives. Its number may
   * be another's by now, or be one of another pid namespace: so it has to descend from the child,
   * to be called as it was, and to have been there when it was told of. A namesake that got its
   * number in between is taken for it.
   *
   * @param pid its number as it sees itself
   * @param name the first 15 bytes of its name
   * @param child the pid of the child, or of an ancestor of that
   * @param seen when it was told of
   */
  public static Optional<String> ofDescendant(long pid, String name, long child, Instant seen) {
    Optional<ProcessHandle> process = ProcessHandle.of(pid).filter(it -> descends(it, child));
    if (process.isEmpty() || !read(pid, "comm").filter(name::equals).isPresent()) {
      return Optional.empty();
    }
    Optional<String> command =
        read(pid, "cmdline").map(text -> text.length() <= LONGEST ? text : cut(text));
    return process.get().info().startInstant().filter(began -> !began.isAfter(seen)).isPresent()
        ? command
        : Optional.empty();
  }

  private static boolean descends(ProcessHandle process, long child) {
    Optional<ProcessHandle> one = Optional.of(process);
    while (one.isPresent() && one.get().pid() != child) {
      one = one.get().parent();
    }
    return one.isPresent();
  }

  private static Optional<String> read(long pid, String file) {
    Path path = Path.of("/proc", Long.toString(pid), file);
    try (InputStream open = Files.newInputStream(path)) {
      String text = new String(open.readNBytes(READ_BYTES), StandardCharsets.UTF_8);
      return Optional.of(text.replaceAll(GAPS, " ").strip()).filter(one -> !one.isEmpty());
    } catch (IOException e) { // it has ended
      return Optional.empty();
    }
  }

  private static String cut(String text) {
    return text.substring(0, LONGEST - 1) + "…";
  }
}
