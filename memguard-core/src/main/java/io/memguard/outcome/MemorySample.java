package io.memguard.outcome;

import java.time.Duration;
import java.util.Objects;

/**
 * What one process of a child's tree had of its memory while it lived, as {@code
 * /proc/<pid>/status} showed it (proc_pid_status(5)). It is taken where no witness is: rarely, and
 * the more often the nearer the process is to its limit. Sizes are in bytes.
 *
 * @param pid the process: the child, or the one of its descendants that was nearest to the limit
 * @param name its name, as the kernel has it: 15 bytes at most
 * @param dataBytes the most that was seen of what RLIMIT_DATA counts (VmData)
 * @param peakAddressBytes the most it ever had of what RLIMIT_AS counts, until then (VmPeak)
 * @param peakRssBytes the most it ever had resident until then (VmHWM)
 * @param age how long before the end it was last seen so
 */
public record MemorySample(
    long pid, String name, long dataBytes, long peakAddressBytes, long peakRssBytes, Duration age) {
  /**
   * Checks the values.
   *
   * @param pid the process
   * @param name its name
   * @param dataBytes the most that was seen of what RLIMIT_DATA counts
   * @param peakAddressBytes the most it ever had of what RLIMIT_AS counts
   * @param peakRssBytes the most it ever had resident
   * @param age how long before the end it was last seen so
   */
  public MemorySample {
    Objects.requireNonNull(name, "name");
    Objects.requireNonNull(age, "age");
  }

  /**
   * Returns the same sample, taken at another time.
   *
   * @param value how long before the end
   * @return the new sample
   */
  public MemorySample withAge(Duration value) {
    return new MemorySample(pid, name, dataBytes, peakAddressBytes, peakRssBytes, value);
  }

  /**
   * Returns the larger values of this sample and an earlier one of the same process.
   *
   * @param earlier the other one
   * @return the new sample, of this one's age
   */
  public MemorySample atLeast(MemorySample earlier) {
    return new MemorySample(
        pid,
        name,
        Math.max(dataBytes, earlier.dataBytes),
        Math.max(peakAddressBytes, earlier.peakAddressBytes),
        Math.max(peakRssBytes, earlier.peakRssBytes),
        age);
  }
}
