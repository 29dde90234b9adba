package io.memguard.diagnose;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.MemoryGuard;
import io.memguard.diagnose.CapturedCases.Captured;
import io.memguard.limits.MemoryLimits;
import io.memguard.outcome.Outcome;
import io.memguard.outcome.WaitStatus;
import io.memguard.outcome.WitnessRecord;
import io.memguard.support.Children;
import io.memguard.support.WithGuard;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * A shell that prints to the letter what a runtime printed that had no memory, and ends as that
 * did, but was refused nothing: one for each rule that a runtime's ends fit.
 */
@ExtendWith(WithGuard.class)
final class CapturedLookAlikesTest {
  private static final MemoryLimits LIMITS = MemoryLimits.of("256MiB");
  private static final Catalogue CATALOGUE = Catalogue.with(List.of());

  static Stream<Captured> words() {
    Set<String> seen = new HashSet<>();
    return CapturedCases.ended().stream()
        .filter(one -> rule(one).filter(name -> seen.add(one.runtime() + name)).isPresent());
  }

  private static Optional<String> rule(Captured one) {
    return CATALOGUE
        .find(one.played().evidence(MemoryLimits.none()))
        .map(match -> match.rule().name());
  }

  @Test
  void thereAreMany() {
    assertThat(words()).hasSizeGreaterThan(60);
  }

  @ParameterizedTest
  @MethodSource("words")
  void areNoLackOfMemory(Captured one, MemoryGuard guard, @TempDir Path directory)
      throws Exception {
    Path out = Files.writeString(directory.resolve("out"), one.played().out());
    Path err = Files.writeString(directory.resolve("err"), one.played().err());
    String end =
        one.played().status() instanceof WaitStatus.Kill kill
            ? "kill -" + kill.signal().number() + " $$"
            : "exit " + one.played().status().exitValue();
    String script = "cat \"$1\"; cat \"$2\" >&2; " + end;
    Outcome outcome = guard.run(Children.sh(script, out.toString(), err.toString()), LIMITS);
    // Not the status itself: exit 134 and SIGABRT are one on the portable engine.
    assertThat(outcome.evidence().status().exitValue())
        .isEqualTo(one.played().status().exitValue());
    assertThat(outcome.evidence().witness()).get().matches(WitnessRecord::attached);
    assertThat(outcome).isInstanceOfAny(Outcome.Exited.class, Outcome.Signalled.class);
  }
}
