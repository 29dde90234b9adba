package io.memguard.limits;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import java.util.EnumSet;
import java.util.HashMap;
import java.util.Map;
import java.util.OptionalInt;
import java.util.OptionalLong;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a child may use, as a value. */
@Tag("engine-independent")
final class MemoryLimitsTest {
  private static final long MIB = 1 << 20;

  @Test
  void anAmountLimitsDataSoftAndHard() {
    assertThat(MemoryLimits.of("512MiB").rlimits())
        .containsExactly(
            Map.entry(Rlimit.DATA, new ResourceLimit(Rlimit.DATA, 512 * MIB, 512 * MIB)));
    assertThat(MemoryLimits.of("512MiB").bytes()).hasValue(512 * MIB);
    assertThat(MemoryLimits.of(512 * MIB)).isEqualTo(MemoryLimits.of("512MiB"));
  }

  @Test
  void noneLimitsNothingAndStillLetsTheKernelTakeTheChildFirst() {
    assertThat(MemoryLimits.none().rlimits()).isEmpty();
    assertThat(MemoryLimits.none().bytes()).isEmpty();
    assertThat(MemoryLimits.none().oomScoreAdj()).isEqualTo(1000);
  }

  @Test
  void whatIsGoodForEveryChildIsPreferredUnlessItIsSaid() {
    EnumSet<Protection> forSome = EnumSet.of(Protection.CGROUP_LEAF, Protection.WORKERS_FIRST);
    assertThat(EnumSet.complementOf(forSome))
        .allSatisfy(
            protection ->
                assertThat(MemoryLimits.of(MIB).requirement(protection))
                    .isEqualTo(Requirement.PREFER));
    assertThat(forSome)
        .allSatisfy(
            protection ->
                assertThat(MemoryLimits.of(MIB).requirement(protection))
                    .isEqualTo(Requirement.OFF));
    assertThat(
            MemoryLimits.none()
                .with(Protection.WITNESS, Requirement.REQUIRE)
                .requirement(Protection.WITNESS))
        .isEqualTo(Requirement.REQUIRE);
  }

  @Test
  void whatIsSwitchedOffIsNotArmedAndDoesNotCount() {
    MemoryLimits off = MemoryLimits.of("1GiB").with(Protection.RLIMIT_DATA, Requirement.OFF);
    assertThat(off.armed(Rlimit.DATA)).isFalse();
    assertThat(off.bytes()).isEmpty();
    MemoryLimits both = MemoryLimits.of("1GiB").withRlimit(ResourceLimit.parse("as=2GiB"));
    assertThat(both.bytes()).hasValue(1024 * MIB);
    assertThat(both.with(Protection.RLIMIT_DATA, Requirement.OFF).bytes()).hasValue(2048 * MIB);
  }

  @Test
  void theSmallestSoftLimitIsTheOneThatRefuses() {
    assertThat(MemoryLimits.none().withRlimit(ResourceLimit.parse("data=5MiB:9MiB")).bytes())
        .hasValue(5 * MIB);
    assertThat(MemoryLimits.none().withRlimit(ResourceLimit.parse("data=unlimited")).bytes())
        .isEmpty();
  }

  @Test
  void moreMemoryReplacesTheLimitThatIsThereAndKeepsTheRest() {
    MemoryLimits before =
        MemoryLimits.of("1GiB")
            .withRlimit(ResourceLimit.parse("core=0"))
            .with(Protection.WITNESS, Requirement.OFF)
            .withOomScoreAdj(7);
    MemoryLimits after = before.withMemory(2048 * MIB);
    assertThat(after.bytes()).hasValue(2048 * MIB);
    assertThat(after.rlimits()).containsKey(Rlimit.CORE);
    assertThat(after.requirement(Protection.WITNESS)).isEqualTo(Requirement.OFF);
    assertThat(after.oomScoreAdj()).isEqualTo(7);
    assertThat(before.bytes()).hasValue(1024 * MIB);
  }

  @Test
  void anAmountOfMemoryIsForEachProcessAndForAllOfThem() {
    assertThat(MemoryLimits.of("1GiB").treeMemory()).hasValue(1024 * MIB);
    assertThat(MemoryLimits.of("1GiB").withMemory(5).treeMemory()).hasValue(5);
    assertThat(MemoryLimits.none().withRlimit(ResourceLimit.parse("data=1GiB")).treeMemory())
        .isEmpty();
    assertThat(
            MemoryLimits.none()
                .withRlimit(ResourceLimit.parse("data=1GiB"))
                .withMemory(5)
                .treeMemory())
        .isEmpty();
  }

  @Test
  void aTreeMayHaveALimitOfItsOwn() {
    MemoryLimits pool = MemoryLimits.of("100MiB").withTreeMemory("400MiB");
    assertThat(pool.memory()).hasValue(100 * MIB);
    assertThat(pool.treeMemory()).hasValue(400 * MIB);
    assertThat(pool.withMemory(200 * MIB))
        .isEqualTo(MemoryLimits.of("200MiB").withTreeMemory("800MiB"));
    MemoryLimits alone = MemoryLimits.none().withTreeMemory("400MiB");
    assertThat(alone.rlimits()).isEmpty();
    assertThat(alone.memory()).hasValue(400 * MIB);
    assertThat(alone.withMemory(5)).isEqualTo(MemoryLimits.none().withTreeMemory(5));
  }

  /** So that an allocation is refused, where that is possible, before anybody is ended. */
  @Test
  void aTreeIsEndedALittleAboveItsLimit() {
    assertThat(MemoryLimits.of("100MiB").treeMemoryMax()).hasValue(132 * MIB);
    assertThat(MemoryLimits.of("1GiB").treeMemoryMax()).hasValue(1280 * MIB);
    assertThat(MemoryLimits.none().withTreeMemory("1GiB").treeMemoryMax()).hasValue(1024 * MIB);
    assertThat(MemoryLimits.none().withTreeMemory(1).treeMemoryMax()).hasValue(64 << 10);
    assertThat(MemoryLimits.of(Long.MAX_VALUE).treeMemoryMax().getAsLong())
        .isGreaterThan(Long.MAX_VALUE - MIB);
    assertThat(MemoryLimits.none().treeMemoryMax()).isEmpty();
  }

  @Test
  void aTreeIsWatchedWhereThereIsSomethingToWatchFor() {
    assertThat(MemoryLimits.none().requirement(Protection.TREE_WATCH)).isEqualTo(Requirement.OFF);
    assertThat(MemoryLimits.of("1GiB").requirement(Protection.TREE_WATCH))
        .isEqualTo(Requirement.PREFER);
    assertThat(MemoryLimits.none().withMemoryHigh(MIB).requirement(Protection.TREE_WATCH))
        .isEqualTo(Requirement.PREFER);
    assertThat(
            MemoryLimits.of("1GiB")
                .with(Protection.TREE_WATCH, Requirement.OFF)
                .requirement(Protection.TREE_WATCH))
        .isEqualTo(Requirement.OFF);
  }

  @Test
  void whereOnlyAddressSpaceIsLimitedThatIsReplaced() {
    MemoryLimits limits = MemoryLimits.none().withRlimit(ResourceLimit.parse("as=1GiB"));
    assertThat(limits.withMemory(5).rlimits()).containsOnlyKeys(Rlimit.AS);
  }

  @Test
  void whereBothAreLimitedEachGetsEnoughAndNoneLess() {
    MemoryLimits limits =
        MemoryLimits.of("2GiB").withRlimit(ResourceLimit.parse("as=64MiB:128MiB"));
    assertThat(limits.withMemory(96 * MIB).rlimits())
        .containsEntry(Rlimit.DATA, ResourceLimit.parse("data=2GiB"))
        .containsEntry(Rlimit.AS, ResourceLimit.parse("as=96MiB:128MiB"));
    assertThat(limits.withMemory(4096 * MIB).rlimits())
        .containsEntry(Rlimit.DATA, ResourceLimit.parse("data=4GiB"))
        .containsEntry(Rlimit.AS, ResourceLimit.parse("as=4GiB"));
  }

  @Test
  void whatOnlyACgroupCanLimitHasOnePreferredUnlessItIsNamed() {
    MemoryLimits high = MemoryLimits.of("64MiB").withMemoryHigh("48MiB");
    assertThat(high.memoryHigh()).hasValue(48 * MIB);
    assertThat(high.requirement(Protection.CGROUP_LEAF)).isEqualTo(Requirement.PREFER);
    assertThat(MemoryLimits.none().withPidsMax(9).requirement(Protection.CGROUP_LEAF))
        .isEqualTo(Requirement.PREFER);
    assertThat(
            high.with(Protection.CGROUP_LEAF, Requirement.OFF).requirement(Protection.CGROUP_LEAF))
        .isEqualTo(Requirement.OFF);
  }

  @Test
  void memoryHighKeepsItsShareOfTheMemory() {
    MemoryLimits limits = MemoryLimits.of("64MiB").withMemoryHigh("48MiB").withPidsMax(7);
    assertThat(limits.withMemory(128 * MIB).memoryHigh()).hasValue(96 * MIB);
    assertThat(limits.withMemory(128 * MIB).pidsMax()).hasValue(7);
    assertThat(limits.withMemory(1).memoryHigh()).hasValue(1);
    assertThat(limits.withMemory(Long.MAX_VALUE).memoryHigh().getAsLong())
        .isBetween(Long.MAX_VALUE / 2, Long.MAX_VALUE);
    assertThat(MemoryLimits.none().withMemoryHigh(5).withMemory(MIB).memoryHigh()).hasValue(5);
  }

  @Test
  void theAmountAskedForCountsAlsoWhereItsResourceLimitIsSwitchedOff() {
    MemoryLimits off = MemoryLimits.of("1GiB").with(Protection.RLIMIT_DATA, Requirement.OFF);
    assertThat(off.memory()).hasValue(1024 * MIB);
    assertThat(MemoryLimits.none().memory()).isEmpty();
  }

  @Test
  void refusesToSlowDownOrToCountFromNothing() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> MemoryLimits.none().withTreeMemory(0))
        .withMessageContaining("tree memory 0 is not positive; allowed is 1 to");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> MemoryLimits.none().withMemoryHigh(0))
        .withMessageContaining("memory.high 0 is not positive");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> MemoryLimits.none().withPidsMax(0))
        .withMessageContaining("pids.max 0 leaves no room for the child itself; allowed is 1 to");
  }

  @ParameterizedTest
  @ValueSource(longs = {0, -1, Long.MIN_VALUE})
  void refusesAmountsThatAreNotPositive(long bytes) {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> MemoryLimits.of(bytes))
        .withMessageContaining("memory limit " + bytes + " is not positive")
        .withMessageContaining("allowed is 1 to");
  }

  @ParameterizedTest
  @ValueSource(ints = {-1001, 1001, Integer.MIN_VALUE, Integer.MAX_VALUE})
  void refusesAnOomScoreAdjTheKernelDoesNotKnow(int adj) {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> MemoryLimits.none().withOomScoreAdj(adj))
        .withMessageContaining("oom_score_adj " + adj)
        .withMessageContaining("-1000 to 1000");
  }

  @ParameterizedTest
  @ValueSource(ints = {-1000, 0, 1000})
  void takesEveryOomScoreAdjTheKernelKnows(int adj) {
    assertThat(MemoryLimits.none().withOomScoreAdj(adj).oomScoreAdj()).isEqualTo(adj);
  }

  @Test
  void refusesNull() {
    assertThatNullPointerException()
        .isThrownBy(() -> MemoryLimits.of(null))
        .withMessageContaining("for example 512MiB");
    assertThatNullPointerException().isThrownBy(() -> MemoryLimits.none().withRlimit(null));
    assertThatNullPointerException()
        .isThrownBy(() -> MemoryLimits.none().with(null, Requirement.OFF))
        .withMessage("protection");
    assertThatNullPointerException()
        .isThrownBy(() -> MemoryLimits.none().with(Protection.WITNESS, null))
        .withMessage("requirement");
  }

  @Test
  void doesNotChangeWhenTheMapItWasMadeFromDoes() {
    Map<Protection, Requirement> wanted = new HashMap<>();
    MemoryLimits limits =
        new MemoryLimits(
            Map.of(), wanted, 0, OptionalLong.empty(), OptionalLong.empty(), OptionalInt.empty());
    wanted.put(Protection.WITNESS, Requirement.OFF);
    assertThat(limits.requirements()).isEmpty();
    assertThat(limits.requirements()).isUnmodifiable();
    assertThat(MemoryLimits.of("1GiB").rlimits()).isUnmodifiable();
  }
}
