package io.memguard.platform;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * What {@code /proc/<pid>/stat} says of one process, proc_pid_stat(5). Whoever reads thousands a
 * second does it without a text for each: {@link io.memguard.platform.procfs}.
 *
 * @param state the letter
 * @param threads how many it has
 * @param startTime in the kernel's ticks since its start
 */
public record StatFile(String state, long threads, long startTime) {
  /** Fields, counted from the one after the name, which may hold anything. */
  private static final int STATE = 0;

  private static final int THREADS = 17;
  private static final int START_TIME = 19;

  /**
   * Reads it.
   *
   * @param process its directory in {@code /proc}
   */
  public static StatFile read(Path process) throws IOException {
    String stat = Files.readString(process.resolve("stat"), StandardCharsets.ISO_8859_1);
    String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1);
    return new StatFile(
        fields[STATE], Long.parseLong(fields[THREADS]), Long.parseLong(fields[START_TIME]));
  }

  /**
   * Tells whether it has ended: it is a zombie, or is being reaped at this moment. A process whose
   * first thread alone has ended is called a zombie too: its other threads tell it apart.
   */
  public boolean hasEnded() {
    return state.equals("X") || (state.equals("Z") && threads <= 1);
  }
}
