package io.memguard.platform;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;

/** The namespaces this JVM is in, of which the machine's own have fixed inodes. */
public enum Namespace {
  /** {@code PID_NS_INIT_INO} of the kernel's {@code linux/nsfs.h}. */
  PID(0xEFFFFFFCL),
  /** {@code USER_NS_INIT_INO}. */
  USER(0xEFFFFFFDL);

  private final long initial;

  Namespace(long initial) {
    this.initial = initial;
  }

  /**
   * Tells whether it is the machine's own, so that our pids are the kernel's, or our capabilities
   * hold for all that is the kernel's. The line NSpid of {@code /proc/self/status} would not tell:
   * a container's own {@code /proc} shows one number too.
   */
  public boolean isInitial() {
    return isInitial(Path.of("/proc/self"));
  }

  /**
   * Tells the same of the process whose directory of {@code /proc} this is; false where it cannot
   * be read.
   */
  public boolean isInitial(Path process) {
    String name = name().toLowerCase(Locale.ROOT);
    try {
      return Files.readSymbolicLink(process.resolve("ns").resolve(name))
          .toString()
          .equals(name + ":[" + initial + "]");
    } catch (IOException e) {
      return false;
    }
  }
}
