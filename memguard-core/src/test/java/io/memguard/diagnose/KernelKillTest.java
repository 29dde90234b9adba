package io.memguard.diagnose;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.limits.MemoryLimits;
import io.memguard.outcome.Cause;
import io.memguard.outcome.CgroupRecord;
import io.memguard.outcome.CgroupRecord.Container;
import io.memguard.outcome.CgroupRecord.Leaf;
import io.memguard.outcome.Confidence;
import io.memguard.outcome.Evidence.Ending;
import io.memguard.outcome.KernelLogRecord;
import io.memguard.outcome.KernelLogRecord.Limit;
import io.memguard.outcome.KernelLogRecord.Victim;
import io.memguard.outcome.KernelLogRecord.Who;
import io.memguard.outcome.Outcome;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Whose limit it was, from counters put together for each rule. */
@Tag("engine-independent")
final class KernelKillTest {
  private static final OptionalLong UNKNOWN = OptionalLong.empty();
  private static final Optional<Leaf> OUT_OF_MEMORY = leaf(1, 1);
  private static final Optional<Leaf> KILLED_FROM_ABOVE = leaf(0, 1);
  private static final Optional<Leaf> QUIET = leaf(0, 0);
  private static final Container POD_AT_ITS_LIMIT = container("/pod", 1, 0);
  private static final Container POD_QUIET = container("/pod", 0, 0);

  @Test
  void itsOwnLimitIsCertain() {
    Outcome.OutOfMemory outcome = memory(record(OUT_OF_MEMORY, POD_QUIET));
    assertVerdict(outcome, Cause.OWN_CGROUP, Confidence.CERTAIN);
    assertThat(outcome.explanation())
        .isEqualTo("It was killed, and its own cgroup /pod/leaf reached its limit of 64MiB.");
    assertThat(outcome.limitBytes()).hasValue(64L << 20);
    assertThat(outcome.suggestedLimitBytes()).hasValue(96L << 20);
  }

  @Test
  void itsOwnLimitStaysCertainWhateverHappensToOthers() {
    CgroupRecord busy =
        new CgroupRecord(
            OUT_OF_MEMORY, List.of(POD_AT_ITS_LIMIT), Optional.of("hidden"), UNKNOWN, true);
    assertVerdict(memory(busy), Cause.OWN_CGROUP, Confidence.CERTAIN);
  }

  @Test
  void aKillFromAboveNamesTheCgroupWhoseLimitItWas() {
    Outcome.OutOfMemory outcome = memory(record(KILLED_FROM_ABOVE, POD_QUIET, POD_AT_ITS_LIMIT));
    assertVerdict(outcome, Cause.CONTAINER, Confidence.CERTAIN);
    assertThat(outcome.explanation()).contains("cgroup /pod around it reached its limit");
  }

  /** The neighbour's end may have been the container's, and the child's the machine's. */
  @Test
  void aKillFromAboveIsOnlyProbablyThatCgroupsWhereOthersWereKilledOrMayHaveBeen() {
    for (OptionalLong others : List.of(OptionalLong.of(1), UNKNOWN)) {
      Container pod = container("/pod", 1, 0, others);
      assertVerdict(memory(record(KILLED_FROM_ABOVE, pod)), Cause.CONTAINER, Confidence.PROBABLE);
      assertVerdict(
          memory(record(KILLED_FROM_ABOVE, pod), named(Who.CHILD, Limit.UNKNOWN)),
          Cause.CONTAINER,
          Confidence.PROBABLE);
      assertVerdict(
          memory(record(KILLED_FROM_ABOVE, pod), named(Who.CHILD, Limit.OTHER_CGROUP)),
          Cause.CONTAINER,
          Confidence.CERTAIN);
      assertVerdict(
          memory(
              record(Optional.empty(), container("/pod", 1, 1, others)),
              named(Who.CHILD, Limit.UNKNOWN)),
          Cause.CONTAINER,
          Confidence.PROBABLE);
    }
  }

  @Test
  void anAncestorsLimitIsOnlyProbableWhenAnotherChildWasKilledToo() {
    CgroupRecord shared =
        new CgroupRecord(
            KILLED_FROM_ABOVE, List.of(POD_AT_ITS_LIMIT), Optional.empty(), UNKNOWN, true);
    assertVerdict(memory(shared), Cause.CONTAINER, Confidence.PROBABLE);
  }

  @Test
  void aKillFromAHiddenPlaceIsPossiblyTheContainers() {
    CgroupRecord hidden =
        new CgroupRecord(
            KILLED_FROM_ABOVE, List.of(POD_QUIET), Optional.of("a namespace"), UNKNOWN, false);
    assertVerdict(memory(hidden), Cause.CONTAINER, Confidence.POSSIBLE);
  }

  @Test
  void aKillFromAboveWithAllInSightIsTheMachines() {
    assertVerdict(memory(record(KILLED_FROM_ABOVE, POD_QUIET)), Cause.HOST, Confidence.PROBABLE);
  }

  @Test
  void aQuietLeafClearsTheKernelWhateverHappensToOthers() {
    CgroupRecord others =
        new CgroupRecord(
            QUIET,
            List.of(container("/pod", 3, 3)),
            Optional.of("hidden"),
            OptionalLong.of(7),
            true);
    assertThat(Played.killed(9).counted(others).diagnosed()).isInstanceOf(Outcome.Signalled.class);
  }

  @Test
  void withoutALeafTheContainersLimitIsProbable() {
    CgroupRecord one = record(Optional.empty(), container("/", 1, 1));
    assertVerdict(memory(one), Cause.CONTAINER, Confidence.PROBABLE);
  }

  @Test
  void withoutALeafAndWithAnotherKillAtTheSameTimeItIsPossible() {
    CgroupRecord shared =
        new CgroupRecord(
            Optional.empty(),
            List.of(container("/", 1, 1)),
            Optional.empty(),
            OptionalLong.of(1),
            true);
    assertVerdict(memory(shared), Cause.CONTAINER, Confidence.POSSIBLE);
  }

  @Test
  void withoutALeafAKillWithNoLimitReachedIsTheMachines() {
    assertVerdict(
        memory(record(Optional.empty(), container("/", 0, 1))), Cause.HOST, Confidence.PROBABLE);
  }

  @Test
  void withoutALeafAKillOfAnotherLevelsOwnIsNotOurs() {
    CgroupRecord above =
        record(
            Optional.empty(),
            container("/pod/app", 0, 0),
            new Container("/pod", OptionalLong.of(1), UNKNOWN, UNKNOWN, UNKNOWN));
    assertThat(Played.killed(9).counted(above).diagnosed()).isInstanceOf(Outcome.Signalled.class);
  }

  @Test
  void theMachinesCounterAloneIsPossible() {
    CgroupRecord host =
        new CgroupRecord(
            Optional.empty(), List.of(), Optional.of("not mounted"), OptionalLong.of(1), false);
    assertVerdict(memory(host), Cause.HOST, Confidence.POSSIBLE);
  }

  @Test
  void theMachinesCounterDoesNotCountWhereTheCgroupsIsQuiet() {
    CgroupRecord host =
        new CgroupRecord(
            Optional.empty(),
            List.of(container("/app", 0, 0)),
            Optional.empty(),
            OptionalLong.of(5),
            false);
    Outcome outcome = Played.killed(9).counted(host).diagnosed();
    assertThat(outcome).isInstanceOf(Outcome.Signalled.class);
    assertThat(outcome.explanation()).contains("counters of /app");
  }

  @Test
  void withoutALeafOnlyAKillIsAskedAbout() {
    CgroupRecord busy = record(Optional.empty(), container("/", 1, 1));
    assertThat(Played.killed(11).counted(busy).diagnosed()).isInstanceOf(Outcome.Signalled.class);
    assertThat(Played.exit(137).counted(busy).diagnosed()).isInstanceOf(Outcome.Exited.class);
  }

  @Test
  void aShellWhoseChildWasKilledInTheLeafProbablyEndedBecauseOfIt() {
    assertVerdict(
        (Outcome.OutOfMemory) Played.exit(137).counted(record(OUT_OF_MEMORY)).diagnosed(),
        Cause.OWN_CGROUP,
        Confidence.PROBABLE);
  }

  @Test
  void cgroupV1KnowsOnlyThatTheLimitWasReached() {
    Optional<Leaf> v1 = Optional.of(onV1(9));
    assertVerdict(memory(record(v1)), Cause.OWN_CGROUP, Confidence.PROBABLE);
    Container above = new Container("/", UNKNOWN, OptionalLong.of(4), UNKNOWN, UNKNOWN);
    assertVerdict(memory(record(v1, above)), Cause.OWN_CGROUP, Confidence.POSSIBLE);
  }

  @Test
  void theLogNamesTheChildAndTheLimit() {
    Outcome.OutOfMemory outcome = memory(twoAtOnce(), named(Who.CHILD, Limit.OTHER_CGROUP));
    assertVerdict(outcome, Cause.CONTAINER, Confidence.CERTAIN);
    assertThat(outcome.explanation())
        .isEqualTo(
            "It was killed, and the kernel's log says that cgroup /kubepods/pod around it reached"
                + " its limit.");
    assertVerdict(
        memory(twoAtOnce(), named(Who.CHILD, Limit.HOST)), Cause.HOST, Confidence.CERTAIN);
  }

  @Test
  void whereTheLogNamesTheChildAloneTheCountersSayWhoseLimitItWas() {
    CgroupRecord alone = record(Optional.empty(), container("/pod", 1, 1));
    assertVerdict(
        memory(alone, named(Who.CHILD, Limit.UNKNOWN)), Cause.CONTAINER, Confidence.CERTAIN);
    assertVerdict(
        memory(twoAtOnce(), named(Who.CHILD, Limit.UNKNOWN)), Cause.CONTAINER, Confidence.PROBABLE);
    CgroupRecord v1 =
        record(
            Optional.empty(),
            new Container("/pod", UNKNOWN, OptionalLong.of(4), OptionalLong.of(1), UNKNOWN));
    assertVerdict(
        memory(v1, named(Who.CHILD, Limit.UNKNOWN)), Cause.CONTAINER, Confidence.PROBABLE);
  }

  @Test
  void aNeighbourInTheLogSaysWhoseLimitButNotWhoseEnd() {
    CgroupRecord hidden =
        new CgroupRecord(
            Optional.empty(),
            List.of(container("/app", 0, 1)),
            Optional.of("a namespace"),
            UNKNOWN,
            false);
    assertVerdict(memory(hidden, named(Who.BESIDE, Limit.HOST)), Cause.HOST, Confidence.PROBABLE);
    assertVerdict(
        memory(twoAtOnce(), named(Who.BESIDE, Limit.HOST)), Cause.HOST, Confidence.POSSIBLE);
  }

  @Test
  void aLogThatWouldNameTheChildAndDoesNotLeavesItPossible() {
    CgroupRecord alone = record(Optional.empty(), container("/pod", 1, 1));
    Outcome.OutOfMemory outcome = memory(alone, new KernelLogRecord(Optional.empty(), true));
    assertVerdict(outcome, Cause.CONTAINER, Confidence.POSSIBLE);
    assertThat(outcome.explanation()).contains("the kernel's log does not name it");
    assertVerdict(
        memory(alone, new KernelLogRecord(Optional.empty(), false)),
        Cause.CONTAINER,
        Confidence.PROBABLE);
  }

  @Test
  void anAncestorsLimitInTheLogIsCertainThoughAnotherChildWasKilledToo() {
    CgroupRecord shared =
        new CgroupRecord(
            KILLED_FROM_ABOVE, List.of(POD_AT_ITS_LIMIT), Optional.empty(), UNKNOWN, true);
    for (Who who : List.of(Who.CHILD, Who.IN_LEAF)) {
      assertVerdict(
          memory(shared, named(who, Limit.OTHER_CGROUP)), Cause.CONTAINER, Confidence.CERTAIN);
    }
    assertVerdict(
        memory(shared, named(Who.IN_LEAF, Limit.UNKNOWN)), Cause.CONTAINER, Confidence.PROBABLE);
  }

  @Test
  void onCgroupV1TheLogTellsTheLeafsLimitFromTheOneAbove() {
    Optional<Leaf> leaf = Optional.of(onV1(9));
    CgroupRecord v1 =
        record(leaf, new Container("/", UNKNOWN, OptionalLong.of(4), UNKNOWN, UNKNOWN));
    assertVerdict(
        memory(v1, named(Who.CHILD, Limit.OWN_CGROUP)), Cause.OWN_CGROUP, Confidence.CERTAIN);
    assertVerdict(
        memory(v1, named(Who.CHILD, Limit.OTHER_CGROUP)), Cause.CONTAINER, Confidence.CERTAIN);
    assertVerdict(
        memory(v1, inContainer(Who.IN_LEAF, Limit.OTHER_CGROUP)),
        Cause.CONTAINER,
        Confidence.PROBABLE);
  }

  /** Its grandchild was killed, it lived on, and a stranger killed it. */
  @Test
  void onCgroupV1AKillInTheLeafIsOnlyPossiblyTheChildsWhereTheLogWouldNameIt() {
    Optional<Leaf> leaf = Optional.of(onV1(9));
    KernelLogRecord silent = new KernelLogRecord(Optional.empty(), true);
    Outcome.OutOfMemory own = memory(record(leaf), silent);
    assertVerdict(own, Cause.OWN_CGROUP, Confidence.POSSIBLE);
    assertThat(own.explanation()).contains("the kernel's log does not name it");
    for (Limit limit : List.of(Limit.OWN_CGROUP, Limit.OTHER_CGROUP, Limit.UNKNOWN)) {
      assertThat(memory(record(leaf), named(Who.IN_LEAF, limit)).confidence())
          .isEqualTo(Confidence.POSSIBLE);
    }
    Optional<Leaf> roomy = Optional.of(onV1(0));
    assertVerdict(memory(record(roomy), silent), Cause.HOST, Confidence.POSSIBLE);
    assertVerdict(
        (Outcome.OutOfMemory)
            Played.exit(137)
                .counted(record(leaf))
                .logged(named(Who.IN_LEAF, Limit.OWN_CGROUP))
                .diagnosed(),
        Cause.OWN_CGROUP,
        Confidence.PROBABLE);
  }

  @Test
  void whereNoCounterCanBeReadTheLogAloneIsEnough() {
    CgroupRecord blind =
        new CgroupRecord(Optional.empty(), List.of(), Optional.of("not mounted"), UNKNOWN, false);
    assertVerdict(
        memory(blind, named(Who.CHILD, Limit.OTHER_CGROUP)), Cause.CONTAINER, Confidence.CERTAIN);
    assertThat(
            Played.killed(9)
                .counted(blind)
                .logged(named(Who.BESIDE, Limit.OTHER_CGROUP))
                .diagnosed())
        .isInstanceOf(Outcome.Signalled.class);
  }

  /** The pid may have been another process's before. */
  @Test
  void theLogDoesNotCountWhereTheCountersAreQuiet() {
    for (CgroupRecord quiet : List.of(record(QUIET), record(Optional.empty(), POD_QUIET))) {
      assertThat(
              Played.killed(9)
                  .counted(quiet)
                  .logged(named(Who.CHILD, Limit.OTHER_CGROUP))
                  .diagnosed())
          .isInstanceOf(Outcome.Signalled.class);
    }
  }

  @Test
  void aShellWhoseChildIsInTheLogProbablyEndedBecauseOfIt() {
    assertVerdict(
        (Outcome.OutOfMemory)
            Played.exit(137)
                .counted(record(KILLED_FROM_ABOVE))
                .logged(named(Who.IN_LEAF, Limit.OTHER_CGROUP))
                .diagnosed(),
        Cause.CONTAINER,
        Confidence.PROBABLE);
  }

  /** As a guarded JVM that made room for leaves of its own: it is below its leaf with them. */
  @Test
  void whoMovedBelowTheLeafIsKilledWithIt() {
    CgroupRecord own = record(leaf(1, 1, 1), POD_QUIET);
    assertVerdict(memory(own), Cause.OWN_CGROUP, Confidence.PROBABLE);
    assertVerdict(
        memory(own, named(Who.CHILD, Limit.OWN_CGROUP)), Cause.OWN_CGROUP, Confidence.CERTAIN);
    assertVerdict(
        memory(own, new KernelLogRecord(Optional.empty(), true)),
        Cause.OWN_CGROUP,
        Confidence.POSSIBLE);
    CgroupRecord above = record(leaf(0, 1, 1), POD_AT_ITS_LIMIT);
    assertVerdict(
        memory(above, named(Who.CHILD, Limit.OTHER_CGROUP)), Cause.CONTAINER, Confidence.CERTAIN);
    assertVerdict(
        memory(above, inContainer(Who.IN_LEAF, Limit.OTHER_CGROUP)),
        Cause.CONTAINER,
        Confidence.PROBABLE);
  }

  @Test
  void aKillForALimitBelowTheLeafIsNotTheChilds() {
    Played stranger = Played.killed(9).counted(record(leaf(0, 2, 2), POD_AT_ITS_LIMIT));
    for (Played played :
        List.of(
            stranger,
            stranger.logged(inContainer(Who.IN_LEAF, Limit.OWN_CGROUP)),
            stranger.logged(named(Who.IN_LEAF, Limit.OTHER_CGROUP)))) {
      assertThat(played.diagnosed()).isInstanceOf(Outcome.Signalled.class);
    }
    assertThat(Played.exit(1).counted(record(leaf(1, 1, 1))).diagnosed())
        .isInstanceOf(Outcome.Exited.class);
  }

  @Test
  void aLimitBelowTheLeafIsNotTheReasonOfAKillInIt() {
    assertVerdict(
        memory(record(leaf(0, 2, 1), POD_AT_ITS_LIMIT), inContainer(Who.IN_LEAF, Limit.OWN_CGROUP)),
        Cause.CONTAINER,
        Confidence.CERTAIN);
  }

  @Test
  void whoWasRefusedBeforeIsKilledAllTheSame() {
    Outcome outcome =
        Played.killed(9)
            .under("data=64MiB")
            .watched(1, 5)
            .counted(record(OUT_OF_MEMORY))
            .diagnosed();
    assertVerdict(outcome, Cause.OWN_CGROUP, Confidence.CERTAIN);
  }

  @Test
  void aRefusalExplainsTheStatusOfOneThatWaitedForAKilledOne() {
    Outcome outcome =
        Played.exit(1).under("data=64MiB").watched(1, 5).counted(record(OUT_OF_MEMORY)).diagnosed();
    assertVerdict(outcome, Cause.ALLOCATION_DENIED, Confidence.CERTAIN);
  }

  @Test
  void whereTheLeafWasNotKilledAsAWholeItMayHaveBeenADescendant() {
    Played killed = Played.killed(9).counted(record(apart(leaf(1, 1))));
    assertVerdict(killed.diagnosed(), Cause.OWN_CGROUP, Confidence.PROBABLE);
    assertVerdict(
        killed.logged(new KernelLogRecord(Optional.empty(), true)).diagnosed(),
        Cause.OWN_CGROUP,
        Confidence.POSSIBLE);
    assertVerdict(
        killed.logged(named(Who.CHILD, Limit.OWN_CGROUP)).diagnosed(),
        Cause.OWN_CGROUP,
        Confidence.CERTAIN);
    assertVerdict(
        Played.killed(9).counted(record(apart(leaf(0, 1)), container("/pod", 1, 1))).diagnosed(),
        Cause.CONTAINER,
        Confidence.PROBABLE);
  }

  @Test
  void whoIsExemptIsNotKilledWithItsLeaf() {
    assertVerdict(
        Played.killed(9)
            .counted(record(OUT_OF_MEMORY))
            .diagnosed(MemoryLimits.none().withOomScoreAdj(-1000)),
        Cause.OWN_CGROUP,
        Confidence.PROBABLE);
  }

  private static Optional<Leaf> apart(Optional<Leaf> leaf) {
    return leaf.map(
        one ->
            new Leaf(
                one.path(),
                one.limitBytes(),
                one.oom(),
                one.limitReached(),
                one.oomKills(),
                one.oomKillsBelow(),
                false));
  }

  @Test
  void whatMemguardEndedAndWhatSucceededAreNotAskedAbout() {
    Played killed = Played.killed(9).counted(record(OUT_OF_MEMORY));
    assertThat(killed.endedBy(Ending.CANCEL).diagnosed()).isInstanceOf(Outcome.Cancelled.class);
    assertThat(Played.exit(0).counted(record(OUT_OF_MEMORY)).diagnosed())
        .isInstanceOf(Outcome.Exited.class);
  }

  private static Optional<Leaf> leaf(long oom, long kills) {
    return leaf(oom, kills, 0);
  }

  private static Optional<Leaf> leaf(long oom, long kills, long below) {
    return Optional.of(
        new Leaf(
            "/pod/leaf",
            OptionalLong.of(64L << 20),
            OptionalLong.of(oom),
            OptionalLong.of(oom),
            OptionalLong.of(kills),
            OptionalLong.of(below),
            true));
  }

  private static Leaf onV1(long failures) {
    return new Leaf(
        "/leaf", UNKNOWN, UNKNOWN, OptionalLong.of(failures), OptionalLong.of(1), UNKNOWN, false);
  }

  /** If the child was killed, so were all others that the cgroup counts. */
  private static Container container(String path, long oom, long kills) {
    return container(path, oom, kills, OptionalLong.of(Math.max(0, kills - 1)));
  }

  private static Container container(String path, long oom, long kills, OptionalLong others) {
    return new Container(
        path, OptionalLong.of(oom), OptionalLong.of(oom), OptionalLong.of(kills), others);
  }

  private static CgroupRecord record(Optional<Leaf> leaf, Container... containers) {
    return new CgroupRecord(leaf, List.of(containers), Optional.empty(), UNKNOWN, false);
  }

  /** Two children without leaves, killed at the same time. */
  private static CgroupRecord twoAtOnce() {
    return new CgroupRecord(
        Optional.empty(), List.of(container("/pod", 2, 2)), Optional.empty(), UNKNOWN, true);
  }

  private static KernelLogRecord named(Who who, Limit limit) {
    boolean cgroup = limit == Limit.OWN_CGROUP || limit == Limit.OTHER_CGROUP;
    Optional<String> path = cgroup ? Optional.of("/kubepods/pod") : Optional.empty();
    return new KernelLogRecord(
        Optional.of(new Victim(7, "perl", who, limit, path)), who != Who.BESIDE);
  }

  /** As {@link #named}, but the child's pid is not the one that the log uses. */
  private static KernelLogRecord inContainer(Who who, Limit limit) {
    return new KernelLogRecord(named(who, limit).victim(), false);
  }

  private static Outcome.OutOfMemory memory(CgroupRecord record) {
    return memory(Played.killed(9).counted(record));
  }

  private static Outcome.OutOfMemory memory(CgroupRecord record, KernelLogRecord log) {
    return memory(Played.killed(9).counted(record).logged(log));
  }

  private static Outcome.OutOfMemory memory(Played played) {
    Outcome outcome = played.diagnosed();
    assertThat(outcome).isInstanceOf(Outcome.OutOfMemory.class);
    return (Outcome.OutOfMemory) outcome;
  }

  private static void assertVerdict(Outcome outcome, Cause cause, Confidence confidence) {
    assertVerdict((Outcome.OutOfMemory) outcome, cause, confidence);
  }

  private static void assertVerdict(
      Outcome.OutOfMemory outcome, Cause cause, Confidence confidence) {
    assertThat(outcome.cause()).isEqualTo(cause);
    assertThat(outcome.confidence()).isEqualTo(confidence);
  }
}
