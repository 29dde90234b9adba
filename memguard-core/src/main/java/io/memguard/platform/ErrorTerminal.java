package io.memguard.platform;

import java.io.IOException;
import java.util.Optional;

/**
 * The terminal that stderr is, for a program that draws there beside a child that writes there too.
 * Where the native library cannot be loaded, there is none.
 *
 * <p>{@link #restoreAtStop} changes the whole process, so no library code but a program's own
 * {@code main} may use it, and one thread at a time.
 *
 * @see <a
 *     href="https://man7.org/linux/man-pages/man2/TIOCGWINSZ.2const.html">TIOCGWINSZ(2const)</a>
 */
public final class ErrorTerminal {
  private static final int STDERR = 2;
  private static final int ROWS_SHIFT = 16;
  private static final int COLUMNS = 0xffff;

  private ErrorTerminal() {}

  /** How large it is, in characters. */
  public record Size(int rows, int columns) {}

  /** Returns its size, or empty if stderr is no terminal, or one that does not know it. */
  public static Optional<Size> size() {
    try {
      Linux.load();
    } catch (IOException e) {
      return Optional.empty(); // the guard says why
    }
    int answer = Linux.guard_terminal_size(STDERR);
    return answer > 0
        ? Optional.of(new Size(answer >> ROWS_SHIFT, answer & COLUMNS))
        : Optional.empty();
  }

  /** Tells whether no other job is in its foreground. */
  public static boolean isOurs() {
    return Linux.guard_terminal_is_ours(STDERR) != 0;
  }

  /**
   * Has something written there before the terminal's stop key (SIGTSTP) stops this process: for
   * whoever uses it meanwhile.
   *
   * @param text 128 bytes at most; nothing is written if it is empty
   * @return how often it was stopped so since the first call
   */
  public static int restoreAtStop(byte[] text) {
    return Linux.guard_terminal_at_stop(text, text.length);
  }
}
