package io.memguard.diagnose;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.diagnose.CapturedCases.Captured;
import io.memguard.limits.MemoryLimits;
import io.memguard.outcome.Cause;
import io.memguard.outcome.Confidence;
import io.memguard.outcome.Evidence;
import io.memguard.outcome.Outcome;
import io.memguard.outcome.RuntimeRule;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What real runtimes print and how they end, against what the catalogue makes of it. */
@Tag("engine-independent")
final class CapturedCasesTest {
  private static final Catalogue CATALOGUE = Catalogue.with(List.of());
  private static final List<Captured> CASES = CapturedCases.ended();

  static List<Captured> cases() {
    return CASES;
  }

  static Stream<RuntimeRule> rules() {
    return CATALOGUE.rules();
  }

  @ParameterizedTest
  @MethodSource("rules")
  void noRuleIsWithoutACase(RuntimeRule rule) {
    assertThat(rule.cases()).as(rule.name()).isNotEmpty();
    if (rule.cases().equals(List.of("source"))) { // nothing more can be had, nor claimed
      assertThat(rule.name()).startsWith("dotnet-");
      assertThat(rule.most()).isEqualTo(Confidence.POSSIBLE);
      return;
    }
    for (String wanted : rule.cases()) {
      List<Captured> captured = CASES.stream().filter(one -> one.id().equals(wanted)).toList();
      assertThat(captured).as("captured as " + wanted).isNotEmpty();
      if (!rule.texts().isEmpty()) {
        assertThat(captured)
            .as(rule.name() + " for " + wanted)
            .anyMatch(one -> match(one).filter(rule::equals).isPresent());
      }
    }
  }

  /** General rules, as those for strerror(3), name no program, and may speak for all. */
  @ParameterizedTest
  @MethodSource("cases")
  void noRuleSpeaksForAnotherRuntime(Captured one) {
    Optional<RuntimeRule> rule = match(one).filter(found -> !found.programs().isEmpty());
    rule.ifPresent(
        found ->
            assertThat(found.cases())
                .as(found.name())
                .anyMatch(id -> id.startsWith(one.runtime() + "/")));
  }

  private static Optional<RuntimeRule> match(Captured one) {
    return CATALOGUE.find(evidence(one.played())).map(Catalogue.Match::rule);
  }

  private static Evidence evidence(Played played) {
    return played.evidence(MemoryLimits.none());
  }

  @ParameterizedTest
  @MethodSource("cases")
  void withTheWitnessNothingIsWrong(Captured one) {
    assertRight(one, one.played().diagnosed());
  }

  /**
   * Some say the same of their own limit as of the kernel's: the one is then taken for the other.
   */
  @ParameterizedTest
  @MethodSource("cases")
  void withoutItNothingIsCertainNorMoreThanPossibleIfWrong(Captured one) {
    Outcome outcome = one.played().unwatched().diagnosed();
    if (outcome instanceof Outcome.OutOfMemory memory) {
      assertThat(memory.confidence()).isNotEqualTo(Confidence.CERTAIN);
      if (one.right().contains(memory.cause()) || !one.kind().equals("own")) {
        assertRight(one, outcome);
      } else {
        assertThat(memory.confidence()).isEqualTo(Confidence.POSSIBLE);
      }
    }
  }

  private static void assertRight(Captured one, Outcome outcome) {
    if (outcome instanceof Outcome.OutOfMemory memory) {
      assertThat(one.right()).as(outcome.explanation()).contains(memory.cause());
      assertThat(memory.explanation()).doesNotContain("  ").doesNotContain("..");
      if (memory.cause() == Cause.RUNTIME_HEAP) {
        assertThat(memory.suggestedLimitBytes()).isEmpty();
        assertThat(memory.explanation())
            .contains("a larger limit of memguard's alone does not help: ");
      } else {
        assertThat(memory.suggestedLimitBytes().orElseThrow())
            .isGreaterThan(memory.limitBytes().orElseThrow());
      }
    }
  }
}
