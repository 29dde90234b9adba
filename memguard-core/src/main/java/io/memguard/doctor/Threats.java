package io.memguard.doctor;

import io.memguard.limits.Protection;
import io.memguard.limits.ProtectionState;
import java.util.Map;

/**
 * What decides: who is killed when memory is short, and who acts before.
 *
 * @param leaf whether a child can have a cgroup of its own
 * @param together whether who is killed outside of such a one takes all along at once:
 *     memory.oom.group, or gVisor; where that cannot be seen in a container, it is expected
 * @param unitEnds whether systemd ends the rest of its unit then, also if it was in a cgroup of its
 *     own below: the counter that it reads has those too
 * @param held whether a child that outgrows its limit is refused memory, or ended
 * @param guarded whether one child is ended before all of them fill what is around
 * @param childrenFirst whether the kernel, where it takes one, takes a child before this process
 */
record Threats(
    boolean leaf,
    boolean together,
    boolean unitEnds,
    boolean held,
    boolean guarded,
    boolean childrenFirst) {
  /**
   * Children have 1000, and each point is a thousandth of the limit: from here up, this process is
   * taken before a child if it is larger by a tenth of the limit.
   */
  private static final int NEARLY_A_CHILDS = 900;

  static Threats of(Map<Protection, ProtectionState> protections, Surroundings here) {
    return new Threats(
        here.leaves().possible() && !here.isIn(Place.GVISOR), // whose cgroups limit nothing
        killsTogether(here),
        here.cgroups().version() == Cgroups.Version.V2
            && here.unit().filter(SystemdUnit::endsTogether).isPresent(),
        isActive(protections, Protection.RLIMIT_DATA)
            || isActive(protections, Protection.TREE_WATCH),
        isActive(protections, Protection.HEADROOM_GUARD),
        isActive(protections, Protection.OOM_SCORE_ADJ) && here.oomScoreAdj() < NEARLY_A_CHILDS);
  }

  /** A limit below the group's is reached first, and there one process is killed. */
  private static boolean killsTogether(Surroundings here) {
    return here.isIn(Place.GVISOR)
        || isUnseen(here)
        || here.cgroups()
            .groupKill()
            .filter(kill -> kill.limitOf().isPresent() || !isLimitedBelow(here.cgroups(), kill))
            .isPresent();
  }

  /** Kubernetes has containers killed as a whole, and here nobody can tell. */
  static boolean isUnseen(Surroundings here) {
    return here.cgroups().areUnseen() && (here.isIn(Place.POD) || here.isIn(Place.CONTAINER));
  }

  private static boolean isLimitedBelow(Cgroups cgroups, Cgroups.GroupKill kill) {
    return cgroups.levels().stream()
        .takeWhile(level -> !level.path().equals(kill.cgroup()))
        .anyMatch(level -> level.maxBytes().isPresent());
  }

  private static boolean isActive(
      Map<Protection, ProtectionState> protections, Protection protection) {
    ProtectionState state = protections.get(protection);
    return state != null && state.active();
  }

  /** Tells whether the end of one outside of a cgroup of its own is the end of all. */
  boolean endsAll() {
    return together || unitEnds;
  }

  /** Tells whether a child's end stays within its own cgroup. */
  boolean contained() {
    return leaf && !unitEnds;
  }

  Verdict verdict() {
    if (contained()) {
      return Verdict.PROTECTED;
    }
    if (endsAll()) {
      return held && guarded ? Verdict.PARTLY : Verdict.EXPOSED;
    }
    return childrenFirst ? Verdict.PROTECTED : Verdict.PARTLY;
  }

  Threats withLeaf() {
    return new Threats(true, together, unitEnds, held, guarded, childrenFirst);
  }

  Threats withoutGroup() {
    return new Threats(leaf, false, unitEnds, held, guarded, childrenFirst);
  }

  Threats withoutUnit() {
    return new Threats(leaf, together, false, held, guarded, childrenFirst);
  }

  Threats withGuard() {
    return new Threats(leaf, together, unitEnds, held, true, childrenFirst);
  }

  Threats withChildrenFirst() {
    return new Threats(leaf, together, unitEnds, held, guarded, true);
  }
}
