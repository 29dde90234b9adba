package io.memguard.platform.procfs;

import java.util.Locale;

/**
 * A file in memory that a process holds open for writing.
 *
 * @param major of the device that it is on
 * @param minor of the device that it is on
 * @param inode its number there
 * @param bytes what it takes
 */
record HeldFile(int major, int minor, long inode, long bytes) {
  /** Names the device as {@code mountinfo} does. */
  String device() {
    return major + ":" + minor;
  }

  /** Names the file as {@code maps} does, by device and inode. */
  String name() {
    return String.format(Locale.ROOT, "%02x:%02x %d", major, minor, inode);
  }
}
