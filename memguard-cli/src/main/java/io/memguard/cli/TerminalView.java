package io.memguard.cli;

import io.memguard.platform.ErrorTerminal;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Optional;

/**
 * The last lines of a terminal, kept for what is known of the command. The command writes to the
 * same terminal, and memguard cannot see what: so the terminal itself is told to scroll only what
 * is above (DECSTBM, as apt does it), and each time all is drawn in one write(2), between saving
 * and restoring the cursor. Nothing is read from the terminal, and none of its settings is changed.
 *
 * <p>A command that resets the terminal has its own way until the next time. Whoever stops memguard
 * by the terminal's key gets it back in order. One thread shows; any may close.
 *
 * @see <a href="https://vt100.net/docs/vt510-rm/DECSTBM.html">DECSTBM</a>
 */
final class TerminalView implements View {
  private static final String SAVE = "\0337";
  private static final String RESTORE = "\0338";
  private static final String SCROLL_ALL = "\033[r";
  private static final String CLEAR_BELOW = "\033[J";
  private static final String CLEAR_LINE = "\033[2K";
  private static final String PLAIN = "\033[0m";

  /** Down one line in the same column, and all of it up where there is none. */
  private static final String INDEX = "\033D";

  private final FileOutputStream out = new FileOutputStream(FileDescriptor.err);
  private final Charset charset;
  private final StatusLines words;
  private Optional<ErrorTerminal.Size> drawnOn = Optional.empty();
  private int kept;
  private int stops;
  private boolean closed;

  private TerminalView(Charset charset, boolean colour) {
    this.charset = charset;
    this.words = new StatusLines(colour, charset.newEncoder().canEncode("█░─…"));
  }

  /** Begins with nothing drawn; empty if stderr is no terminal that one can draw on. */
  static Optional<TerminalView> open() {
    if (ErrorTerminal.size().isEmpty()) {
      return Optional.empty();
    }
    Charset charset = Charset.forName(System.getProperty("native.encoding", "US-ASCII"));
    String noColor = System.getenv().getOrDefault(NO_COLOR, "");
    return Optional.of(new TerminalView(charset, noColor.isEmpty()));
  }

  @Override
  public synchronized void show(Snapshot now) {
    Optional<ErrorTerminal.Size> size = ErrorTerminal.size();
    if (closed || now.reading().isEmpty() || size.isEmpty() || !ErrorTerminal.isOurs()) {
      return;
    }
    List<String> lines = words.of(now, size.get());
    if (lines.isEmpty()) {
      leave();
      return;
    }
    int stopsBefore = stops;
    stops = ErrorTerminal.restoreAtStop(leaving(size.get(), lines.size()));
    StringBuilder frame = new StringBuilder();
    if (stops != stopsBefore || !size.equals(drawnOn) || lines.size() != kept) {
      frame.append(room(lines.size()));
    }
    int top = size.get().rows() - lines.size();
    frame.append(SAVE).append("\033[1;").append(top).append('r');
    for (int i = 0; i < lines.size(); i++) {
      frame.append(at(top + 1 + i)).append(PLAIN).append(CLEAR_LINE).append(lines.get(i));
    }
    write(frame.append(RESTORE).toString());
    drawnOn = size;
    kept = lines.size();
  }

  /**
   * Makes room below the cursor, wherever that is: what was drawn for another size is gone, and the
   * cursor is where it will be allowed to be.
   */
  private static String room(int lines) {
    return SAVE + SCROLL_ALL + RESTORE + CLEAR_BELOW + INDEX.repeat(lines) + "\033[" + lines + "A";
  }

  private static byte[] leaving(ErrorTerminal.Size size, int lines) {
    String text = SAVE + SCROLL_ALL + at(size.rows() - lines + 1) + PLAIN + CLEAR_BELOW + RESTORE;
    return text.getBytes(StandardCharsets.US_ASCII);
  }

  private static String at(int row) {
    return "\033[" + Math.max(1, row) + ";1H";
  }

  /** In one call, which the kernel does not mix with those of others. */
  private void write(String text) {
    try {
      out.write(text.getBytes(charset));
    } catch (IOException e) {
      closed = true; // whoever hung up sees nothing any more
    }
  }

  private void leave() {
    if (drawnOn.isPresent()) {
      boolean stands = ErrorTerminal.restoreAtStop(new byte[0]) == stops; // else it was left then
      if (stands && ErrorTerminal.isOurs()) {
        ErrorTerminal.Size size = ErrorTerminal.size().orElse(drawnOn.get());
        write(new String(leaving(size, kept), StandardCharsets.US_ASCII));
      }
      drawnOn = Optional.empty();
    }
  }

  @Override
  public boolean tell(Snapshot.Event event) {
    return false; // it is shown, until the next one
  }

  @Override
  public synchronized void close() {
    leave();
    closed = true;
  }
}
