package io.memguard;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.limits.MemoryLimits;
import io.memguard.limits.Protection;
import io.memguard.limits.Requirement;
import io.memguard.limits.ResourceLimit;
import io.memguard.limits.Rlimit;
import io.memguard.support.Children;
import io.memguard.support.Proc;
import io.memguard.support.WithGuard;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The child's own {@code /proc/self} says what was set. */
@ExtendWith(WithGuard.class)
final class LimitsInTheChildTest {
  private static final long GIB = 1L << 30;
  private static final Map<Rlimit, String> KERNEL_NAMES =
      new EnumMap<>(
          Map.of(
              Rlimit.CPU, "Max cpu time",
              Rlimit.FSIZE, "Max file size",
              Rlimit.DATA, "Max data size",
              Rlimit.STACK, "Max stack size",
              Rlimit.CORE, "Max core file size",
              Rlimit.NPROC, "Max processes",
              Rlimit.NOFILE, "Max open files",
              Rlimit.AS, "Max address space"));

  @ParameterizedTest
  @EnumSource(Rlimit.class)
  void everyResourceLimitArrivesSoftAndHardApart(Rlimit resource, MemoryGuard guard)
      throws Exception {
    long hard = Math.min(roomFor(resource), inForce(own(), resource).hard());
    ResourceLimit wanted = new ResourceLimit(resource, hard - hard / 4, hard);
    String limits = inChild(guard, MemoryLimits.none().withRlimit(wanted), "limits");
    assertThat(inForce(limits, resource)).isEqualTo(wanted);
    assertThat(untouched(limits, resource)).isEqualTo(untouched(own(), resource));
  }

  @Test
  void allOfThemArriveTogether(MemoryGuard guard) throws Exception {
    MemoryLimits wanted = MemoryLimits.none();
    for (Rlimit resource : Rlimit.values()) {
      long hard = Math.min(roomFor(resource), inForce(own(), resource).hard());
      wanted = wanted.withRlimit(new ResourceLimit(resource, hard - hard / 8, hard));
    }
    String limits = inChild(guard, wanted, "limits");
    for (ResourceLimit limit : wanted.rlimits().values()) {
      assertThat(inForce(limits, limit.resource())).isEqualTo(limit);
    }
  }

  @Test
  void aSoftLimitMayStandUnderAnUnlimitedHardOne(MemoryGuard guard) throws Exception {
    ResourceLimit wanted = ResourceLimit.parse("data=3GiB:unlimited");
    String limits = inChild(guard, MemoryLimits.none().withRlimit(wanted), "limits");
    assertThat(inForce(limits, Rlimit.DATA)).isEqualTo(wanted);
  }

  @Test
  void anAmountOfMemoryIsTheDataLimitInBytesExactly(MemoryGuard guard) throws Exception {
    String limits = inChild(guard, MemoryLimits.of(GIB + 1), "limits");
    assertThat(inForce(limits, Rlimit.DATA))
        .isEqualTo(new ResourceLimit(Rlimit.DATA, GIB + 1, GIB + 1));
  }

  @Test
  void aLimitSwitchedOffIsNotSet(MemoryGuard guard) throws Exception {
    MemoryLimits off = MemoryLimits.of(GIB).with(Protection.RLIMIT_DATA, Requirement.OFF);
    assertThat(inForce(inChild(guard, off, "limits"), Rlimit.DATA))
        .isEqualTo(inForce(own(), Rlimit.DATA));
  }

  @Test
  void theKernelIsToldToTakeTheChildFirst(MemoryGuard guard) throws Exception {
    assertThat(inChild(guard, MemoryLimits.none(), "oom_score_adj").strip()).isEqualTo("1000");
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 42, 969, 1000})
  void anyOomScoreAdjArrives(int above, MemoryGuard guard) throws Exception {
    int adj = Math.min(1000, Math.max(0, ownScore()) + above);
    MemoryLimits limits = MemoryLimits.none().withOomScoreAdj(adj);
    assertThat(inChild(guard, limits, "oom_score_adj").strip()).isEqualTo(Integer.toString(adj));
  }

  @Test
  void withoutThatProtectionTheChildHasItsParentsScore(MemoryGuard guard) throws Exception {
    MemoryLimits off = MemoryLimits.none().with(Protection.OOM_SCORE_ADJ, Requirement.OFF);
    assertThat(Integer.parseInt(inChild(guard, off, "oom_score_adj").strip()))
        .isEqualTo(ownScore());
  }

  @Test
  void theProcessTellsWhatIsInForce(MemoryGuard guard) throws Exception {
    MemoryLimits limits =
        MemoryLimits.of("1GiB")
            .withRlimit(ResourceLimit.parse("as=4GiB"))
            .with(Protection.OOM_SCORE_ADJ, Requirement.OFF);
    GuardedProcess child = guard.start(new ProcessBuilder("true"), limits);
    assertThat(child.waitFor()).isZero();
    assertThat(child.limits()).isEqualTo(limits);
    assertThat(child.protections())
        .containsOnlyKeys(
            Protection.RLIMIT_DATA, Protection.RLIMIT_AS, Protection.WITNESS, Protection.TREE_WATCH)
        .allSatisfy((protection, state) -> assertThat(state).hasToString("active"));
    assertThat(child.protections().get(Protection.RLIMIT_DATA).reason())
        .isEqualTo("RLIMIT_DATA=1GiB");
  }

  /** Enough for cat(1) to run in, and less than what is usual. */
  private static long roomFor(Rlimit resource) {
    return switch (resource) {
      case CPU -> 3600;
      case NPROC -> 90_000;
      case NOFILE -> 96;
      case STACK -> 16 << 20;
      case FSIZE, CORE -> 1 << 20;
      case DATA, AS -> 2 * GIB;
    };
  }

  private static String inChild(MemoryGuard guard, MemoryLimits limits, String file)
      throws Exception {
    GuardedProcess child = guard.start(new ProcessBuilder("cat", "/proc/self/" + file), limits);
    String text = Children.output(child);
    assertThat(child.waitFor()).isZero();
    return text;
  }

  private static String own() {
    return Proc.read(Path.of("/proc/self/limits"));
  }

  private static int ownScore() {
    return Integer.parseInt(Proc.read(Path.of("/proc/self/oom_score_adj")).strip());
  }

  private static ResourceLimit inForce(String limits, Rlimit resource) {
    String name = KERNEL_NAMES.get(resource);
    String line = limits.lines().filter(text -> text.startsWith(name)).findFirst().orElseThrow();
    String[] values = line.substring(name.length()).strip().split("\\s+", -1);
    return new ResourceLimit(resource, value(values[0]), value(values[1]));
  }

  private static List<String> untouched(String limits, Rlimit changed) {
    return limits.lines().filter(line -> !line.startsWith(KERNEL_NAMES.get(changed))).toList();
  }

  private static long value(String text) {
    return text.equals("unlimited") ? ResourceLimit.UNLIMITED : Long.parseLong(text);
  }
}
