package io.memguard.limits;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import io.memguard.events.MemoryGuardListener;
import io.memguard.limits.GuardOptions.HeadroomGuard;
import io.memguard.outcome.RuntimeRule;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** What a guard can be told. */
@Tag("engine-independent")
@SuppressWarnings("NullAway") // null is refused
final class GuardOptionsTest {
  private static final GuardOptions DEFAULTS = GuardOptions.defaults();

  @Test
  void byDefaultItDecidesByItselfAndTellsNobody() {
    assertThat(DEFAULTS.headroomGuard()).isEqualTo(HeadroomGuard.AUTO);
    assertThat(DEFAULTS.reserve()).isEmpty();
    assertThat(DEFAULTS.victimPolicy()).isSameAs(VictimPolicy.standard());
    assertThat(DEFAULTS.listeners()).isEmpty();
    assertThat(DEFAULTS.rules()).isEmpty();
  }

  @Test
  void eachOptionChangesItselfAlone() {
    MemoryGuardListener listener = MemoryGuardListener.ofMemory(event -> {});
    MemoryGuardListener other = MemoryGuardListener.ofEnds(end -> {});
    VictimPolicy nobody = candidates -> Optional.empty();
    List<RuntimeRule> rules = RuntimeRule.parse("[ours]\ntext = ^no room left$");
    GuardOptions all =
        DEFAULTS
            .withListener(listener)
            .withListener(other)
            .withRules(rules)
            .withVictimPolicy(nobody)
            .withReserve("64MiB")
            .withHeadroomGuard(HeadroomGuard.ON);
    assertThat(all.listeners()).containsExactly(listener, other);
    assertThat(all.victimPolicy()).isSameAs(nobody);
    assertThat(all.reserve()).hasValue(64L << 20);
    assertThat(all.rules()).isEqualTo(rules);
    assertThat(all.headroomGuard()).isEqualTo(HeadroomGuard.ON);
  }

  @Test
  void refusesAReserveThatIsNone() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> DEFAULTS.withReserve(0))
        .withMessageContaining("the reserve 0 is not positive; allowed is 1 to");
  }

  @Test
  void refusesNull() {
    assertThatNullPointerException().isThrownBy(() -> DEFAULTS.withHeadroomGuard(null));
    assertThatNullPointerException().isThrownBy(() -> DEFAULTS.withVictimPolicy(null));
    assertThatNullPointerException().isThrownBy(() -> DEFAULTS.withListener(null));
    assertThatNullPointerException().isThrownBy(() -> DEFAULTS.withRules(null));
  }
}
