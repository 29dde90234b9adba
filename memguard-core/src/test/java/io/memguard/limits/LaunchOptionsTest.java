package io.memguard.limits;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import io.memguard.limits.LaunchOptions.ProcessGroup;
import io.memguard.outcome.MemoryEvent;
import io.memguard.recover.MemoryBudget;
import java.time.Duration;
import java.util.function.Consumer;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** How a child lives, as a value. */
@Tag("engine-independent")
final class LaunchOptionsTest {
  private static final LaunchOptions DEFAULTS = LaunchOptions.defaults();

  @Test
  void byDefaultAChildLivesAsAnyOther() {
    assertThat(DEFAULTS.timeout()).isEmpty();
    assertThat(DEFAULTS.grace()).isEqualTo(Duration.ofSeconds(5));
    assertThat(DEFAULTS.group()).isEqualTo(ProcessGroup.INHERITED);
    assertThat(DEFAULTS.dieWithParent()).isFalse();
    assertThat(DEFAULTS.memoryListener()).isEmpty();
    assertThat(DEFAULTS.retryable()).isFalse();
    assertThat(DEFAULTS.name()).isEmpty();
    assertThat(DEFAULTS.budget()).isEmpty();
    assertThat(DEFAULTS.hangGrace()).isEmpty();
  }

  @Test
  void eachOptionChangesItselfAlone() {
    Consumer<MemoryEvent> listener = event -> {};
    MemorySource source = MemoryBudget.of("1GiB");
    LaunchOptions all =
        DEFAULTS
            .withName("thumbnails")
            .withRetryable(true)
            .withBudget(source, Duration.ZERO)
            .withMemoryListener(listener)
            .withHangGrace(Duration.ofMillis(2))
            .withTimeout(Duration.ofMillis(1))
            .withGrace(Duration.ZERO)
            .withGroup(ProcessGroup.NEW_SESSION)
            .withDieWithParent(true);
    assertThat(all.timeout()).contains(Duration.ofMillis(1));
    assertThat(all.hangGrace()).contains(Duration.ofMillis(2));
    assertThat(all.grace()).isZero();
    assertThat(all.group()).isEqualTo(ProcessGroup.NEW_SESSION);
    assertThat(all.dieWithParent()).isTrue();
    assertThat(all.memoryListener()).containsSame(listener);
    assertThat(all.retryable()).isTrue();
    assertThat(all.name()).contains("thumbnails");
    assertThat(all.budget()).contains(new LaunchOptions.Budget(source, Duration.ZERO));
    assertThat(DEFAULTS).isEqualTo(LaunchOptions.defaults());
  }

  @ParameterizedTest
  @ValueSource(strings = {"PT0S", "PT-1S", "PT-0.000000001S"})
  void refusesATimeoutThatIsNotPositive(Duration timeout) {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> DEFAULTS.withTimeout(timeout))
        .withMessageContaining("timeout " + timeout + " is not positive");
  }

  @ParameterizedTest
  @ValueSource(strings = {"PT0S", "PT-1S"})
  void refusesAGraceForHangsThatIsNotPositive(Duration grace) {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> DEFAULTS.withHangGrace(grace))
        .withMessageContaining("hang grace " + grace + " is not positive");
  }

  @ParameterizedTest
  @ValueSource(strings = {"", " ", "two\nlines", "a\u0000", "\u2028"})
  void refusesANameThatWouldSpoilALogLine(String name) {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> DEFAULTS.withName(name))
        .withMessageContaining("will not do; allowed are 1 to 100 characters");
    assertThatIllegalArgumentException().isThrownBy(() -> DEFAULTS.withName("n".repeat(101)));
  }

  @Test
  void refusesANegativeGracePeriod() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> DEFAULTS.withGrace(Duration.ofMillis(-1)))
        .withMessageContaining("grace period PT-0.001S is negative")
        .withMessageContaining("allowed is zero or more");
  }

  @Test
  void refusesANegativeWaitForABudget() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> DEFAULTS.withBudget(MemoryBudget.of(1), Duration.ofMillis(-1)))
        .withMessageContaining("the wait for a budget, PT-0.001S, is negative");
  }

  @Test
  void refusesNull() {
    assertThatNullPointerException().isThrownBy(() -> DEFAULTS.withTimeout(null));
    assertThatNullPointerException().isThrownBy(() -> DEFAULTS.withGrace(null));
    assertThatNullPointerException().isThrownBy(() -> DEFAULTS.withMemoryListener(null));
    assertThatNullPointerException()
        .isThrownBy(() -> DEFAULTS.withBudget(null))
        .withMessage("budget");
    assertThatNullPointerException()
        .isThrownBy(() -> DEFAULTS.withGroup(null))
        .withMessage("group");
  }
}
