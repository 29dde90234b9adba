package io.memguard.platform.procfs;

import java.util.OptionalLong;
import java.util.Set;

/** What {@code /proc/<pid>/smaps} says about single mappings. */
final class Mappings {
  private static final int DEVICE = 3;
  private static final int INODE = 4;

  /** What is mapped with MAP_SHARED and MAP_ANONYMOUS. */
  private static final String SHARED = " /dev/zero (deleted)";

  private Mappings() {}

  /**
   * Adds up the proportional parts of the mappings of some files.
   *
   * @param files their names: {@code major:minor inode}
   */
  static long pssOf(String smaps, Set<String> files) {
    long bytes = 0;
    boolean wanted = false;
    for (String line : smaps.split("\n", -1)) {
      if (isHead(line)) {
        String[] fields = line.split(" +", INODE + 2);
        wanted = fields.length > INODE && files.contains(fields[DEVICE] + " " + fields[INODE]);
      } else if (wanted && line.startsWith("Pss:")) {
        bytes += SizeLines.of(line).bytes("Pss");
      }
    }
    return bytes;
  }

  /**
   * Adds up what is nobody else's, and what is shared through no file. For where nothing less says
   * it: gVisor has no {@code smaps_rollup}, and no {@code RssAnon} in {@code status}.
   *
   * @return bytes, or empty if the text does not tell
   */
  static OptionalLong anonymous(String smaps) {
    long bytes = 0;
    boolean told = false;
    boolean shared = false;
    for (String line : smaps.split("\n", -1)) {
      if (isHead(line)) {
        shared = line.endsWith(SHARED);
      } else if (line.startsWith("Anonymous:")) {
        told = true;
        bytes += SizeLines.of(line).bytes("Anonymous");
      } else if (shared && line.startsWith("Pss:")) {
        bytes += SizeLines.of(line).bytes("Pss");
      }
    }
    return told ? OptionalLong.of(bytes) : OptionalLong.empty();
  }

  /** A mapping begins with its addresses, in lower case hexadecimal; its values with names. */
  private static boolean isHead(String line) {
    int dash = line.indexOf('-');
    int colon = line.indexOf(':');
    return dash > 0 && (colon < 0 || dash < colon);
  }
}
