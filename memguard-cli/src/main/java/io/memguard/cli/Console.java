package io.memguard.cli;

/** Speaks to people, one line at a time, on stderr: stdout is the guarded command's. */
final class Console {
  private Console() {}

  static void say(String line) {
    System.err.println("memguard: " + Paragraphs.clean(line)); // processes choose their names
  }
}
