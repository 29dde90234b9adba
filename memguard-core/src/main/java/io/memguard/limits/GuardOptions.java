package io.memguard.limits;

import io.memguard.events.MemoryGuardListener;
import io.memguard.outcome.RuntimeRule;
import java.util.List;
import java.util.Objects;
import java.util.OptionalLong;
import java.util.stream.Stream;

/**
 * Says what a guard does besides starting children: whether it keeps the container around them from
 * running out of memory, and who is told what happens.
 *
 * <p>Immutable; safe to share between threads if the policy and the listeners are.
 *
 * @param headroomGuard whether children are ended before the container runs out of memory
 * @param reserve the head-room below which one is ended, in bytes; empty for one after the
 *     container's limit
 * @param victimPolicy who is ended then
 * @param listeners who is told what becomes of all children, and of the container's memory
 * @param rules how the application's own programs end without memory
 */
public record GuardOptions(
    HeadroomGuard headroomGuard,
    OptionalLong reserve,
    VictimPolicy victimPolicy,
    List<MemoryGuardListener> listeners,
    List<RuntimeRule> rules) {
  private static final GuardOptions DEFAULTS =
      new GuardOptions(
          HeadroomGuard.AUTO, OptionalLong.empty(), VictimPolicy.standard(), List.of(), List.of());

  /** Says when the head-room guard is on. */
  public enum HeadroomGuard {
    /**
     * Where the kernel would kill this process along with its children: a limit of a cgroup that
     * can be seen binds it, and {@code memory.oom.group} is set from its own cgroup up to that one.
     * So it is in containers of Kubernetes. Never on a machine without a container.
     */
    AUTO,
    /** Wherever the head-room can be read; without a container, that of the whole machine. */
    ON,
    /** Never. */
    OFF
  }

  /**
   * Checks the values.
   *
   * @param headroomGuard whether children are ended before the container runs out of memory
   * @param reserve the head-room below which one is ended, in bytes; empty for one after the
   *     container's limit
   * @param victimPolicy who is ended then
   * @param listeners who is told what becomes of all children, and of the container's memory
   * @param rules how the application's own programs end without memory
   * @throws IllegalArgumentException if the reserve is less than 1
   */
  public GuardOptions {
    Objects.requireNonNull(headroomGuard, "headroomGuard");
    Objects.requireNonNull(victimPolicy, "victimPolicy");
    listeners = List.copyOf(listeners);
    rules = List.copyOf(rules);
    if (reserve.orElse(1) < 1) {
      throw new IllegalArgumentException(
          "the reserve "
              + reserve.getAsLong()
              + " is not positive; allowed is 1 to "
              + Long.MAX_VALUE
              + " bytes; to switch the head-room guard off, use HeadroomGuard.OFF");
    }
  }

  /**
   * Returns what holds where nothing is said: {@link HeadroomGuard#AUTO}, a reserve after the
   * limit, the {@linkplain VictimPolicy#standard standard policy}, and nobody is told.
   *
   * @return the defaults
   */
  public static GuardOptions defaults() {
    return DEFAULTS;
  }

  /**
   * Says whether children are ended before the container runs out of memory, so that the kernel
   * does not have to kill, which may take this process too. Such a child's outcome is {@link
   * io.memguard.outcome.Cause#PREEMPTED}. A child is spared for which {@link
   * Protection#HEADROOM_GUARD} is {@link Requirement#OFF}.
   *
   * @param value when
   * @return the new options
   */
  public GuardOptions withHeadroomGuard(HeadroomGuard value) {
    return new GuardOptions(value, reserve, victimPolicy, listeners, rules);
  }

  /**
   * Sets the head-room below which a child is ended. What a child can still allocate between the
   * look that decides and its end has to fit in: see docs/headroom.md for what was measured. Where
   * nobody says, it is an eighth of the limit, and up to a quarter while head-room falls fast; 128
   * MiB at most. If it is as large as the limit, the guard is off, and says so.
   *
   * @param bytes 1 or more
   * @return the new options
   * @throws IllegalArgumentException if it is less than 1
   */
  public GuardOptions withReserve(long bytes) {
    return new GuardOptions(headroomGuard, OptionalLong.of(bytes), victimPolicy, listeners, rules);
  }

  /**
   * Sets the head-room below which a child is ended.
   *
   * @param size for example {@code "64MiB"}; see {@link MemorySize#parse}
   * @return the new options
   * @throws IllegalArgumentException if the text is no amount of memory from one byte up
   * @see #withReserve(long)
   */
  public GuardOptions withReserve(String size) {
    return withReserve(MemorySize.parse(size));
  }

  /**
   * Sets who chooses the child that is ended.
   *
   * @param value must answer at once; see {@link VictimPolicy}
   * @return the new options
   */
  public GuardOptions withVictimPolicy(VictimPolicy value) {
    return new GuardOptions(headroomGuard, reserve, value, listeners, rules);
  }

  /**
   * Has somebody told what becomes of all children, and what happens to the memory of the container
   * around them, besides those who are told already. A child's own listener ({@link
   * LaunchOptions#withMemoryListener}) is told before. Of the container it is told only where the
   * head-room guard is on, and while a child lives that may be ended, or until it was told {@code
   * HEADROOM_BACK}.
   *
   * @param value who is told; see there when, and on which thread
   * @return the new options
   */
  public GuardOptions withListener(MemoryGuardListener value) {
    List<MemoryGuardListener> all = Stream.concat(listeners.stream(), Stream.of(value)).toList();
    return new GuardOptions(headroomGuard, reserve, victimPolicy, all, rules);
  }

  /**
   * Adds to what memguard knows of how programs end without memory, in place of what was added
   * before. Such a rule is asked before those that memguard brings. Of a child whose allocations
   * were watched, what the witness saw decides first.
   *
   * @param value the rules; {@link RuntimeRule#read} reads them from a file
   * @return the new options
   */
  public GuardOptions withRules(List<RuntimeRule> value) {
    return new GuardOptions(headroomGuard, reserve, victimPolicy, listeners, value);
  }
}
