package io.memguard;

import io.memguard.launch.LaunchException;
import io.memguard.launch.LaunchStep;
import io.memguard.limits.MemoryLimits;
import io.memguard.limits.Protection;
import io.memguard.limits.ProtectionState;
import io.memguard.limits.Requirement;
import io.memguard.limits.Rlimit;
import io.memguard.platform.LimitTrial;
import io.memguard.platform.LimitTrial.Effect;
import java.util.EnumMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/**
 * What comes of that which a child is given, in the place where we are: of resource limits on
 * memory, as a probe child has tried them, and of {@code oom_score_adj}, which only helps where it
 * is above this process's own. Looked up once, when the guard is made; immutable.
 *
 * <p>A limit that does nothing here is left out, as if it had been switched off, so that nothing
 * else counts on it.
 */
final class Enforcement {
  /** No process can have more. */
  private static final int HIGHEST = 1000;

  private static final String INSTEAD =
      "; what a child and its descendants use together is watched instead (TREE_WATCH), where MemoryLimits.treeMemory is set";

  private final LimitTrial trial;
  private final String untried;
  private final int ownScore;

  /**
   * Takes what was found.
   *
   * @param trial what resource limits stop
   * @param untried why nobody could try that, for where it is not known
   * @param ownScore this process's {@code oom_score_adj}
   */
  Enforcement(LimitTrial trial, String untried, int ownScore) {
    this.trial = trial;
    this.untried = untried;
    this.ownScore = ownScore;
  }

  /** Tells what a resource limit does here, given how it is set. */
  ProtectionState rlimit(Protection protection, String set) {
    Effect effect = effect(protection);
    return obstacle(protection)
        .map(why -> ProtectionState.inactive(why + INSTEAD))
        .orElseGet(
            () ->
                ProtectionState.active(
                    effect == Effect.UNKNOWN
                        ? set + "; whether it stops anything here was not tried: " + untried
                        : set + "; a probe child under it was refused memory"));
  }

  /** Tells what {@code oom_score_adj} does here. */
  ProtectionState oomScoreAdj() {
    return topmost()
        .map(ProtectionState::inactive)
        .orElseGet(
            () ->
                ProtectionState.active(
                    "this process has "
                        + ownScore
                        + ", children have "
                        + HIGHEST
                        + (ownScore <= 0 ? "" : outweighed())));
  }

  /** One point is a thousandth of the limit that was reached: the kernel's {@code oom_badness}. */
  private String outweighed() {
    return String.format(
        Locale.ROOT,
        "; the kernel takes them first, unless this process is larger by %.1f %% of the limit that was reached",
        (HIGHEST - ownScore) / 10.0);
  }

  /** Tells whether a child's descendants can be made to be taken before the child. */
  ProtectionState workersFirst(ProtectionState witness) {
    Optional<String> obstacle =
        topmost().or(() -> witness.active() ? Optional.empty() : Optional.of(untold(witness)));
    return obstacle
        .map(ProtectionState::inactive)
        .orElseGet(
            () ->
                ProtectionState.active(
                    "a child has " + halfWay() + ", its descendants have " + HIGHEST));
  }

  private static String untold(ProtectionState witness) {
    return "no witness raises the oom_score_adj of descendants: " + witness.reason();
  }

  /** As far above this process as below those that are killed first. */
  private int halfWay() {
    return (ownScore + HIGHEST) / 2;
  }

  /**
   * Says whether this child's descendants are taken before the child.
   *
   * @param witness whether it has one that raises them, or why not
   * @throws LaunchException if it is required and cannot be had
   */
  ProtectionState armWorkersFirst(MemoryLimits asked, ProtectionState witness)
      throws LaunchException {
    ProtectionState state = workersFirst(witness);
    if (asked.requirement(Protection.WORKERS_FIRST) == Requirement.REQUIRE && !state.active()) {
      throw refusal(Protection.WORKERS_FIRST, state.reason());
    }
    return state.active()
        ? ProtectionState.active(
            (asked.requirement(Protection.OOM_SCORE_ADJ) == Requirement.OFF
                    ? "the child has this process's own oom_score_adj, " + ownScore
                    : "the child has oom_score_adj " + belowWorkers(asked).oomScoreAdj())
                + ", its descendants have "
                + HIGHEST)
        : state;
  }

  /** Returns limits under which a child is taken after its descendants. */
  MemoryLimits belowWorkers(MemoryLimits asked) {
    return asked.oomScoreAdj() == HIGHEST ? asked.withOomScoreAdj(halfWay()) : asked;
  }

  /**
   * Returns what is to be set of what is asked for: not what does nothing here.
   *
   * @throws LaunchException if that is required
   */
  MemoryLimits applicable(MemoryLimits asked) throws LaunchException {
    if (asked.requirement(Protection.OOM_SCORE_ADJ) == Requirement.REQUIRE
        && asked.oomScoreAdj() == HIGHEST
        && topmost().isPresent()) {
      throw refusal(Protection.OOM_SCORE_ADJ, topmost().get());
    }
    MemoryLimits applicable = asked;
    for (Protection protection : Protection.values()) {
      Optional<String> obstacle = obstacle(protection);
      if (obstacle.isPresent() && isSet(asked, protection)) {
        if (asked.requirement(protection) == Requirement.REQUIRE) {
          throw refusal(protection, obstacle.get());
        }
        applicable = applicable.with(protection, Requirement.OFF);
      }
    }
    return applicable;
  }

  /** Returns what is in force, given what a launch has set. */
  Map<Protection, ProtectionState> inForce(
      MemoryLimits asked, Map<Protection, ProtectionState> set) {
    Map<Protection, ProtectionState> all = new EnumMap<>(Protection.class);
    all.putAll(set);
    for (Protection protection : Protection.values()) {
      if (isSet(asked, protection)) {
        obstacle(protection).ifPresent(why -> all.put(protection, ProtectionState.inactive(why)));
      }
    }
    ProtectionState score = set.get(Protection.OOM_SCORE_ADJ);
    if (score != null && score.active() && asked.oomScoreAdj() <= ownScore) {
      all.put(
          Protection.OOM_SCORE_ADJ,
          topmost()
              .filter(why -> asked.oomScoreAdj() == HIGHEST)
              .map(ProtectionState::inactive)
              .orElseGet(
                  () ->
                      ProtectionState.active(
                          score.reason() + ", not above this process's own " + ownScore)));
    }
    return all;
  }

  private static boolean isSet(MemoryLimits limits, Protection protection) {
    return switch (protection) {
      case RLIMIT_DATA -> limits.armed(Rlimit.DATA);
      case RLIMIT_AS -> limits.armed(Rlimit.AS);
      default -> false;
    };
  }

  private Effect effect(Protection protection) {
    return switch (protection) {
      case RLIMIT_DATA -> trial.data();
      case RLIMIT_AS -> trial.addressSpace();
      default -> Effect.UNKNOWN;
    };
  }

  /** Says why a resource limit does nothing here; empty if it does, or nobody knows. */
  private Optional<String> obstacle(Protection protection) {
    Effect effect = effect(protection);
    return effect.isVoid()
        ? Optional.of(
            protection
                + " does nothing here: a probe child got all the memory it mapped under it"
                + (effect == Effect.BRK_ALONE ? ", and was refused only brk(2)" : ""))
        : Optional.empty();
  }

  private Optional<String> topmost() {
    return ownScore < HIGHEST
        ? Optional.empty()
        : Optional.of(
            "this process has oom_score_adj "
                + ownScore
                + " itself, as in a BestEffort pod, and no child can be above it: the kernel goes"
                + " by size alone; give the container a memory request");
  }

  private static LaunchException refusal(Protection protection, String why) {
    return new LaunchException(
        LaunchStep.PREPARE,
        0,
        protection + " is required and cannot be had: " + why,
        "Mend that, or only prefer Protection." + protection + ".");
  }
}
