package io.memguard.recover;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.memguard.launch.LaunchException;
import io.memguard.launch.LaunchStep;
import io.memguard.limits.MemoryLimits;
import io.memguard.limits.Protection;
import io.memguard.limits.ProtectionState;
import io.memguard.limits.Requirement;
import io.memguard.limits.ResourceLimit;
import io.memguard.limits.Rlimit;
import io.memguard.outcome.Cause;
import io.memguard.outcome.CgroupRecord;
import io.memguard.outcome.Confidence;
import io.memguard.outcome.Evidence;
import io.memguard.outcome.Outcome;
import io.memguard.outcome.Preemption;
import io.memguard.outcome.Signal;
import io.memguard.outcome.WaitStatus;
import io.memguard.recover.RetryPolicy.Attempt;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What is tried again, how often, and with how much memory: told with children that are played. */
@Tag("engine-independent")
final class RetryPolicyTest {
  private static final long MIB = 1 << 20;
  private static final MemoryLimits START = MemoryLimits.of(100 * MIB);
  private static final RetryPolicy POLICY = RetryPolicy.onOutOfMemory();
  private static final int ENOMEM = 12;
  private static final int ENOENT = 2;

  private final List<MemoryLimits> given = new ArrayList<>();

  @Test
  void aSuccessIsNotTriedAgain() throws Exception {
    Outcome outcome = POLICY.execute(START, plays(exit(0)));
    assertThat(outcome.isSuccess()).isTrue();
    assertThat(given).containsExactly(START);
    assertThat(outcome.earlierAttempts()).isEmpty();
  }

  @Test
  void eachAttemptAfterAMemoryFailureGetsTwiceAsMuch() throws Exception {
    Outcome outcome = POLICY.execute(START, plays(outOfMemory(), outOfMemory(), exit(0)));
    assertThat(outcome.isSuccess()).isTrue();
    assertThat(mebibytes()).containsExactly(100L, 200L, 400L);
    assertThat(outcome.earlierAttempts()).hasSize(2);
  }

  @Test
  void theBudgetCountsTheFirstAttempt() throws Exception {
    Outcome outcome = POLICY.execute(START, plays(outOfMemory(), outOfMemory(), outOfMemory()));
    assertThat(outcome).isInstanceOf(Outcome.OutOfMemory.class);
    assertThat(given).hasSize(3);
  }

  @Test
  void neverMeansOnce() throws Exception {
    RetryPolicy.never().execute(START, plays(outOfMemory()));
    assertThat(given).hasSize(1);
  }

  @Test
  void theFactorIsTheUsers() throws Exception {
    POLICY.growBy(1.5).execute(START, plays(outOfMemory(), outOfMemory(), exit(0)));
    assertThat(mebibytes()).containsExactly(100L, 150L, 225L);
  }

  @Test
  void aLargerSuggestionIsTakenAndASmallerIsNot() throws Exception {
    POLICY.execute(START, plays(outOfMemory(700 * MIB), outOfMemory(800 * MIB), exit(0)));
    assertThat(mebibytes()).containsExactly(100L, 700L, 1400L);
  }

  @Test
  void theCeilingIsTriedOnceAndNotPassed() throws Exception {
    Outcome outcome =
        POLICY
            .maxAttempts(9)
            .upTo("250MiB")
            .execute(START, plays(outOfMemory(), outOfMemory(900 * MIB), outOfMemory()));
    assertThat(outcome).isInstanceOf(Outcome.OutOfMemory.class);
    assertThat(mebibytes()).containsExactly(100L, 200L, 250L);
  }

  @Test
  void aChildThatHadMoreThanTheCeilingIsNotTriedAgain() throws Exception {
    POLICY.upTo("50MiB").execute(START, plays(outOfMemory()));
    assertThat(given).hasSize(1);
  }

  @Test
  void withoutALimitOfOursThereIsNothingToRaise() throws Exception {
    POLICY.execute(MemoryLimits.none(), plays(outOfMemory()));
    assertThat(given).hasSize(1);
  }

  @Test
  void aLimitThatWasNotInForceIsNotRaised() throws Exception {
    Map<Protection, ProtectionState> none =
        Map.of(Protection.RLIMIT_DATA, ProtectionState.inactive("played"));
    Outcome refused = outOfMemory(OptionalLong.empty(), evidence(new WaitStatus.Exit(1), none));
    POLICY.execute(START, plays(refused));
    assertThat(given).hasSize(1);
  }

  @ParameterizedTest
  @EnumSource(names = {"CONTAINER", "HOST", "PREEMPTED"})
  void forSomebodyElsesLimitTheSameIsTriedAgain(Cause cause) throws Exception {
    RetryPolicy policy = POLICY.upTo("100MiB");
    Outcome outcome =
        policy.execute(START, plays(outOfMemory(cause), outOfMemory(cause), outOfMemory(cause)));
    assertThat(outcome).isInstanceOf(Outcome.OutOfMemory.class);
    assertThat(given).containsExactly(START, START, START);
    given.clear();
    policy.execute(MemoryLimits.none(), plays(outOfMemory(cause), exit(0)));
    assertThat(given).hasSize(2);
  }

  @ParameterizedTest
  @EnumSource(names = {"ALLOCATION_DENIED", "LIMIT_TOO_LOW", "OWN_CGROUP"})
  void forALimitOfItsOwnMoreIsTried(Cause cause) throws Exception {
    POLICY.execute(START, plays(outOfMemory(cause), exit(0)));
    assertThat(mebibytes()).containsExactly(100L, 200L);
  }

  @Test
  void aHeapOfTheRuntimesOwnIsNoLargerWithMore() throws Exception {
    for (Map<String, String> tuning :
        List.of(Map.<String, String>of(), Map.of("MALLOC_ARENA_MAX", "2"))) {
      Outcome outcome = POLICY.execute(START, plays(heap(tuning), exit(0)));
      assertThat(outcome).isInstanceOf(Outcome.OutOfMemory.class);
    }
    assertThat(mebibytes()).containsExactly(100L, 100L);
  }

  @ParameterizedTest
  @ValueSource(strings = {"JAVA_TOOL_OPTIONS", "NODE_OPTIONS", "DOTNET_GCHeapHardLimit"})
  void unlessItWasToldOfTheLimit(String variable) throws Exception {
    POLICY.execute(START, plays(heap(Map.of(variable, "played")), exit(0)));
    assertThat(mebibytes()).containsExactly(100L, 200L);
  }

  @Test
  void whereOnlyTheCgroupLimitsThatGrowsAndMemoryHighAlong() throws Exception {
    MemoryLimits leaf =
        START
            .with(Protection.RLIMIT_DATA, Requirement.OFF)
            .with(Protection.CGROUP_LEAF, Requirement.REQUIRE)
            .withMemoryHigh(80 * MIB);
    CgroupRecord record =
        new CgroupRecord(
            Optional.of(
                new CgroupRecord.Leaf(
                    "/leaf",
                    OptionalLong.of(100 * MIB),
                    OptionalLong.of(1),
                    OptionalLong.of(9),
                    OptionalLong.of(1),
                    OptionalLong.of(0),
                    true)),
            List.of(),
            Optional.empty(),
            OptionalLong.empty(),
            false);
    Evidence evidence =
        evidence(new WaitStatus.Kill(Signal.KILL, false), Map.of(), Optional.of(record));
    POLICY.execute(
        leaf, plays(outOfMemory(Cause.OWN_CGROUP, OptionalLong.empty(), evidence), exit(0)));
    assertThat(given)
        .extracting(limits -> limits.memory().orElseThrow() / MIB)
        .containsExactly(100L, 200L);
    assertThat(given.get(1).memoryHigh()).hasValue(160 * MIB);
    assertThat(given.get(1).armed(Rlimit.DATA)).isFalse();
  }

  @Test
  void aTreeThatOutgrewItsLimitGetsMoreAndEachOfItKeepsItsShare() throws Exception {
    MemoryLimits pool = MemoryLimits.of("100MiB").withTreeMemory("400MiB");
    POLICY.execute(pool, plays(preempted(Preemption.Limit.TREE_MEMORY, 1200 * MIB), exit(0)));
    assertThat(mebibytes()).containsExactly(100L, 300L);
    assertThat(given.get(1).treeMemory()).hasValue(1200 * MIB);
  }

  @Test
  void aTreeWithoutAnyOtherLimitGetsMoreAndNoOther() throws Exception {
    MemoryLimits tree = MemoryLimits.none().withTreeMemory("400MiB");
    POLICY.execute(tree, plays(preempted(Preemption.Limit.TREE_MEMORY, 600 * MIB), exit(0)));
    assertThat(given).containsExactly(tree, MemoryLimits.none().withTreeMemory("800MiB"));
  }

  @Test
  void whoeverWasEndedForTheOthersGetsTheSameAgain() throws Exception {
    POLICY.execute(START, plays(preempted(Preemption.Limit.HEAD_ROOM, 0), exit(0)));
    assertThat(given).containsExactly(START, START);
  }

  private static Outcome preempted(Preemption.Limit limit, long suggested) {
    Preemption reading =
        new Preemption(
            limit, 400 * MIB, 500 * MIB, 501 * MIB, 501 * MIB, 5, Preemption.Source.SMAPS_ROLLUP);
    return new Outcome.OutOfMemory(
        Cause.PREEMPTED,
        Confidence.CERTAIN,
        OptionalLong.empty(),
        suggested == 0 ? OptionalLong.empty() : OptionalLong.of(suggested),
        false,
        "played",
        evidence(
            new WaitStatus.Kill(Signal.TERM, false),
            Map.of(Protection.TREE_WATCH, ProtectionState.active("played")),
            Optional.empty(),
            Optional.of(reading)));
  }

  @Test
  void growthStopsAtTheLargestNumber() throws Exception {
    POLICY.growBy(1e300).execute(START, plays(outOfMemory(), exit(0)));
    assertThat(given.get(1).rlimits().values().iterator().next().soft()).isEqualTo(Long.MAX_VALUE);
  }

  @Test
  void whereAddressSpaceIsLimitedThatGrows() throws Exception {
    MemoryLimits as = MemoryLimits.none().withRlimit(ResourceLimit.parse("as=1GiB"));
    POLICY.execute(as, plays(outOfMemory(), exit(0)));
    assertThat(given.get(1).rlimits().values()).containsExactly(ResourceLimit.parse("as=2GiB"));
  }

  @Test
  void otherFailuresAreNotTriedAgainUnlessAsked() throws Exception {
    for (Outcome failure : List.of(exit(1), killed(), timedOut(), cancelled())) {
      given.clear();
      POLICY.execute(START, plays(failure));
      assertThat(given).hasSize(1);
    }
  }

  @Test
  void whenAskedExitsAndSignalsAreTriedAgainWithTheSameMemory() throws Exception {
    Outcome outcome = POLICY.otherFailures(3).execute(START, plays(exit(1), killed(), exit(0)));
    assertThat(outcome.isSuccess()).isTrue();
    assertThat(mebibytes()).containsExactly(100L, 100L, 100L);
  }

  @Test
  void timeoutsAndCancellationsAreNeverTriedAgain() throws Exception {
    POLICY.otherFailures(9).execute(START, plays(timedOut()));
    POLICY.otherFailures(9).execute(START, plays(cancelled()));
    assertThat(given).hasSize(2);
  }

  @Test
  void eachKindOfFailureHasABudgetOfItsOwn() throws Exception {
    Outcome outcome =
        POLICY
            .maxAttempts(2)
            .otherFailures(2)
            .execute(START, plays(exit(1), outOfMemory(), exit(1)));
    assertThat(outcome).isInstanceOf(Outcome.Exited.class);
    assertThat(mebibytes()).containsExactly(100L, 100L, 200L);
    given.clear();
    outcome =
        POLICY
            .maxAttempts(2)
            .otherFailures(2)
            .execute(START, plays(outOfMemory(), exit(1), outOfMemory()));
    assertThat(outcome).isInstanceOf(Outcome.OutOfMemory.class);
  }

  @Test
  void launchesThatMaySucceedLaterAreTriedAgainWhenAsked() throws Exception {
    Outcome outcome =
        POLICY.otherFailures(3).execute(START, plays(launch(ENOMEM), launch(ENOMEM), exit(0)));
    assertThat(outcome.isSuccess()).isTrue();
  }

  @Test
  void launchesThatCannotSucceedAreNot() {
    LaunchException missing = launch(ENOENT);
    LaunchException thrown =
        catchThrowableOfType(
            LaunchException.class, () -> POLICY.otherFailures(9).execute(START, plays(missing)));
    assertThat(thrown).isSameAs(missing);
    assertThat(given).hasSize(1);
  }

  @Test
  void aLaunchFailureCarriesWhatFailedBefore() {
    LaunchException first = launch(ENOMEM);
    LaunchException last = launch(ENOMEM);
    LaunchException thrown =
        catchThrowableOfType(
            LaunchException.class,
            () -> POLICY.otherFailures(2).execute(START, plays(outOfMemory(), first, last)));
    assertThat(thrown).isSameAs(last);
    assertThat(thrown.getSuppressed()).hasSize(2).contains(first);
  }

  @Test
  void theExceptionCarriesEachEarlierAttemptOnce() throws Exception {
    Object[] all = new Object[12];
    Arrays.fill(all, outOfMemory());
    Outcome outcome = POLICY.maxAttempts(12).growBy(1.1).execute(START, plays(all));
    Throwable thrown = outcome.toException();
    assertThat(thrown.getSuppressed()).hasSize(11);
    assertThat(count(thrown)).isEqualTo(12);
  }

  private static int count(Throwable thrown) {
    return 1 + Arrays.stream(thrown.getSuppressed()).mapToInt(RetryPolicyTest::count).sum();
  }

  @Test
  void theListenerHearsOfEachAttemptInTurn() throws Exception {
    List<Attempt> heard = new ArrayList<>();
    Outcome last =
        POLICY.listener(heard::add).execute(START, plays(outOfMemory(), outOfMemory(), exit(2)));
    assertThat(heard).extracting(Attempt::number).containsExactly(1, 2, 3);
    assertThat(heard).extracting(Attempt::isLast).containsExactly(false, false, true);
    assertThat(heard)
        .extracting(attempt -> attempt.nextLimits().bytes().orElseThrow() / MIB)
        .containsExactly(200L, 400L, 400L);
    assertThat(heard.get(2).outcome().orElseThrow()).isSameAs(last);
  }

  @Test
  void theListenerHearsOfLaunchesThatFailed() throws Exception {
    List<Attempt> heard = new ArrayList<>();
    LaunchException first = launch(ENOMEM);
    RetryPolicy policy = POLICY.otherFailures(2).listener(heard::add);
    policy.execute(START, plays(first, outOfMemory(), exit(0)));
    assertThat(heard).extracting(Attempt::number).containsExactly(1, 2, 3);
    assertThat(heard).extracting(Attempt::isLast).containsExactly(false, false, true);
    assertThat(heard.get(0).outcome()).isEmpty();
    assertThat(heard.get(0).launchFailure().orElseThrow()).isSameAs(first);
    heard.clear();
    assertThatExceptionOfType(LaunchException.class)
        .isThrownBy(() -> policy.execute(START, plays(launch(ENOENT))));
    assertThat(heard).extracting(Attempt::isLast).containsExactly(true);
  }

  @Test
  void anExceptionOfTheListenersEndsTheRetrying() {
    IllegalStateException enough = new IllegalStateException("enough");
    IllegalStateException thrown =
        catchThrowableOfType(
            IllegalStateException.class,
            () ->
                POLICY
                    .listener(
                        attempt -> {
                          throw enough;
                        })
                    .execute(START, plays(outOfMemory())));
    assertThat(thrown).isSameAs(enough);
    assertThat(given).hasSize(1);
  }

  @Test
  void aPolicyIsNotChangedByWhatIsMadeOfIt() throws Exception {
    POLICY.maxAttempts(1);
    POLICY.growBy(10);
    POLICY.upTo(1);
    POLICY.execute(START, plays(outOfMemory(), exit(0)));
    assertThat(mebibytes()).containsExactly(100L, 200L);
  }

  @ParameterizedTest
  @ValueSource(ints = {0, -1, Integer.MIN_VALUE})
  void fewerThanOneAttemptIsRefused(int attempts) {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> POLICY.maxAttempts(attempts))
        .withMessage("maxAttempts " + attempts + " is out of range; allowed is 1 or more");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> POLICY.otherFailures(attempts))
        .withMessage("otherFailures " + attempts + " is out of range; allowed is 1 or more");
  }

  @ParameterizedTest
  @ValueSource(doubles = {0.99, 0, -2, Double.NaN, Double.POSITIVE_INFINITY})
  void aFactorThatDoesNotGrowIsRefused(double factor) {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> POLICY.growBy(factor))
        .withMessageContaining("growth factor " + factor)
        .withMessageContaining("1.0 or more");
  }

  @Test
  void aCeilingThatIsNoAmountIsRefused() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> POLICY.upTo("12XB"))
        .withMessageContaining("\"12XB\"");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> POLICY.upTo(0))
        .withMessageContaining("the ceiling 0 is not positive");
    assertThatNullPointerException().isThrownBy(() -> POLICY.upTo(null));
    assertThatNullPointerException()
        .isThrownBy(() -> POLICY.listener(null))
        .withMessage("listener");
  }

  /** A runner that plays outcomes and launch failures in turn, and fails when there are no more. */
  private RetryPolicy.Runner plays(Object... results) {
    List<Object> left = new ArrayList<>(List.of(results));
    return limits -> {
      given.add(limits);
      assertThat(left).as("an attempt too many").isNotEmpty();
      Object next = left.remove(0);
      if (next instanceof LaunchException e) {
        throw e;
      }
      return (Outcome) next;
    };
  }

  private List<Long> mebibytes() {
    return given.stream().map(limits -> limits.bytes().orElseThrow() / MIB).toList();
  }

  private static LaunchException launch(int errno) {
    return new LaunchException(LaunchStep.CLONE, errno, "no room", "Wait.");
  }

  private static Outcome exit(int code) {
    return new Outcome.Exited(code, evidence(new WaitStatus.Exit(code)));
  }

  private static Outcome killed() {
    return new Outcome.Signalled(Signal.KILL, evidence(new WaitStatus.Kill(Signal.KILL, false)));
  }

  private static Outcome timedOut() {
    return new Outcome.TimedOut(Duration.ofSeconds(1), evidence(new WaitStatus.Exit(1)));
  }

  private static Outcome cancelled() {
    return new Outcome.Cancelled(evidence(new WaitStatus.Exit(1)));
  }

  private static Outcome heap(Map<String, String> tuning) {
    Map<Protection, ProtectionState> inForce =
        Map.of(Protection.RLIMIT_DATA, ProtectionState.active("played"));
    Evidence evidence =
        evidence(new WaitStatus.Exit(3), inForce, Optional.empty(), Optional.empty(), tuning);
    return outOfMemory(Cause.RUNTIME_HEAP, OptionalLong.empty(), evidence);
  }

  private static Outcome outOfMemory() {
    return outOfMemory(OptionalLong.empty());
  }

  private static Outcome outOfMemory(long suggested) {
    return outOfMemory(OptionalLong.of(suggested));
  }

  private static Outcome outOfMemory(OptionalLong suggested) {
    return outOfMemory(suggested, evidence(new WaitStatus.Exit(1)));
  }

  private static Outcome outOfMemory(Cause cause) {
    return outOfMemory(cause, OptionalLong.empty(), evidence(new WaitStatus.Exit(1)));
  }

  private static Outcome outOfMemory(OptionalLong suggested, Evidence evidence) {
    return outOfMemory(Cause.ALLOCATION_DENIED, suggested, evidence);
  }

  private static Outcome outOfMemory(Cause cause, OptionalLong suggested, Evidence evidence) {
    return new Outcome.OutOfMemory(
        cause, Confidence.CERTAIN, OptionalLong.empty(), suggested, false, "played", evidence);
  }

  private static Evidence evidence(WaitStatus status) {
    return evidence(status, Map.of(Protection.RLIMIT_DATA, ProtectionState.active("played")));
  }

  private static Evidence evidence(WaitStatus status, Map<Protection, ProtectionState> inForce) {
    return evidence(status, inForce, Optional.empty());
  }

  private static Evidence evidence(
      WaitStatus status, Map<Protection, ProtectionState> inForce, Optional<CgroupRecord> cgroups) {
    return evidence(status, inForce, cgroups, Optional.empty());
  }

  private static Evidence evidence(
      WaitStatus status,
      Map<Protection, ProtectionState> inForce,
      Optional<CgroupRecord> cgroups,
      Optional<Preemption> preemption) {
    return evidence(status, inForce, cgroups, preemption, Map.of());
  }

  private static Evidence evidence(
      WaitStatus status,
      Map<Protection, ProtectionState> inForce,
      Optional<CgroupRecord> cgroups,
      Optional<Preemption> preemption,
      Map<String, String> tuning) {
    return new Evidence(
        1,
        "true",
        Optional.empty(),
        status,
        preemption.isPresent() ? Evidence.Ending.PREEMPT : Evidence.Ending.ITS_OWN,
        Optional.empty(),
        Duration.ZERO,
        START,
        inForce,
        Optional.empty(),
        Optional.empty(),
        Optional.empty(),
        cgroups,
        Optional.empty(),
        preemption,
        "",
        "",
        Set.of(),
        tuning,
        List.of());
  }
}
