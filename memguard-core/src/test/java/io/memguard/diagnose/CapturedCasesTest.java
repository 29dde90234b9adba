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
import java.util.Set;
import java.util.TreeSet;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What real runtimes print and how they end, against what the catalogue makes of it. */
@Tag("engine-independent")
final class CapturedCasesTest {
  private static final Catalogue CATALOGUE = Catalogue.with(List.of());
  private static final List<Captured> CASES = CapturedCases.all();

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

  @ParameterizedTest
  @MethodSource("cases")
  void withoutItNothingIsWrongOrCertain(Captured one) {
    Outcome outcome = one.played().unwatched().diagnosed();
    assertRight(one, outcome);
    if (outcome instanceof Outcome.OutOfMemory memory) {
      assertThat(memory.confidence()).isNotEqualTo(Confidence.CERTAIN);
    }
  }

  /** A program that could not start was refused memory too; if it was silent, no more is known. */
  private static void assertRight(Captured one, Outcome outcome) {
    if (outcome instanceof Outcome.OutOfMemory memory) {
      Set<Cause> right =
          switch (one.kind()) {
            case "start" -> Set.of(Cause.LIMIT_TOO_LOW, Cause.ALLOCATION_DENIED);
            case "own" -> Set.of(Cause.RUNTIME_HEAP);
            default -> Set.of(Cause.ALLOCATION_DENIED);
          };
      assertThat(right).as(outcome.explanation()).contains(memory.cause());
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

  /** Threads are apart: EAGAIN is known to be for memory where the witness noted what there was. */
  @Test
  void fewAreUnknown() {
    Set<String> unknown = unknown(UnaryOperator.identity());
    assertThat(unknown.stream().filter(one -> !one.contains(" threads ")))
        .as("of " + CASES.size() + " with the witness: " + unknown)
        .hasSizeLessThanOrEqualTo(CASES.size() / 20);
    Set<String> unwatched = unknown(Played::unwatched);
    assertThat(unwatched)
        .as("of " + CASES.size() + " without it")
        .hasSizeLessThanOrEqualTo(CASES.size() / 5);
  }

  private static Set<String> unknown(UnaryOperator<Played> how) {
    return CASES.stream()
        .filter(one -> !(how.apply(one.played()).diagnosed() instanceof Outcome.OutOfMemory))
        .map(Captured::toString)
        .collect(Collectors.toCollection(TreeSet::new));
  }
}
