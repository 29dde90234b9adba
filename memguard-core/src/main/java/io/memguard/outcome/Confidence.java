package io.memguard.outcome;

import java.util.Locale;

/** Says how sure a verdict is. */
public enum Confidence {
  /** Seen as it happened: by the witness, by a counter of the kernel's, or by who ended it. */
  CERTAIN,
  /** Two independent signs agree. */
  PROBABLE,
  /** One sign alone. */
  POSSIBLE;

  /**
   * Returns the name in lower case, as the command line's report writes it.
   *
   * @return for example {@code "certain"}
   */
  public String label() {
    return name().toLowerCase(Locale.ROOT);
  }
}
