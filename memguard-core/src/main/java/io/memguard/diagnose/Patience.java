package io.memguard.diagnose;

import java.util.function.BooleanSupplier;

/**
 * A text that can be read so often and no more: a pattern of a user's that backtracks for ever is
 * given up, and has not matched.
 */
final class Patience implements CharSequence {
  /** A tenth of a second or so, for a pattern; a sane one reads a tail of 8 KiB a few times. */
  static final int READS = 5_000_000;

  private final CharSequence text;
  private final int[] left;

  /** Thrown out of the matcher, which catches nothing. */
  private static final class Lost extends RuntimeException {
    private static final long serialVersionUID = 1;

    Lost() {
      super("the pattern reads the text too often", null, false, false);
    }
  }

  Patience(CharSequence text) {
    this(text, new int[] {READS});
  }

  private Patience(CharSequence text, int[] left) {
    this.text = text;
    this.left = left;
  }

  /** Asks a pattern about such a text; false if patience was lost, or the stack was too small. */
  static boolean answer(BooleanSupplier question) {
    try {
      return question.getAsBoolean();
    } catch (Lost | StackOverflowError e) {
      return false;
    }
  }

  @Override
  public char charAt(int index) {
    if (--left[0] < 0) {
      throw new Lost();
    }
    return text.charAt(index);
  }

  @Override
  public int length() {
    return text.length();
  }

  @Override
  public CharSequence subSequence(int start, int end) {
    return new Patience(text.subSequence(start, end), left);
  }

  @Override
  public String toString() {
    return text.toString();
  }
}
