package io.memguard.outcome;

import io.memguard.limits.MemorySize;
import java.util.OptionalLong;

/** Who it was, why, what it had and what next, in the few words of {@link Outcome#summary}. */
final class Summary {
  private final Evidence evidence;
  private final StringBuilder text = new StringBuilder();

  private Summary(Evidence evidence) {
    this.evidence = evidence;
    text.append(evidence.program()).append(", pid ").append(evidence.pid());
  }

  static String of(Outcome outcome) {
    Summary words = new Summary(outcome.evidence());
    return outcome instanceof Outcome.OutOfMemory memory ? words.with(memory) : words.plain();
  }

  private String with(Outcome.OutOfMemory memory) {
    text.append(": ").append(memory.cause().label());
    text.append(", ").append(memory.confidence().label());
    size("; limit ", memory.limitBytes());
    lived(); // the explanation has what was refused
    size("; try ", memory.suggestedLimitBytes());
    return text.toString();
  }

  private String plain() {
    size(", limit ", evidence.limitBytes());
    size(
        ", refused ",
        evidence.witness().map(WitnessRecord::largestRefusedBytes).orElse(OptionalLong.empty()));
    lived();
    return text.toString();
  }

  private void lived() {
    size(", peak RSS ", evidence.peakRssBytes());
    text.append(", after ").append(evidence.elapsed().toMillis()).append(" ms");
  }

  private void size(String what, OptionalLong bytes) {
    bytes.ifPresent(value -> text.append(what).append(MemorySize.format(value)));
  }
}
