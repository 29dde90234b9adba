package io.memguard.outcome;

import java.util.OptionalInt;
import java.util.OptionalLong;

/**
 * What the preloaded observer noted in a child and its descendants.
 *
 * @param programs how many programs it was loaded into; 0 means that nobody was watching (a static
 *     or setuid program)
 * @param refusals how many allocations failed with ENOMEM
 * @param largestRefusedBytes the largest request that was refused, or empty if none was
 * @param lastRefusedBytes the last request that was refused, or empty if none was
 * @param lastPid the process it was refused to, or empty if none was
 * @param peakRssBytes the largest resident set it saw, or empty if it did not look
 */
public record WitnessRecord(
    int programs,
    long refusals,
    OptionalLong largestRefusedBytes,
    OptionalLong lastRefusedBytes,
    OptionalInt lastPid,
    OptionalLong peakRssBytes) {

  /**
   * Tells whether memory was refused.
   *
   * @return true if any allocation failed
   */
  public boolean sawRefusal() {
    return refusals > 0;
  }

  /**
   * Tells whether the observer was there at all.
   *
   * @return true if it was loaded into at least one program
   */
  public boolean attached() {
    return programs > 0;
  }
}
