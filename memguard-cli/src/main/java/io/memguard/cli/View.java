package io.memguard.cli;

import java.util.Locale;

/** Shows people on stderr what is known of the command. */
interface View extends AutoCloseable {
  /** Where colour would be no help: see no-color.org. */
  String NO_COLOR = "NO_COLOR";

  /** Shows it, if there is anything new in it. One thread calls this. */
  void show(Snapshot now);

  /**
   * Takes something that has just happened; on any thread.
   *
   * @return true if people were told of it
   */
  boolean tell(Snapshot.Event event);

  /** Leaves the terminal as it was; nothing is shown any more. */
  @Override
  void close();

  /** Chooses the view for this stderr. */
  static View here(long intervalNanos) {
    String terminal = System.getenv().getOrDefault("TERM", "dumb").toLowerCase(Locale.ROOT);
    return terminal.equals("dumb") || terminal.isEmpty()
        ? new PlainView(intervalNanos)
        : TerminalView.open().map(View.class::cast).orElseGet(() -> new PlainView(intervalNanos));
  }
}
