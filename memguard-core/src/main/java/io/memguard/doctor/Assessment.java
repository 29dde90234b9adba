package io.memguard.doctor;

import io.memguard.limits.Protection;
import io.memguard.limits.ProtectionState;
import java.util.List;
import java.util.Map;

/**
 * What becomes of this process when a child takes memory without end, and what can be done about
 * it. The child has a memory limit ({@code MemoryLimits.of}) and prefers a cgroup of its own.
 *
 * @param verdict in one word
 * @param headline in one sentence
 * @param open what can go wrong all the same, or is not known; a sentence each
 * @param remedies what can be done, those first that help most, then those that are nearest
 */
public record Assessment(
    Verdict verdict, String headline, List<String> open, List<Remedy> remedies) {

  /**
   * Copies the lists.
   *
   * @param verdict in one word
   * @param headline in one sentence
   * @param open what can go wrong all the same
   * @param remedies what can be done
   */
  public Assessment {
    open = List.copyOf(open);
    remedies = List.copyOf(remedies);
  }

  /**
   * Judges what was found; looks at nothing itself.
   *
   * @param protections what protects children here, as {@code Capabilities} has it
   * @param here what is around
   * @param advice what {@code Capabilities.advice} says of the JVM
   * @return the assessment
   */
  public static Assessment of(
      Map<Protection, ProtectionState> protections, Surroundings here, List<String> advice) {
    Threats now = Threats.of(protections, here);
    return new Assessment(
        now.verdict(),
        Words.headline(now, here),
        Words.open(now, protections, here),
        new Remedies(now, protections, here).all(advice));
  }
}
