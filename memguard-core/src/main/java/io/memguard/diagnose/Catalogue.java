package io.memguard.diagnose;

import io.memguard.limits.Rlimit;
import io.memguard.outcome.Cause;
import io.memguard.outcome.Confidence;
import io.memguard.outcome.Evidence;
import io.memguard.outcome.Evidence.Tail;
import io.memguard.outcome.RuntimeRule;
import io.memguard.outcome.WitnessedProcess;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * All that is known of how runtimes end without memory: the application's rules, then those of
 * {@code catalogue.txt}. The first that fits decides, so what is particular stands before what is
 * general there.
 */
public final class Catalogue {
  /** What starts other programs, and ends as they do: it may have been any of them. */
  private static final Set<String> LAUNCHERS =
      Set.of("sh", "bash", "dash", "busybox", "env", "nice", "timeout", "xargs", "make", "nohup");

  private final List<RuntimeRule> own;

  private Catalogue(List<RuntimeRule> own) {
    this.own = List.copyOf(own);
  }

  /** Loaded when the first child has failed under a limit. */
  private static final class Bundled {
    static final List<RuntimeRule> RULES = read();

    private static List<RuntimeRule> read() {
      try (InputStream file = Catalogue.class.getResourceAsStream("catalogue.txt")) {
        if (file == null) {
          throw new IllegalStateException("catalogue.txt is not in memguard-core's jar");
        }
        return RuntimeRule.parse(new String(file.readAllBytes(), StandardCharsets.UTF_8));
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
  }

  /**
   * Returns the catalogue with an application's rules before its own.
   *
   * @param own the application's
   * @return the catalogue
   */
  public static Catalogue with(List<RuntimeRule> own) {
    return new Catalogue(own);
  }

  Stream<RuntimeRule> rules() {
    return Stream.concat(own.stream(), Bundled.RULES.stream());
  }

  /**
   * A rule that fits.
   *
   * @param proven true if the child is known to be of its runtime: by the file that was launched,
   *     its interpreter, or what it has become since, as a shell does
   * @param around true if a descendant is, at least
   * @param own whether it was said where nobody else writes
   */
  record Match(RuntimeRule rule, boolean proven, boolean around, boolean own) {
    boolean is(Cause cause) {
      return rule.cause() == cause;
    }

    /** Returns the highest confidence that it may give. */
    Confidence most() {
      return own ? rule.most() : Confidence.POSSIBLE;
    }
  }

  /**
   * Finds what a child that has failed said, if it was under a limit. Some say the same of their
   * own limit as of the kernel's: who was watched, and refused nothing, can only mean the first.
   */
  Optional<Match> find(Evidence evidence) {
    Set<Rlimit> armed = Armed.limits(evidence);
    if (evidence.limitBytes().isEmpty()
        || (evidence.outputTail().isEmpty() && evidence.errorTail().isEmpty())) {
      return Optional.empty();
    }
    return rules()
        .filter(rule -> fits(rule, armed))
        .filter(rule -> rule.cause() != Cause.ALLOCATION_DENIED || !Refused.nothing(evidence))
        .filter(
            rule ->
                rule.exitValues().isEmpty()
                    || rule.exitValues().contains(evidence.status().exitValue()))
        .filter(rule -> isOf(rule, evidence) || mayBe(rule, evidence.program()))
        .filter(rule -> says(rule, evidence))
        .findFirst()
        .map(
            rule ->
                new Match(
                    rule,
                    isOf(rule, evidence),
                    anyIsOf(rule, evidence),
                    saysWhereNobodyElse(rule, evidence)));
  }

  private static boolean isOf(RuntimeRule rule, Evidence evidence) {
    return rule.names(evidence.program())
        || evidence.interpreter().filter(rule::names).isPresent()
        || watched(evidence).anyMatch(one -> one.pid() == evidence.pid() && rule.names(one.name()));
  }

  private static boolean anyIsOf(RuntimeRule rule, Evidence evidence) {
    return watched(evidence).anyMatch(one -> rule.names(one.name()));
  }

  private static Stream<WitnessedProcess> watched(Evidence evidence) {
    return evidence.witness().stream().flatMap(record -> record.processes().stream());
  }

  /** What a runtime has for a limit of its own does not depend on memguard's. */
  private static boolean fits(RuntimeRule rule, Set<Rlimit> armed) {
    return rule.cause() == Cause.RUNTIME_HEAP || rule.limits().stream().anyMatch(armed::contains);
  }

  /** A program that is known to be another runtime's does not speak for this one. */
  private boolean mayBe(RuntimeRule rule, String program) {
    return rule.programs().isEmpty()
        || LAUNCHERS.contains(program)
        || rules().noneMatch(other -> other.names(program));
  }

  private static boolean says(RuntimeRule rule, Evidence evidence) {
    return says(rule, evidence.outputTail(), evidence.errorTail());
  }

  private static boolean saysWhereNobodyElse(RuntimeRule rule, Evidence evidence) {
    Set<Tail> shared = evidence.sharedTails();
    return shared.isEmpty()
        || says(
            rule,
            shared.contains(Tail.OUTPUT) ? "" : evidence.outputTail(),
            shared.contains(Tail.ERROR) ? "" : evidence.errorTail());
  }

  private static boolean says(RuntimeRule rule, String output, String error) {
    return rule.texts().stream()
        .anyMatch(
            text ->
                (rule.onStderr() && found(text, error))
                    || (rule.onStdout() && found(text, output)));
  }

  private static boolean found(Pattern text, String tail) {
    return Patience.answer(() -> text.matcher(new Patience(tail)).find());
  }

  /** Returns the smallest limit under which the child's program is known to start. */
  OptionalLong startsUnder(Evidence evidence, Rlimit limit) {
    if (evidence.rlimitBytes().isEmpty()) {
      return OptionalLong.empty();
    }
    return rules()
        .filter(rule -> isOf(rule, evidence))
        .map(rule -> rule.startsUnder(limit))
        .flatMapToLong(OptionalLong::stream)
        .findFirst();
  }
}
