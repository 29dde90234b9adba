package io.memguard.diagnose;

import io.memguard.limits.MemorySize;
import io.memguard.outcome.Cause;
import io.memguard.outcome.CgroupRecord;
import io.memguard.outcome.CgroupRecord.Container;
import io.memguard.outcome.CgroupRecord.Leaf;
import io.memguard.outcome.Confidence;
import io.memguard.outcome.Evidence;
import io.memguard.outcome.WaitStatus;
import java.util.Optional;

/**
 * What the kernel's counters say about a child that was killed.
 *
 * <p>With a leaf of its own:
 *
 * <ol>
 *   <li>the leaf ran out of memory and had somebody killed: {@link Cause#OWN_CGROUP}, certain where
 *       the kernel counts both apart (cgroup v2);
 *   <li>somebody in the leaf was killed, and a visible cgroup above ran out of memory: {@link
 *       Cause#CONTAINER}, certain unless another guarded child was killed at the same time;
 *   <li>somebody in the leaf was killed, and none of the visible ones ran out: {@link
 *       Cause#CONTAINER}, possible, where others are hidden; else {@link Cause#HOST}, probable.
 * </ol>
 *
 * <p>Without one, and only for SIGKILL: the counter of the cgroup that it shared with others rose:
 * {@link Cause#CONTAINER}, or {@link Cause#HOST} as above; probable, and possible when another
 * guarded child was killed at the same time. Where no such counter can be read, and the machine's
 * rose: {@link Cause#HOST}, possible.
 *
 * <p>A child that was not killed itself may be a shell that waited for the one that was: with a
 * leaf, that is probable.
 *
 * @param explanation one sentence for people
 */
record KernelKill(Cause cause, Confidence confidence, String explanation) {
  private static final int SIGKILL = 9;

  static Optional<KernelKill> in(Evidence evidence) {
    return evidence.cgroups().flatMap(record -> new Case(evidence, record).judge());
  }

  private record Case(Evidence evidence, CgroupRecord record) {
    private Optional<KernelKill> judge() {
      if (record.killedInLeaf()) {
        return Optional.of(inLeaf(record.leaf().orElseThrow()));
      }
      boolean noLeaf = record.leaf().isEmpty();
      if (!sigkill() || (record.wouldTell() && !(noLeaf && record.killedInContainer()))) {
        return Optional.empty();
      }
      if (record.wouldTell()) {
        return Optional.of(inContainer());
      }
      return record.hostOomKills().orElse(0) > 0
          ? Optional.of(
              kill(
                  Cause.HOST,
                  Confidence.POSSIBLE,
                  "the machine killed a process for lack of memory about then, and it is not known"
                      + " which: no counter of a cgroup can be read here"))
          : Optional.empty();
    }

    private KernelKill inLeaf(Leaf leaf) {
      boolean v2 = leaf.oom().isPresent();
      if ((v2 ? leaf.oom() : leaf.limitReached()).orElse(0) > 0) {
        boolean alone = v2 || record.outOfMemory().isEmpty();
        return kill(
            Cause.OWN_CGROUP,
            v2 && sigkill()
                ? Confidence.CERTAIN
                : alone ? Confidence.PROBABLE : Confidence.POSSIBLE,
            "its own cgroup "
                + leaf.path()
                + " reached its limit"
                + (leaf.limitBytes().isPresent()
                    ? " of " + MemorySize.format(leaf.limitBytes().getAsLong())
                    : ""));
      }
      boolean certain = sigkill() && v2 && !record.shared();
      return above(certain ? Confidence.CERTAIN : Confidence.PROBABLE);
    }

    private KernelKill inContainer() {
      return above(record.shared() ? Confidence.POSSIBLE : Confidence.PROBABLE);
    }

    /** The limit was not its own: it was that of a cgroup above, or the machine's. */
    private KernelKill above(Confidence named) {
      Optional<Container> limit = record.outOfMemory();
      if (limit.isPresent()) {
        return kill(
            Cause.CONTAINER,
            named,
            "cgroup " + limit.get().path() + " around it reached its limit" + neighbours());
      }
      if (record.hiddenAncestors().isPresent()) {
        return kill(
            Cause.CONTAINER,
            Confidence.POSSIBLE,
            "the OOM killer chose a process of its cgroup, and no limit that can be seen from here"
                + " was reached: it was that of a cgroup further up, or the machine's ("
                + record.hiddenAncestors().get()
                + ")");
      }
      return kill(
          Cause.HOST,
          named == Confidence.POSSIBLE ? Confidence.POSSIBLE : Confidence.PROBABLE,
          "the OOM killer chose a process of its cgroup, and no cgroup's limit was reached: the"
              + " machine was out of memory"
              + neighbours());
    }

    private String neighbours() {
      return record.shared() ? "; another child was killed at the same time" : "";
    }

    private KernelKill kill(Cause cause, Confidence confidence, String why) {
      return new KernelKill(
          cause,
          confidence,
          "It "
              + (sigkill() ? "was killed" : "ended (" + evidence.status() + ")")
              + ", and "
              + why
              + ".");
    }

    /** The portable engine takes exit(137) for it. */
    private boolean sigkill() {
      return evidence.status() instanceof WaitStatus.Kill killed
          && killed.signal().number() == SIGKILL;
    }
  }
}
