package io.memguard.doctor;

import io.memguard.doctor.LeafRoom.Obstacle;
import io.memguard.doctor.Remedy.Who;
import io.memguard.limits.Protection;
import io.memguard.limits.ProtectionState;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;

/**
 * Finds what can be done, and says of each remedy what the verdict would be: by judging what would
 * be then.
 */
final class Remedies {
  private static final String ASK =
      "ask for a cgroup for each child: Protection.CGROUP_LEAF, or memguard run --cgroup";
  private static final String ROOM =
      "make room for children's cgroups: MemoryGuard.prepare, or memguard run --prepare-cgroup";

  private final Threats now;
  private final Map<Protection, ProtectionState> protections;
  private final Surroundings here;
  private final List<Remedy> all = new ArrayList<>();

  Remedies(Threats now, Map<Protection, ProtectionState> protections, Surroundings here) {
    this.now = now;
    this.protections = protections;
    this.here = here;
  }

  /** Returns them in order, the JVM's own last. */
  List<Remedy> all(List<String> advice) {
    if (now.verdict() != Verdict.PROTECTED) {
      leaf();
      group();
      unit();
      guard();
      score();
      all.removeIf(remedy -> remedy.then().compareTo(now.verdict()) >= 0);
      all.sort(Comparator.comparing(Remedy::then).thenComparing(Remedy::who));
    }
    advice.forEach(line -> all.add(new Remedy(Who.APPLICATION, line, now.verdict())));
    return all;
  }

  private void add(Who who, Threats then, String what) {
    all.add(new Remedy(who, what, then.verdict()));
  }

  private void leaf() {
    if (here.isIn(Place.GVISOR)) {
      return; // there no cgroup limits anything
    }
    if (here.unit().isPresent() && isUnits()) {
      scope(here.unit().get());
      delegate(here.unit().get());
    } else if (here.leaves().isObstructedBy(Obstacle.HOLDS_PROCESSES)) {
      add(Who.APPLICATION, now.withLeaf(), "At its start, " + ROOM + "; and " + ASK + ".");
    } else if (here.leaves().isObstructedBy(Obstacle.READ_ONLY)) {
      writable();
    } else if (here.leaves().isObstructedBy(Obstacle.FORBIDDEN)) {
      add(
          Who.APPLICATION,
          now.withLeaf(),
          "Leave out -Dmemguard.cgroup.leaf=off, and " + ASK + ".");
    } else if (!here.leaves().possible()) {
      add(
          starter(Who.NODE_ADMIN),
          now.withLeaf(),
          "Have cgroups in which children can have one of their own ("
              + here.leaves().reason()
              + "), and "
              + ASK
              + ".");
    }
  }

  /** As root, the directory of an undelegated one can be written all the same; it is systemd's. */
  private boolean isUnits() {
    return isV2()
        && !here.leaves().possible()
        && !here.leaves().isObstructedBy(Obstacle.FORBIDDEN)
        && (here.leaves().isObstructedBy(Obstacle.READ_ONLY)
            || !here.unit().flatMap(SystemdUnit::delegated).orElse(false));
  }

  private boolean isV2() {
    return here.cgroups().version() == Cgroups.Version.V2;
  }

  /** Whose directory it is may ask: root in a unit of the machine's, a user in one of his own. */
  private void scope(SystemdUnit unit) {
    if (here.leaves().isObstructedBy(Obstacle.HOLDS_PROCESSES) && unit.unknown().isEmpty()) {
      add(
          Who.APPLICATION,
          now.withLeaf().withoutUnit(),
          "At its start, ask systemd for a delegated scope and make room in it:"
              + " PrepareOptions.withSystemdScope, or memguard run --prepare-cgroup"
              + " --systemd-scope; limits of "
              + unit.name()
              + " hold it no more then; and "
              + ASK
              + ".");
    }
  }

  /** An OOMPolicy= that somebody has set is not changed by Delegate=; a new scope has none. */
  private void delegate(SystemdUnit unit) {
    add(
        Who.UNIT,
        now.withLeaf().withoutUnit(),
        (unit.name().endsWith(".scope")
                ? "Start it in a scope with Delegate=yes (systemd-run --scope -p Delegate=yes, with"
                    + " --user unless root); at its start, "
                    + ROOM
                : "Set "
                    + (here.leaves().isObstructedBy(Obstacle.READ_ONLY)
                        ? "ProtectControlGroups=no, "
                        : "")
                    + "Delegate=yes, OOMPolicy=continue and DelegateSubgroup=supervisor (which"
                    + " systemd has from 254 on; before that, at the start, "
                    + ROOM
                    + ")")
            + "; and "
            + ASK
            + ".");
  }

  /** In no container of cgroup v1 can they be had but in a privileged one. */
  private void writable() {
    if (!isV2()) {
      return;
    }
    String then = ". At the start, " + ROOM + "; and " + ASK + ".";
    if (here.isIn(Place.POD)) {
      add(
          Who.NODE_ADMIN,
          now.withLeaf(),
          "Offer a RuntimeClass with writable cgroups, which the pod names (runtimeClassName): of"
              + " containerd (2.1 and later) with cgroup_writable = true, or of CRI-O with"
              + " io.kubernetes.cri-o.cgroup2-mount-hierarchy-rw in its allowed_annotations, which"
              + " the pod then sets to \"true\""
              + then);
    } else {
      add(
          Who.CONTAINER,
          now.withLeaf(),
          "Mount cgroups writable: with Docker (28 and later) --security-opt"
              + " writable-cgroups=true, with Podman --security-opt unmask=/sys/fs/cgroup, else a"
              + " privileged container"
              + then);
    }
  }

  private void group() {
    if (!now.together() || here.isIn(Place.GVISOR)) {
      return;
    }
    if (Threats.isUnseen(here)) {
      add(
          starter(Who.POD_SPEC),
          now.withGuard(),
          "Have /sys/fs/cgroup where this process can see it, read-only is enough: then it is known"
              + " what is killed together, and the head-room guard sees how much is left.");
      return;
    }
    if (here.isIn(Place.POD)) {
      add(
          Who.NODE_ADMIN,
          now.withoutGroup(),
          "Set singleProcessOOMKill: true in the kubelet's configuration (Kubernetes 1.32 and"
              + " later): the kernel then kills one process and not the container.");
    } else if (!isUnitsGroup()) {
      add(
          starter(Who.NODE_ADMIN),
          now.withoutGroup(),
          "Have memory.oom.group of cgroup "
              + here.cgroups().groupKill().map(Cgroups.GroupKill::cgroup).orElse("")
              + " be 0: the kernel then kills one process.");
    }
    if (here.cgroups().groupKill().filter(kill -> kill.limitOf().isEmpty()).isPresent()) {
      limit();
    }
  }

  /** Only below a limit that can be seen is the head-room known. */
  private void limit() {
    String why = ", so that the head-room guard sees how much is left and ends a child in time.";
    if (here.isIn(Place.POD)) {
      add(
          Who.POD_SPEC,
          now.withGuard(),
          "Give this container a memory limit of its own (resources.limits.memory)" + why);
    } else if (here.unit().isPresent()) {
      add(Who.UNIT, now.withGuard(), "Set MemoryMax=" + why);
    } else {
      add(
          starter(Who.NODE_ADMIN),
          now.withGuard(),
          "Give this container a memory limit of its own (--memory)" + why);
    }
  }

  private void unit() {
    here.unit()
        .filter(unit -> now.unitEnds())
        .ifPresent(
            unit ->
                add(
                    Who.UNIT,
                    isUnitsGroup() ? now.withoutUnit().withoutGroup() : now.withoutUnit(),
                    "Set OOMPolicy=continue in "
                        + unit.name()
                        + ": systemd then lets the rest of it live when the kernel has killed one"
                        + " process."));
  }

  /** OOMPolicy=kill sets memory.oom.group of the unit's cgroup; a container's is another. */
  private boolean isUnitsGroup() {
    return here.unit().isPresent()
        && here.cgroups()
            .groupKill()
            .filter(kill -> kill.cgroup().endsWith("/" + here.unit().get().name()))
            .isPresent();
  }

  /** By itself it is on only where the kernel's group is seen to have a limit. */
  private void guard() {
    ProtectionState guard = protections.get(Protection.HEADROOM_GUARD);
    boolean wouldSee =
        here.isIn(Place.GVISOR)
            || now.unitEnds()
            || here.cgroups().groupKill().filter(kill -> kill.limitOf().isPresent()).isPresent();
    if (now.endsAll() && guard != null && canBeSwitchedOn(guard) && wouldSee) {
      add(
          Who.APPLICATION,
          now.withGuard(),
          "Switch the head-room guard on, which ends a child in time:"
              + " GuardOptions.withHeadroomGuard(HeadroomGuard.ON).");
    }
  }

  /** One that is off for want of something else, as a smaller reserve, says that instead. */
  private static boolean canBeSwitchedOn(ProtectionState guard) {
    return !guard.active() && guard.reason().contains("HeadroomGuard.ON");
  }

  private void score() {
    if (now.endsAll() || now.childrenFirst()) {
      return;
    }
    if (here.isIn(Place.POD)) {
      add(
          Who.POD_SPEC,
          now.withChildrenFirst(),
          "Make the pod's class Guaranteed: requests.cpu and requests.memory equal to the limits in"
              + " each of its containers. Then children can be put well before this process.");
    } else {
      add(
          here.unit().isPresent() ? Who.UNIT : starter(Who.APPLICATION),
          now.withChildrenFirst(),
          "Start this process with an oom_score_adj below 900 (it has "
              + here.oomScoreAdj()
              + "), under systemd with OOMScoreAdjust=: then children can be put before it.");
    }
  }

  private Who starter(Who otherwise) {
    return here.isIn(Place.CONTAINER) ? Who.CONTAINER : otherwise;
  }
}
