package io.memguard.recover;

import io.memguard.limits.EffectiveLimit;
import io.memguard.limits.MemorySize;
import io.memguard.platform.JvmMemory;
import io.memguard.platform.cgroup.CgroupFinder;
import io.memguard.platform.cgroup.EffectiveLimits;
import io.memguard.platform.cgroup.Machine;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.OptionalLong;
import java.util.function.LongUnaryOperator;
import java.util.stream.Collectors;

/**
 * Explains the size of a {@link MemoryBudget}: what there is, and what is taken off. Immutable.
 *
 * @param items what there is first, then what is taken off, with a negative amount
 */
public record BudgetArithmetic(List<Item> items) {

  /**
   * One line.
   *
   * @param what its name, for example {@code "heap"}
   * @param bytes how much; negative for what is taken off
   * @param reason whose it is, or where the number comes from
   */
  public record Item(String what, long bytes, String reason) {
    @Override
    public String toString() {
      return String.format(
          Locale.ROOT,
          "%s %-10s %s: %s",
          bytes < 0 ? "-" : " ",
          MemorySize.format(Math.abs(bytes)),
          what,
          reason);
    }
  }

  /**
   * Copies the list.
   *
   * @param items what there is first, then what is taken off, with a negative amount
   */
  public BudgetArithmetic {
    items = List.copyOf(items);
  }

  static BudgetArithmetic given(long bytes) {
    return new BudgetArithmetic(List.of(new Item("budget", bytes, "as it was given")));
  }

  static BudgetArithmetic ofContainer(LongUnaryOperator reserve) {
    Machine machine = Machine.here();
    EffectiveLimit limit =
        EffectiveLimits.of(machine, CgroupFinder.findOwn(machine))
            .max()
            .orElseThrow(
                () ->
                    new IllegalStateException(
                        "No memory limit is known here, not even the machine's size: /proc/meminfo cannot be read."
                            + " Say how much children may have: MemoryBudget.of(\"4GiB\")."));
    JvmMemory jvm = JvmMemory.now();
    return of(
        limit,
        jvm,
        usedByOthers(machine, limit, jvm),
        Math.min(reserve.applyAsLong(limit.bytes()), limit.bytes()));
  }

  /** Nobody keeps the machine's memory free for us, as a container's limit does. */
  private static OptionalLong usedByOthers(Machine machine, EffectiveLimit limit, JvmMemory jvm) {
    OptionalLong available = machine.availableMemory();
    return limit.setBy().equals(EffectiveLimits.MACHINE) && available.isPresent()
        ? OptionalLong.of(
            Math.max(0, limit.bytes() - available.getAsLong() - jvm.resident().orElse(0)))
        : OptionalLong.empty();
  }

  static BudgetArithmetic of(
      EffectiveLimit limit, JvmMemory jvm, OptionalLong usedByOthers, long reserve) {
    List<Item> items = new ArrayList<>();
    items.add(new Item("limit", limit.bytes(), limit.setBy() + ", " + limit.source()));
    usedByOthers.ifPresent(
        bytes -> items.add(new Item("others", -bytes, "other processes of the machine, now")));
    jvm.needs().forEach(need -> items.add(new Item(need.what(), -need.bytes(), need.reason())));
    items.add(new Item("reserve", -reserve, "for what limits of processes do not count"));
    return new BudgetArithmetic(items);
  }

  /**
   * Returns the sum.
   *
   * @return bytes; not positive if nothing is left
   */
  public long left() {
    return items.stream().mapToLong(Item::bytes).sum();
  }

  /**
   * Prints it as a sum.
   *
   * @return a line for each item, and one for what is left
   */
  @Override
  public String toString() {
    String sum = items.stream().map(item -> item + "\n").collect(Collectors.joining());
    return sum
        + String.format(
            Locale.ROOT,
            "= %-10s for children",
            (left() < 0 ? "-" : "") + MemorySize.format(Math.abs(left())));
  }
}
