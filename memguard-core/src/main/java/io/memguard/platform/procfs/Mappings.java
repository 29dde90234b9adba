package io.memguard.platform.procfs;

import java.util.Set;

/** What {@code /proc/<pid>/smaps} says about single mappings. */
final class Mappings {
  private static final int DEVICE = 3;
  private static final int INODE = 4;

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

  /** A mapping begins with its addresses, in lower case hexadecimal; its values with names. */
  private static boolean isHead(String line) {
    int dash = line.indexOf('-');
    int colon = line.indexOf(':');
    return dash > 0 && (colon < 0 || dash < colon);
  }
}
