package io.memguard.docs;

import io.memguard.MemoryGuard;

/**
 * Runs a page's snippets in a JVM of their own, one after the other, and says where each begins.
 */
final class SnippetRunner {
  /** Begins the line before a snippet's output; its class follows. */
  static final String BEGIN = "=== begin ";

  /** Begins the line after it; the exception that it ended with, or nothing, follows. */
  static final String END = "=== end ";

  private SnippetRunner() {}

  /**
   * Runs them.
   *
   * @param classes their names
   */
  public static void main(String[] classes) throws ReflectiveOperationException {
    System.setErr(System.out);
    try (MemoryGuard guard = MemoryGuard.create()) {
      for (String name : classes) {
        Surroundings snippet =
            Class.forName(name)
                .asSubclass(Surroundings.class)
                .getDeclaredConstructor(MemoryGuard.class)
                .newInstance(guard);
        System.out.println(BEGIN + name);
        run(snippet);
      }
    }
    System.exit(0); // no thread that a snippet has left holds up the others' result
  }

  // Whatever a snippet throws is what it shows, or a failure of the test.
  @SuppressWarnings("CatchAndPrintStackTrace")
  private static void run(Surroundings snippet) {
    try {
      snippet.snippet();
      System.out.println(END);
    } catch (Exception | Error e) {
      System.out.println(END + e.getClass().getSimpleName());
      e.printStackTrace(System.out);
    }
  }
}
