package io.memguard.limits;

import java.util.Objects;

/**
 * One resource limit with its soft and its hard value. The kernel enforces the soft one; the child
 * may raise that up to the hard one, and may never raise the hard one without {@code
 * CAP_SYS_RESOURCE} (<a href="https://man7.org/linux/man-pages/man2/prlimit.2.html">prlimit(2)</a>,
 * capabilities(7)).
 *
 * @param resource what is limited, which also says the unit
 * @param soft from 0, or {@link #UNLIMITED}
 * @param hard from {@code soft}, or {@link #UNLIMITED}
 */
public record ResourceLimit(Rlimit resource, long soft, long hard) {
  /** No limit: the kernel's {@code RLIM_INFINITY}. */
  public static final long UNLIMITED = Long.MAX_VALUE;

  /**
   * Checks the values.
   *
   * @param resource what is limited, which also says the unit
   * @param soft from 0, or {@link #UNLIMITED}
   * @param hard from {@code soft}, or {@link #UNLIMITED}
   * @throws IllegalArgumentException if one is negative, or the soft one is above the hard one
   */
  public ResourceLimit {
    Objects.requireNonNull(resource, "resource");
    if (soft < 0 || hard < 0) {
      throw new IllegalArgumentException(
          "RLIMIT_"
              + resource
              + " "
              + Math.min(soft, hard)
              + " is negative; allowed is 0 to "
              + UNLIMITED
              + " (unlimited)");
    }
    if (soft > hard) {
      throw new IllegalArgumentException(
          "RLIMIT_"
              + resource
              + " has the soft limit "
              + soft
              + " above its hard limit "
              + hard
              + "; the soft one may be at most the hard one");
    }
  }

  /**
   * Reads {@code NAME=SOFT[:HARD]}, for example {@code nofile=256:1024}, {@code core=0}, {@code
   * stack=unlimited}. Without a hard value both are the same. Bytes may have a unit.
   *
   * @param text the limit
   * @return the limit
   * @throws IllegalArgumentException if the text has another form; the message names the text and
   *     the form
   */
  public static ResourceLimit parse(String text) {
    Objects.requireNonNull(
        text, "resource limit is null; write NAME=SOFT[:HARD], for example nofile=256:1024");
    int equals = text.indexOf('=');
    if (equals < 0) {
      throw new IllegalArgumentException(
          "resource limit \""
              + text
              + "\" has no value; write NAME=SOFT[:HARD], for example nofile=256:1024");
    }
    Rlimit resource = Rlimit.named(text.substring(0, equals));
    String[] values = text.substring(equals + 1).split(":", -1);
    if (values.length > 2) {
      throw new IllegalArgumentException(
          "resource limit \"" + text + "\" has more than two values; write NAME=SOFT[:HARD]");
    }
    long soft = value(resource, values[0], text);
    return new ResourceLimit(
        resource, soft, values.length == 2 ? value(resource, values[1], text) : soft);
  }

  private static long value(Rlimit resource, String value, String text) {
    if (value.equalsIgnoreCase("unlimited")) {
      return UNLIMITED;
    }
    if (value.equals("0")) {
      return 0;
    }
    if (resource.inBytes()) {
      return MemorySize.parse(value);
    }
    try {
      return Long.parseLong(value);
    } catch (NumberFormatException e) {
      throw new IllegalArgumentException(
          "resource limit \""
              + text
              + "\": \""
              + value
              + "\" is not a whole number from 0 to "
              + UNLIMITED
              + ", or \"unlimited\"",
          e);
    }
  }

  @Override
  public String toString() {
    String softText = show(soft);
    return "RLIMIT_" + resource + "=" + (soft == hard ? softText : softText + ":" + show(hard));
  }

  private String show(long value) {
    if (value == UNLIMITED) {
      return "unlimited";
    }
    return resource.inBytes() ? MemorySize.format(value) : Long.toString(value);
  }
}
