package io.memguard.platform.procfs;

import io.memguard.outcome.MemorySample;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Optional;

/** What {@code /proc/<pid>/status} says of a process' memory, proc_pid_status(5). */
final class Peaks {
  private static final String NAME = "Name:\t";

  private Peaks() {}

  /** Understands the text; empty if there is none, or the process has no memory any more. */
  static Optional<MemorySample> read(long pid, String status) {
    SizeLines lines = SizeLines.of(status);
    return lines.has("VmPeak")
        ? Optional.of(
            new MemorySample(
                pid,
                name(status),
                lines.bytes("VmData"),
                lines.bytes("VmPeak"),
                lines.bytes("VmHWM"),
                Duration.ZERO))
        : Optional.empty();
  }

  private static String name(String status) {
    int end = status.indexOf('\n');
    return status.startsWith(NAME) && end > 0
        ? new String(
            status.substring(NAME.length(), end).getBytes(StandardCharsets.ISO_8859_1),
            StandardCharsets.UTF_8)
        : "";
  }
}
