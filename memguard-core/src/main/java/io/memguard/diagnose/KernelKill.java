package io.memguard.diagnose;

import io.memguard.limits.MemorySize;
import io.memguard.outcome.Cause;
import io.memguard.outcome.CgroupRecord;
import io.memguard.outcome.CgroupRecord.Container;
import io.memguard.outcome.CgroupRecord.Leaf;
import io.memguard.outcome.Confidence;
import io.memguard.outcome.Evidence;
import io.memguard.outcome.KernelLogRecord;
import io.memguard.outcome.KernelLogRecord.Limit;
import io.memguard.outcome.KernelLogRecord.Victim;
import io.memguard.outcome.KernelLogRecord.Who;
import io.memguard.outcome.WaitStatus;
import java.util.Optional;

/**
 * What the kernel's counters and its log say about a child that was killed.
 *
 * <p>The counters decide whether it was a lack of memory at all. With a leaf of its own:
 *
 * <ol>
 *   <li>the log names the child: as it says, certain;
 *   <li>the leaf ran out of memory and had somebody killed: {@link Cause#OWN_CGROUP}, certain where
 *       the kernel counts both apart (cgroup v2) and killed the leaf as a whole;
 *   <li>the log names a process of the leaf: as it says, certain if the leaf was killed as a whole;
 *   <li>somebody in the leaf was killed, and a visible cgroup above ran out of memory: {@link
 *       Cause#CONTAINER}, certain on cgroup v2 if nobody else was killed there since the launch, so
 *       that it ran out because of the leaf; else probable: that may have been at another time;
 *   <li>somebody in the leaf was killed, and none of the visible ones ran out: {@link
 *       Cause#CONTAINER}, possible, where others are hidden; else {@link Cause#HOST}, probable.
 * </ol>
 *
 * <p>Where somebody was killed only in cgroups that were made below the leaf, that may have been
 * for a limit down there, which spares the child. So it counts only with SIGKILL, and if the leaf
 * itself ran out of memory or the log names the child or a limit further up; and where the log does
 * not name the child, it is probable.
 *
 * <p>Where the leaf was not killed as a whole it may have been a descendant's, long before: cgroup
 * v1 knows no such kill, on cgroup v2 whoever lives in the leaf can switch it off, and an
 * oom_score_adj of -1000 is exempt. So all of these but the first are at most probable then, and
 * possible when the log would name the child and does not.
 *
 * <p>Without one, and only for SIGKILL: the counter of the cgroup that it shared with others rose:
 * {@link Cause#CONTAINER}, or {@link Cause#HOST} as above; certain if the log names the child, else
 * probable, and possible when another guarded child was killed at the same time, or when the log
 * would name the child and does not. Where no such counter can be read, and the log names the
 * child: as it says. Where it does not, and the machine's counter rose: {@link Cause#HOST},
 * possible.
 *
 * <p>A child that was not killed itself may be a shell that waited for the one that was: with a
 * leaf, that is probable.
 *
 * @param explanation one sentence for people
 */
record KernelKill(Cause cause, Confidence confidence, String explanation) {
  private static final int SIGKILL = 9;

  /** Such an oom_score_adj exempts from the kill of a whole cgroup too. */
  private static final int NEVER_KILLED = -1000;

  static Optional<KernelKill> in(Evidence evidence) {
    return evidence.cgroups().flatMap(record -> new Case(evidence, record).judge());
  }

  private record Case(Evidence evidence, CgroupRecord record) {
    private Optional<KernelKill> judge() {
      Optional<Leaf> leaf = record.leaf().filter(this::killedWithTheChild);
      if (leaf.isPresent()) {
        return Optional.of(inLeaf(leaf.get()));
      }
      boolean noLeaf = record.leaf().isEmpty();
      if (!sigkill() || (record.wouldTell() && !(noLeaf && record.killedInContainer()))) {
        return Optional.empty();
      }
      if (record.wouldTell()) {
        return Optional.of(inContainer());
      }
      Optional<Victim> itself = victim(Who.CHILD);
      if (itself.isPresent()) {
        return Optional.of(named(itself.get(), Confidence.CERTAIN));
      }
      return record.hostOomKills().orElse(0) > 0
          ? Optional.of(
              kill(
                  Cause.HOST,
                  Confidence.POSSIBLE,
                  "the machine killed a process for lack of memory about then, and it is not known"
                      + " which: no counter of a cgroup can be read here"
                      + unnamed()))
          : Optional.empty();
    }

    private boolean killedWithTheChild(Leaf leaf) {
      return record.killedInLeaf()
          && (!onlyBelow(leaf)
              || (sigkill()
                  && (leaf.oom().orElse(0) > 0
                      || victim(Who.CHILD).isPresent()
                      || namedForALimitAbove())));
    }

    /** The whole leaf was killed, and the child was not exempt from that. */
    private boolean tookTheChild(Leaf leaf) {
      return leaf.oom().isPresent()
          && leaf.killedAsAWhole()
          && !onlyBelow(leaf)
          && evidence.limits().oomScoreAdj() > NEVER_KILLED;
    }

    /** Whoever lived in the leaf itself can only have been killed for its limit, or one above. */
    private static boolean onlyBelow(Leaf leaf) {
      return leaf.oomKillsBelow().orElse(0) >= leaf.oomKills().orElse(1);
    }

    private boolean namedForALimitAbove() {
      return !silent()
          && victim(Who.IN_LEAF)
              .filter(one -> one.limit() == Limit.OTHER_CGROUP || one.limit() == Limit.HOST)
              .isPresent();
    }

    private KernelKill inLeaf(Leaf leaf) {
      boolean v2 = leaf.oom().isPresent();
      Optional<Victim> itself = victim(Who.CHILD).filter(one -> sigkill());
      if (itself.filter(Case::tellsTheLimit).isPresent()) {
        return named(itself.get(), Confidence.CERTAIN);
      }
      Confidence most =
          sigkill() && tookTheChild(leaf)
              ? Confidence.CERTAIN
              : unnamed().isEmpty() ? Confidence.PROBABLE : Confidence.POSSIBLE;
      if (v2 && leaf.oom().getAsLong() > 0) {
        return ownLimit(leaf, most);
      }
      // on v2 a limit in the leaf would be one below it: not the reason of a kill in the leaf
      // itself
      Optional<Victim> within =
          victim(Who.IN_LEAF).filter(one -> !v2 || one.limit() != Limit.OWN_CGROUP);
      if (within.filter(Case::tellsTheLimit).isPresent()) {
        return named(within.get(), most);
      }
      if (!v2 && leaf.limitReached().orElse(0) > 0) {
        boolean alone = record.outOfMemory().isEmpty();
        return ownLimit(leaf, alone ? most : Confidence.POSSIBLE);
      }
      return above(most);
    }

    private KernelKill ownLimit(Leaf leaf, Confidence confidence) {
      return kill(
          Cause.OWN_CGROUP,
          confidence,
          "its own cgroup "
              + leaf.path()
              + " reached its limit"
              + (leaf.limitBytes().isPresent()
                  ? " of " + MemorySize.format(leaf.limitBytes().getAsLong())
                  : "")
              + unnamed());
    }

    private KernelKill inContainer() {
      Optional<Victim> itself = victim(Who.CHILD);
      if (itself.isPresent()) {
        return named(itself.get(), Confidence.CERTAIN);
      }
      Confidence counted = record.shared() || silent() ? Confidence.POSSIBLE : Confidence.PROBABLE;
      Optional<Victim> beside = victim(Who.BESIDE);
      return beside.filter(Case::tellsTheLimit).isPresent()
          ? named(beside.get(), counted)
          : above(counted);
    }

    /**
     * The kernel's log names a victim that speaks for the child's own end. Where it does not say
     * whose limit was reached, the counters do.
     */
    private KernelKill named(Victim victim, Confidence confidence) {
      return switch (victim.limit()) {
        case OWN_CGROUP ->
            record
                .leaf()
                .map(leaf -> ownLimit(leaf, confidence))
                .orElseGet(() -> above(confidence));
        case OTHER_CGROUP ->
            kill(
                Cause.CONTAINER,
                confidence,
                "the kernel's log says that cgroup "
                    + victim.limitCgroup().orElse("")
                    + " around it reached its limit");
        case HOST ->
            kill(
                Cause.HOST, confidence, "the kernel's log says that the machine was out of memory");
        case UNKNOWN -> above(confidence);
      };
    }

    private static boolean tellsTheLimit(Victim victim) {
      return victim.limit() != Limit.UNKNOWN;
    }

    /** If others were killed, what is counted may be about them, and older than the child's end. */
    private Confidence sure(Container limit) {
      boolean alone =
          limit.oom().isPresent() && limit.othersKilled().orElse(1) == 0 && !record.shared();
      return alone ? Confidence.CERTAIN : Confidence.PROBABLE;
    }

    private static Confidence least(Confidence one, Confidence other) {
      return one.compareTo(other) > 0 ? one : other;
    }

    /** The limit was not its own: it was that of a cgroup above, or the machine's. */
    private KernelKill above(Confidence named) {
      Optional<Container> limit = record.outOfMemory();
      if (limit.isPresent()) {
        return kill(
            Cause.CONTAINER,
            least(named, sure(limit.get())),
            "cgroup " + limit.get().path() + " around it reached its limit" + doubts());
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
              + doubts());
    }

    private String doubts() {
      return (record.shared() ? "; another child was killed at the same time" : "") + unnamed();
    }

    /** If its leaf was killed as a whole, whoever of it was chosen, so was the child. */
    private String unnamed() {
      boolean wholeLeaf = record.leaf().filter(this::tookTheChild).isPresent();
      return sigkill() && silent() && !wholeLeaf ? "; the kernel's log does not name it" : "";
    }

    private Optional<Victim> victim(Who who) {
      return evidence.kernelLog().flatMap(log -> log.victim(who));
    }

    private boolean silent() {
      return evidence.kernelLog().filter(KernelLogRecord::silent).isPresent();
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
