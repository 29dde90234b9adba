package io.memguard.platform;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Which pid namespace this JVM is in. */
public final class PidNamespace {
  /** {@code PID_NS_INIT_INO} of the kernel's {@code linux/nsfs.h}. */
  private static final String INITIAL = "pid:[" + 0xEFFFFFFCL + "]";

  private PidNamespace() {}

  /**
   * Tells whether it is the machine's own, so that our pids are the kernel's. The line NSpid of
   * {@code /proc/self/status} would not tell: a container's own {@code /proc} shows one number too.
   */
  public static boolean isInitial() {
    try {
      return Files.readSymbolicLink(Path.of("/proc/self/ns/pid")).toString().equals(INITIAL);
    } catch (IOException e) {
      return false;
    }
  }
}
