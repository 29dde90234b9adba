package io.memguard.recover;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.memguard.limits.EffectiveLimit;
import io.memguard.platform.JvmMemory;
import io.memguard.platform.JvmMemory.Need;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** What is left for children, and why. */
@Tag("engine-independent")
final class BudgetArithmeticTest {
  private static final long MIB = 1 << 20;

  private static final EffectiveLimit LIMIT =
      new EffectiveLimit(
          EffectiveLimit.Kind.MAX,
          2048 * MIB,
          "cgroup /pod",
          "/sys/fs/cgroup/pod/memory.max",
          Optional.empty());

  private static final JvmMemory JVM =
      new JvmMemory(
          512 * MIB,
          "-XX:MaxRAMPercentage=25.0",
          5,
          OptionalLong.empty(),
          List.of(
              new Need("heap", 512 * MIB, "its maximum"),
              new Need("metaspace", 60 * MIB, "twice the 30MiB of now")),
          OptionalLong.empty());

  @Test
  void printsAsASum() {
    assertThat(BudgetArithmetic.of(LIMIT, JVM, OptionalLong.of(100 * MIB), 200 * MIB))
        .hasToString(
            """
              2GiB       limit: cgroup /pod, /sys/fs/cgroup/pod/memory.max
            - 100MiB     others: other processes of the machine, now
            - 512MiB     heap: its maximum
            - 60MiB      metaspace: twice the 30MiB of now
            - 200MiB     reserve: for what limits of processes do not count
            = 1176MiB    for children""");
  }

  @Test
  void canBeLessThanNothing() {
    BudgetArithmetic arithmetic = BudgetArithmetic.of(LIMIT, JVM, OptionalLong.empty(), 2000 * MIB);
    assertThat(arithmetic.left()).isEqualTo(-524 * MIB);
    assertThat(arithmetic.toString()).endsWith("= -524MiB    for children");
  }

  @Test
  void aGivenBudgetIsWhatItSays() {
    assertThat(MemoryBudget.of("1GiB").arithmetic())
        .hasToString("  1GiB       budget: as it was given\n= 1GiB       for children");
  }

  @Test
  void ofThisContainerEveryLineIsSaid() {
    MemoryBudget budget = MemoryBudget.ofContainer("1MiB");
    assertThat(budget.capacity()).isEqualTo(budget.arithmetic().left()).isPositive();
    assertThat(budget.arithmetic().items())
        .extracting(BudgetArithmetic.Item::what)
        .containsSubsequence(
            "limit",
            "heap",
            "metaspace",
            "code cache",
            "direct buffers",
            "thread stacks",
            "garbage collector",
            "JVM",
            "reserve");
  }

  @Test
  void byDefaultATenthIsInReserveAndNoLessThanTheHeadroomGuardKeepsFree() {
    assertThat(MemoryBudget.defaultReserve(200L << 20)).isEqualTo(50L << 20);
    assertThat(MemoryBudget.defaultReserve(1L << 30)).isEqualTo(128L << 20);
    assertThat(MemoryBudget.defaultReserve(20L << 30)).isEqualTo(2L << 30);
    List<BudgetArithmetic.Item> items = MemoryBudget.ofContainer().arithmetic().items();
    assertThat(items.get(items.size() - 1).bytes())
        .isEqualTo(-MemoryBudget.defaultReserve(items.get(0).bytes()));
  }

  @Test
  void whereNothingIsLeftItSaysWhy() {
    assertThatIllegalStateException()
        .isThrownBy(() -> MemoryBudget.ofContainer("1000000TiB"))
        .withMessageStartingWith("Nothing is left for children:\n")
        .withMessageContaining("heap: its maximum")
        .withMessageContaining("Lower the JVM's maximum heap (-Xmx)");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> MemoryBudget.ofContainer(-1))
        .withMessageContaining("a reserve of -1 bytes is negative");
  }
}
