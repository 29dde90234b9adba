package io.memguard.platform;

import java.io.File;
import java.io.IOException;
import java.lang.ProcessBuilder.Redirect;
import java.nio.file.Files;

/** What a child reads on stdin. */
public final class StandardInput {
  private static final File NULL = new File("/dev/null");
  private static final File OWN = new File("/proc/self/fd/0");

  private StandardInput() {}

  /**
   * Tells whether somebody may still write what the child is to read: on a terminal, or into a pipe
   * or socket. A pipe of its launcher's own counts as closed.
   */
  public static boolean canBeFed(Redirect stdin) {
    File file = stdin.type() == Redirect.Type.INHERIT ? OWN : stdin.file();
    if (file == null || file.equals(NULL) || !file.exists() || file.isFile()) {
      return false; // mostly without asking the kernel: every launch asks this
    }
    try {
      return !Files.isSameFile(file.toPath(), NULL.toPath());
    } catch (IOException unknown) {
      return true;
    }
  }
}
