package io.memguard.platform;

/**
 * What the resource limits on memory really stop on this machine, as a witness tried in a child
 * that does nothing else: {@code try_limits} of {@code witness_trial.c}.
 *
 * @param data what {@code RLIMIT_DATA} stops
 * @param addressSpace what {@code RLIMIT_AS} stops
 */
public record LimitTrial(Effect data, Effect addressSpace) {
  /** Nobody could try. */
  public static final LimitTrial NONE = new LimitTrial(Effect.UNKNOWN, Effect.UNKNOWN);

  private static final int TRIED = 1;
  private static final int DATA_UNKNOWN = 2;
  private static final int DATA_STOPS_MMAP = 4;
  private static final int DATA_STOPS_BRK = 8;
  private static final int AS_UNKNOWN = 16;
  private static final int AS_STOPS_MMAP = 32;

  /** What a limit stops. */
  public enum Effect {
    /** Nobody could try, or memory was short even without the limit. */
    UNKNOWN,
    /** mmap(2), by which programs get nearly all of their memory. */
    MAPPINGS,
    /** brk(2) alone: whoever is refused there maps memory instead. */
    BRK_ALONE,
    /** Nothing. */
    NOTHING;

    /** Tells whether it is known that children are not held by it. */
    public boolean isVoid() {
      return this == BRK_ALONE || this == NOTHING;
    }
  }

  /** Reads what a witness answered; 0 if it did not. */
  static LimitTrial of(int answer) {
    if ((answer & TRIED) == 0) {
      return NONE;
    }
    return new LimitTrial(
        effect(answer, DATA_UNKNOWN, DATA_STOPS_MMAP, DATA_STOPS_BRK),
        effect(answer, AS_UNKNOWN, AS_STOPS_MMAP, 0));
  }

  private static Effect effect(int answer, int unknown, int stopsMmap, int stopsBrk) {
    if ((answer & unknown) != 0) {
      return Effect.UNKNOWN;
    }
    if ((answer & stopsMmap) != 0) {
      return Effect.MAPPINGS;
    }
    return (answer & stopsBrk) != 0 ? Effect.BRK_ALONE : Effect.NOTHING;
  }
}
