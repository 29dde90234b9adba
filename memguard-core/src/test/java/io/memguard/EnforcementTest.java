package io.memguard;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.memguard.launch.LaunchException;
import io.memguard.limits.MemoryLimits;
import io.memguard.limits.Protection;
import io.memguard.limits.ProtectionState;
import io.memguard.limits.Requirement;
import io.memguard.limits.ResourceLimit;
import io.memguard.platform.LimitTrial;
import io.memguard.platform.LimitTrial.Effect;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What is made of places that no test can be run in. */
@Tag("engine-independent")
final class EnforcementTest {
  private static final Enforcement GVISOR = of(Effect.BRK_ALONE, Effect.MAPPINGS);
  private static final MemoryLimits LIMITS = MemoryLimits.of("64MiB");

  @Test
  void asInGvisorRlimitDataIsLeftOutAndRlimitAsIsNot() throws Exception {
    MemoryLimits both = LIMITS.withRlimit(ResourceLimit.parse("as=8GiB"));
    MemoryLimits applicable = GVISOR.applicable(both);
    assertThat(applicable).isEqualTo(both.with(Protection.RLIMIT_DATA, Requirement.OFF));
    assertThat(applicable.treeMemory()).hasValue(64L << 20);
    Map<Protection, ProtectionState> set =
        Map.of(Protection.RLIMIT_AS, ProtectionState.active("RLIMIT_AS=8GiB"));
    assertThat(GVISOR.inForce(both, set))
        .containsEntry(
            Protection.RLIMIT_DATA,
            ProtectionState.inactive(
                "RLIMIT_DATA does nothing here: a probe child got all the memory it mapped under it,"
                    + " and was refused only brk(2)"))
        .containsAllEntriesOf(set)
        .hasSize(2);
    assertThat(GVISOR.rlimit(Protection.RLIMIT_DATA, "set").active()).isFalse();
    assertThat(GVISOR.rlimit(Protection.RLIMIT_AS, "set").active()).isTrue();
  }

  @Test
  void nobodyIsRefusedALaunchForWhatHeDoesNotSet() throws Exception {
    MemoryLimits none = MemoryLimits.none().with(Protection.RLIMIT_DATA, Requirement.REQUIRE);
    assertThat(GVISOR.applicable(none)).isEqualTo(none);
    assertThat(GVISOR.inForce(none, Map.of())).isEmpty();
    MemoryLimits off = LIMITS.with(Protection.RLIMIT_DATA, Requirement.OFF);
    assertThat(GVISOR.applicable(off)).isEqualTo(off);
    assertThat(GVISOR.inForce(off, Map.of())).isEmpty();
    assertThatExceptionOfType(LaunchException.class)
        .isThrownBy(
            () -> GVISOR.applicable(LIMITS.with(Protection.RLIMIT_DATA, Requirement.REQUIRE)))
        .withMessageContaining("RLIMIT_DATA is required and cannot be had");
  }

  @ParameterizedTest
  @EnumSource(
      value = Effect.class,
      names = {"MAPPINGS", "UNKNOWN"})
  void whatWorksOrWasNotTriedIsSet(Effect effect) throws Exception {
    MemoryLimits limits = LIMITS.with(Protection.RLIMIT_DATA, Requirement.REQUIRE);
    Enforcement here = of(effect, effect);
    assertThat(here.applicable(limits)).isEqualTo(limits);
    Map<Protection, ProtectionState> set =
        Map.of(Protection.RLIMIT_DATA, ProtectionState.active("RLIMIT_DATA=64MiB"));
    assertThat(here.inForce(limits, set)).isEqualTo(set);
    assertThat(here.rlimit(Protection.RLIMIT_DATA, "set by hand"))
        .isEqualTo(
            ProtectionState.active(
                effect == Effect.MAPPINGS
                    ? "set by hand; a probe child under it was refused memory"
                    : "set by hand; whether it stops anything here was not tried: no time"));
  }

  private static Enforcement of(Effect data, Effect addressSpace) {
    return new Enforcement(new LimitTrial(data, addressSpace), "no time", 0);
  }
}
