package io.memguard.doctor;

import io.memguard.limits.Protection;
import io.memguard.limits.ProtectionState;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Says in sentences what {@link Threats} have decided. */
final class Words {
  private static final String LEFT_BEHIND =
      "What children leave in /dev/shm or another tmpfs is bound by no rlimit, and stays charged"
          + " after their end: once it fills what is around, this process may be killed too.";

  private Words() {}

  static String headline(Threats now, Surroundings here) {
    if (now.contained()) {
      return "A child that asks for a cgroup of its own (Protection.CGROUP_LEAF, --cgroup) is killed"
          + " alone when it takes too much: this process and the other children live on.";
    }
    if (!now.endsAll()) {
      return now.childrenFirst()
          ? "A child that takes too much is refused memory, or the kernel kills one process, and a"
              + " child before this one."
          : "A child that takes too much is refused memory or ended; where it is not in time, the"
              + " kernel kills one process, which may be this one.";
    }
    String why = whyAll(now, here);
    return now.verdict() == Verdict.PARTLY
        ? "A child that takes too much is refused memory, or memguard ends it; where it is not in"
            + " time, everything here ends with it: "
            + why
            + "."
        : "When a child takes too much, everything here may end with it: " + why + ".";
  }

  private static String whyAll(Threats now, Surroundings here) {
    if (now.together()) {
      if (Threats.isUnseen(here) && !here.isIn(Place.GVISOR)) {
        return "no cgroup can be seen from here, and containers are often killed as a whole";
      }
      return here.isIn(Place.GVISOR)
          ? "gVisor's sandbox is killed as a whole"
          : here.cgroups().groupKill().map(Cgroups.GroupKill::toString).orElse("it is one group");
    }
    return here.unit().map(Words::whyUnit).orElse("it is one unit");
  }

  private static String whyUnit(SystemdUnit unit) {
    return "systemd ends "
        + unit.name()
        + " when a process of it was killed for lack of memory ("
        + unit.oomPolicy()
            .map(policy -> "OOMPolicy=" + policy)
            .orElse("OOMPolicy= is not known, and stop by default")
        + ")";
  }

  static List<String> open(
      Threats now, Map<Protection, ProtectionState> protections, Surroundings here) {
    List<String> open = new ArrayList<>();
    if (now.contained()) {
      together(now, here, open);
      open.add(LEFT_BEHIND);
    } else if (now.endsAll()) {
      late(now, protections, open);
    } else {
      open.add(LEFT_BEHIND);
      open.add(
          "Without a cgroup of its own the child is not told from others by the kernel: another"
              + " child may be killed in its place.");
      if (now.childrenFirst() && here.oomScoreAdj() > 0) {
        open.add(
            "This process has oom_score_adj "
                + here.oomScoreAdj()
                + ": it is killed before a child if it is larger by more than "
                + (1000 - here.oomScoreAdj()) / 10
                + " % of the limit that was reached.");
      }
    }
    here.cgroups()
        .hidden()
        .ifPresent(
            why ->
                open.add(
                    "Limits further up cannot be seen: "
                        + why
                        + ". A smaller one may bind"
                        + (here.cgroups().version() == Cgroups.Version.V2
                            ? ", and memory.oom.group up there may have all below it killed."
                            : ".")));
    if (here.overcommit().filter(how -> how.mode() == 2).isPresent()) {
      open.add(
          "vm.overcommit_memory is 2: what one process was promised and does not use, others are"
              + " refused, this one too.");
    }
    return open;
  }

  /** Their cgroups hold each of them, and not all of them. */
  private static void together(Threats now, Surroundings here, List<String> open) {
    String end =
        now.together()
            ? now.guarded()
                ? "the head-room guard ends one of them before everything is killed"
                : "everything here is killed"
            : "the kernel kills one process";
    boolean limited = here.cgroups().levels().stream().anyMatch(at -> at.maxBytes().isPresent());
    open.add(
        "Children that together outgrow "
            + (limited ? "the limit around them" : "the machine")
            + ", each within its own: "
            + end
            + ". A MemoryBudget keeps them within it.");
  }

  private static void late(
      Threats now, Map<Protection, ProtectionState> protections, List<String> open) {
    ProtectionState data = protections.get(Protection.RLIMIT_DATA);
    open.add(
        data != null && data.active()
            ? "What RLIMIT_DATA does not count (shared memory, files in /dev/shm, many processes"
                + " together) is seen by looking only, and one that fills fast may be seen too"
                + " late."
            : "RLIMIT_DATA stops nothing here: a child's memory is seen by looking only, and one"
                + " that fills fast may be seen too late.");
    open.add(
        now.guarded()
            ? "Children without a limit, and several together: the head-room guard ends one in"
                + " time, unless they fill faster than it looks. A MemoryBudget keeps them within"
                + " the limit."
            : "Children without a limit, and several together: nothing ends one in time."
                + " A MemoryBudget helps where the limit is known.");
  }
}
