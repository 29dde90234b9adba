package io.memguard;

import io.memguard.doctor.Assessment;
import io.memguard.doctor.Surroundings;
import io.memguard.limits.EffectiveLimit;
import io.memguard.limits.Protection;
import io.memguard.limits.ProtectionState;
import io.memguard.platform.JvmMemory;
import java.util.List;
import java.util.Map;

/**
 * What protects children on this machine, and what cannot and why: probed with a throw-away child,
 * not assumed.
 *
 * @param engine how children are started
 * @param engineReason why it is this engine
 * @param protections each protection with what it does here, or why it does not
 * @param limits the smallest limits that bind this process's memory, and so its children's, over
 *     all cgroups that can be seen from here and the machine: at most one of a kind, and none of
 *     those that are not known
 * @param limitations what this engine cannot do that the other can; empty for the native one
 * @param surroundings where this process is, and what around it decides when memory is short
 */
public record Capabilities(
    Engine engine,
    String engineReason,
    Map<Protection, ProtectionState> protections,
    List<EffectiveLimit> limits,
    List<String> limitations,
    Surroundings surroundings) {

  /** Names the two ways to start a child. */
  public enum Engine {
    /** {@code guard_spawn}, within the JVM's process. */
    NATIVE,
    /** {@link ProcessBuilder}, with the shell and prlimit(1) in front of the program. */
    PORTABLE
  }

  /**
   * Copies the collections.
   *
   * @param engine how children are started
   * @param engineReason why it is this engine
   * @param protections each protection with what it does here, or why it does not
   * @param limits the smallest limits that bind this process's memory
   * @param limitations what this engine cannot do that the other can; empty for the native one
   * @param surroundings where this process is
   */
  public Capabilities {
    protections = Map.copyOf(protections);
    limits = List.copyOf(limits);
    limitations = List.copyOf(limitations);
  }

  /**
   * Says where this JVM's own settings leave no room for children under the limit that binds them:
   * the maximum of its heap, or of direct buffers. memguard changes none of it.
   *
   * @return a line for each setting, with the figures and the option to change; none when all is
   *     well, or no limit is known. The JVM is looked at anew each time
   */
  public List<String> advice() {
    return limits.stream()
        .filter(limit -> limit.kind() == EffectiveLimit.Kind.MAX)
        .findFirst()
        .map(limit -> Advice.of(limit, JvmMemory.now()))
        .orElse(List.of());
  }

  /**
   * Judges what becomes of this process when a child takes memory without end, and says what can be
   * done about it: {@code memguard doctor} of this JVM.
   *
   * @return the verdict, what is left open, and the remedies in order of their effect. Only the
   *     JVM's own settings are looked at anew
   */
  public Assessment assessment() {
    return Assessment.of(protections, surroundings, advice());
  }
}
