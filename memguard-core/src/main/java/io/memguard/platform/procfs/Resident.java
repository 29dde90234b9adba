package io.memguard.platform.procfs;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalLong;

/** What one process holds in memory, as {@code /proc/<pid>/statm} says (proc_pid_statm(5)). */
public final class Resident {
  private Resident() {}

  /** Returns its resident bytes, shared pages included, or empty if that cannot be read. */
  public static OptionalLong bytes(long pid) {
    try {
      String[] fields =
          Files.readString(Path.of("/proc", Long.toString(pid), "statm")).split(" ", -1);
      return OptionalLong.of(Math.multiplyExact(Long.parseLong(fields[1]), PageSize.BYTES));
    } catch (IOException | NumberFormatException | IndexOutOfBoundsException e) {
      return OptionalLong.empty(); // it has ended, or /proc is not Linux's
    }
  }
}
