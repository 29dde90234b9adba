package io.memguard.diagnose;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatNoException;

import io.memguard.diagnose.Catalogue.Match;
import io.memguard.limits.MemoryLimits;
import io.memguard.outcome.Cause;
import io.memguard.outcome.Confidence;
import io.memguard.outcome.Evidence.Tail;
import io.memguard.outcome.Outcome;
import io.memguard.outcome.RuntimeRule;
import io.memguard.outcome.WitnessedProcess;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Which rule is taken, and what it makes of the end. */
@Tag("engine-independent")
final class CatalogueTest {
  private static final long MIB = 1 << 20;
  private static final Played PYTHON =
      Played.exit(1)
          .under("data=128MiB")
          .complaining("Traceback (most recent call last):\nMemoryError\n");
  private static final Played JAVA =
      Played.exit(1)
          .under("data=128MiB")
          .complaining(
              "Exception in thread \"main\" java.lang.OutOfMemoryError: Java heap space\n");

  @Test
  void theWordsAloneArePossible() {
    Outcome.OutOfMemory outcome = memory(PYTHON.running("python3").diagnosed());
    assertThat(outcome.cause()).isEqualTo(Cause.ALLOCATION_DENIED);
    assertThat(outcome.confidence()).isEqualTo(Confidence.POSSIBLE);
    assertThat(outcome.explanation())
        .isEqualTo(
            "It ended as Python does that is refused memory under RLIMIT_DATA 128MiB"
                + " (exit 1); nobody could watch its allocations.");
    assertThat(outcome.suggestedLimitBytes()).hasValue(192 * MIB);
  }

  @Test
  void nearTheLimitTheyAreProbable() {
    assertThat(memory(PYTHON.withPeak(100 * MIB).diagnosed()).confidence())
        .isEqualTo(Confidence.PROBABLE);
  }

  @Test
  void whatOthersMayHaveWrittenIsNoMoreThanPossible() {
    Played near = PYTHON.withPeak(100 * MIB);
    assertThat(memory(near.sharing(Tail.ERROR).diagnosed()).confidence())
        .isEqualTo(Confidence.POSSIBLE);
    assertThat(memory(near.sharing(Tail.OUTPUT).diagnosed()).confidence())
        .isEqualTo(Confidence.PROBABLE);
  }

  @Test
  void whatIsAmbiguousIsNeverMoreThanPossible() {
    Played thread =
        PYTHON.complaining("RuntimeError: can't start new thread\n").withPeak(100 * MIB);
    assertThat(memory(thread.diagnosed()).confidence()).isEqualTo(Confidence.POSSIBLE);
  }

  @Test
  void whereAWitnessSawNothingTheWordsAreNothing() {
    assertThat(PYTHON.running("python3").watched(0, 0).diagnosed())
        .isInstanceOf(Outcome.Exited.class);
  }

  @Test
  void withoutALimitTheyAreNothing() {
    assertThat(Played.exit(1).complaining("MemoryError\n").diagnosed())
        .isInstanceOf(Outcome.Exited.class);
    assertThat(Played.exit(1).complaining("MemoryError\n").diagnosed(MemoryLimits.none()))
        .isInstanceOf(Outcome.Exited.class);
  }

  @Test
  void anotherEndMakesThemNothing() {
    Played other = Played.exit(2).under("data=128MiB").complaining("MemoryError\n");
    assertThat(other.diagnosed()).isInstanceOf(Outcome.Exited.class);
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "python3", "python3.11", "job.py", "sh", "timeout"})
  void mayBeOfAProgramThatIsNotKnown(String program) {
    assertThat(find(PYTHON.running(program)))
        .map(match -> match.rule().runtime())
        .hasValue("Python");
  }

  @ParameterizedTest
  @ValueSource(strings = {"java", "perl", "git", "node"})
  void theProgramOfAnotherRuntimeOnlyQuotesThem(String program) {
    assertThat(find(PYTHON.running(program))).isEmpty();
  }

  @Test
  void aRuntimesOwnLimitIsNotMadeLargerByOurs() {
    Outcome.OutOfMemory outcome = memory(JAVA.running("java").watched(0, 0).diagnosed());
    assertThat(outcome.cause()).isEqualTo(Cause.RUNTIME_HEAP);
    assertThat(outcome.confidence()).isEqualTo(Confidence.PROBABLE);
    assertThat(outcome.suggestedLimitBytes()).isEmpty();
    assertThat(outcome.explanation())
        .isEqualTo(
            "The limit that the JVM has for itself was reached (exit 1); a larger limit of"
                + " memguard's alone does not help: give it a larger heap with -Xmx (or"
                + " -XX:MaxRAMPercentage), and the limit room for that.");
  }

  @Test
  void aShellThatBecameTheRuntimeIsIt() {
    Played shell = JAVA.running("sh");
    assertThat(memory(shell.watched(called("java", Played.CHILD)).diagnosed()).confidence())
        .isEqualTo(Confidence.PROBABLE);
    Played starter = shell.watched(called("sh", Played.CHILD), called("java", 77));
    assertThat(memory(starter.diagnosed()).confidence())
        .as("a descendant's words, or another's")
        .isEqualTo(Confidence.POSSIBLE);
    assertThat(shell.watched(called("sh", Played.CHILD), called("cat", 77)).diagnosed())
        .isInstanceOf(Outcome.Exited.class);
  }

  private static WitnessedProcess called(String name, int pid) {
    return new WitnessedProcess(
        pid, name, 1, 0, 0, 0, OptionalLong.empty(), Optional.empty(), OptionalLong.empty());
  }

  @Test
  void unwatchedItIsPossible() {
    assertThat(memory(JAVA.running("java").diagnosed()).confidence())
        .isEqualTo(Confidence.POSSIBLE);
  }

  @Test
  void ofAWatchedStrangerItIsNothing() {
    assertThat(JAVA.running("sh").watched(0, 0).diagnosed()).isInstanceOf(Outcome.Exited.class);
  }

  @Test
  void whereTheLimitRefusedItTheRuntimesWordsForItDoNotCount() {
    assertThat(memory(JAVA.running("java").watched(2, 4 * MIB).diagnosed()).cause())
        .isEqualTo(Cause.ALLOCATION_DENIED);
  }

  @Test
  void aRuntimeThatSaysThatItCouldNotStartWasGivenTooLittle() {
    Played start =
        Played.exit(1)
            .under("data=2MiB")
            .running("python3")
            .complaining(
                "Fatal Python error: pycore_interp_init: failed to initialize importlib\n");
    Outcome.OutOfMemory seen = memory(start.watched(3, 1 << 20).diagnosed());
    assertThat(seen.cause()).isEqualTo(Cause.LIMIT_TOO_LOW);
    assertThat(seen.confidence()).isEqualTo(Confidence.CERTAIN);
    assertThat(seen.refusedBytes()).hasValue(1 << 20);
    assertThat(seen.suggestedLimitBytes()).hasValue(3 * MIB);
    assertThat(seen.explanation()).contains("smallest limit that is known to work for it is 3MiB");
    assertThat(memory(start.diagnosed()).confidence()).isEqualTo(Confidence.PROBABLE);
    assertThat(memory(start.under("data=64MiB").diagnosed()).confidence())
        .isEqualTo(Confidence.POSSIBLE);
  }

  @Test
  void whereAnotherMayHaveSaidItItIsNotCertain() {
    Outcome.OutOfMemory outcome =
        memory(
            Played.exit(1)
                .under("data=64MiB")
                .running("sh")
                .watched(3, 1 << 20)
                .complaining("Fatal Python error: init_fs_encoding: failed\n")
                .diagnosed());
    assertThat(outcome.cause()).isEqualTo(Cause.LIMIT_TOO_LOW);
    assertThat(outcome.confidence()).isEqualTo(Confidence.PROBABLE);
  }

  @Test
  void wordsThatAreAlsoSaidLaterSpeakForTheStartOnlyBelowTheFloor() {
    Played php = Played.exit(1).running("php").watched(1, 4096).complaining("Out of memory\n");
    assertThat(memory(php.under("data=4MiB").diagnosed()).cause()).isEqualTo(Cause.LIMIT_TOO_LOW);
    assertThat(memory(php.under("data=64MiB").diagnosed()).cause())
        .isEqualTo(Cause.ALLOCATION_DENIED);
  }

  @Test
  void whoIsRefusedBelowWhatItStartsUnderProbablyCouldNotStart() {
    Outcome.OutOfMemory outcome =
        memory(Played.exit(1).under("data=2MiB").running("python3").watched(1, 4096).diagnosed());
    assertThat(outcome.cause()).isEqualTo(Cause.LIMIT_TOO_LOW);
    assertThat(outcome.confidence()).isEqualTo(Confidence.PROBABLE);
  }

  @Test
  void theApplicationsRulesAreAskedFirst() {
    Catalogue own =
        Catalogue.with(RuntimeRule.parse("[render]\nend = exit 1\ntext = ^MemoryError$\n"));
    assertThat(own.find(PYTHON.evidence(MemoryLimits.none())))
        .map(match -> match.rule().name())
        .hasValue("render");
  }

  @Test
  void aPatternThatNeverComesToAnEndIsGivenUp() {
    Catalogue slow = Catalogue.with(RuntimeRule.parse("[slow]\ntext = ^(x+x+)+y\n"));
    Played endless = Played.exit(1).under("data=1GiB").complaining("x".repeat(8000));
    long began = System.nanoTime();
    assertThat(slow.find(endless.evidence(MemoryLimits.none()))).isEmpty();
    assertThat(Duration.ofNanos(System.nanoTime() - began)).isLessThan(Duration.ofSeconds(10));
  }

  @Test
  void aPatternThatNeedsTooMuchStackIsGivenUp() {
    Catalogue deep = Catalogue.with(RuntimeRule.parse("[deep]\ntext = ^(x|z)+y\n"));
    Played lengthy = Played.exit(1).under("data=1GiB").complaining("x".repeat(100_000));
    assertThatNoException().isThrownBy(() -> deep.find(lengthy.evidence(MemoryLimits.none())));
  }

  private static Optional<Match> find(Played played) {
    return Catalogue.with(List.of()).find(played.evidence(MemoryLimits.none()));
  }

  /** What is longest to read is a tail of stderr that is full. */
  @ParameterizedTest
  @ValueSource(strings = {"a", " ", "0", "\n", "at main.go:12 +0x1d\n", "error: a b\n"})
  void noRuleLosesPatienceWithALongTail(String filler) {
    String tail = filler.repeat((32 << 10) / filler.length());
    Catalogue.with(List.of())
        .rules()
        .flatMap(rule -> rule.texts().stream())
        .forEach(
            text ->
                assertThatNoException()
                    .as(text.pattern())
                    .isThrownBy(() -> text.matcher(new Patience(tail)).find()));
  }

  private static Outcome.OutOfMemory memory(Outcome outcome) {
    assertThat(outcome).isInstanceOf(Outcome.OutOfMemory.class);
    return (Outcome.OutOfMemory) outcome;
  }
}
