package io.memguard;

import io.memguard.events.ChildEnd;
import io.memguard.events.WhatNext;
import io.memguard.limits.MemorySize;
import io.memguard.outcome.Cause;
import io.memguard.outcome.Evidence;
import io.memguard.outcome.Outcome;
import io.memguard.outcome.WaitStatus;
import java.util.Map;
import java.util.Objects;
import java.util.OptionalLong;
import java.util.TreeMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.MDC;
import org.slf4j.event.Level;

/**
 * The one line that the log has of a child's end: who, limit, peak, refused size, cause, what next.
 *
 * <p>Levels, keys and the logger's name are documented in docs/events.md. Nothing that a caller
 * could have a secret in is in the line: no argument, no environment, no output.
 */
final class EndLog {
  private static final Logger LOG = LoggerFactory.getLogger("io.memguard.outcome");
  private static final String PREFIX = "memguard.";

  private EndLog() {}

  /** Tells whether anybody would see the line. */
  static boolean isEnabled(Outcome outcome, WhatNext next) {
    return LOG.isEnabledForLevel(level(outcome, next));
  }

  /** What is tried again is nobody's trouble yet: one level less. */
  static Level level(Outcome outcome, WhatNext next) {
    Level level = level(outcome);
    if (next != WhatNext.RETRY) {
      return level;
    }
    return level == Level.ERROR ? Level.WARN : level == Level.WARN ? Level.INFO : level;
  }

  private static Level level(Outcome outcome) {
    if (outcome instanceof Outcome.Cancelled || outcome.isSuccess()) {
      return Level.DEBUG;
    }
    if (outcome instanceof Outcome.Exited) {
      return Level.INFO;
    }
    return outcome instanceof Outcome.OutOfMemory memory && isOthers(memory.cause())
        ? Level.ERROR
        : Level.WARN;
  }

  /** Where the container or the machine ran out of memory, the next one killed may be anybody. */
  private static boolean isOthers(Cause cause) {
    return cause == Cause.CONTAINER || cause == Cause.HOST;
  }

  /** Returns what this thread's MDC has; nothing is not null, as it may be to a backend. */
  static Map<String, String> context() {
    return Objects.requireNonNullElse(MDC.getCopyOfContextMap(), Map.of());
  }

  /**
   * Writes the line, with what is in it in the MDC as well, which is then as it was before.
   *
   * @param context what else the MDC has: that of the child's launch
   */
  static void write(ChildEnd end, Map<String, String> context) {
    Map<String, String> before = context();
    try {
      MDC.setContextMap(context);
      fields(end).forEach((key, value) -> MDC.put(PREFIX + key, value));
      LOG.atLevel(level(end.outcome(), end.next())).log(line(end));
    } finally {
      MDC.setContextMap(before);
    }
  }

  private static Map<String, String> fields(ChildEnd end) {
    Outcome outcome = end.outcome();
    Evidence evidence = outcome.evidence();
    Map<String, String> fields = new TreeMap<>();
    fields.put("name", plain(end.name()));
    fields.put("program", plain(evidence.program()));
    fields.put("pid", Long.toString(evidence.pid()));
    fields.put("outcome", outcome.label());
    if (evidence.status() instanceof WaitStatus.Exit exit) {
      fields.put("exit_code", Integer.toString(exit.code()));
    } else if (evidence.status() instanceof WaitStatus.Kill kill) {
      fields.put("signal", kill.signal().toString());
    }
    if (outcome instanceof Outcome.OutOfMemory memory) {
      fields.put("cause", memory.cause().label());
      fields.put("confidence", memory.confidence().label());
      put(fields, "suggested_limit", memory.suggestedLimitBytes());
    }
    put(fields, "limit", end.limitBytes());
    put(fields, "peak", end.peakBytes());
    put(fields, "refused", end.refusedBytes());
    fields.put("attempt", Integer.toString(end.attempt()));
    fields.put("next", end.next().label());
    put(fields, "next_limit", end.nextLimitBytes());
    return fields;
  }

  private static void put(Map<String, String> fields, String key, OptionalLong bytes) {
    bytes.ifPresent(value -> fields.put(key, Long.toString(value)));
  }

  static String line(ChildEnd end) {
    Outcome outcome = end.outcome();
    Evidence evidence = outcome.evidence();
    String program = plain(evidence.program());
    String name = plain(end.name());
    return name
        + (name.equals(program) ? " (" : " (" + program + ", ")
        + "pid "
        + evidence.pid()
        + "): "
        + outcome.label()
        + (outcome instanceof Outcome.OutOfMemory memory
            ? ", " + memory.cause().label() + ", " + memory.confidence().label()
            : "")
        + "; limit "
        + size(end.limitBytes(), "none")
        + ", peak "
        + size(end.peakBytes(), "unknown")
        + ", refused "
        + size(end.refusedBytes(), evidence.watched() ? "nothing" : "unknown")
        + ", after "
        + evidence.elapsed().toMillis()
        + " ms; next: "
        + next(end)
        + ". "
        + plain(outcome.explanation());
  }

  private static String next(ChildEnd end) {
    return switch (end.next()) {
      case RETRY ->
          "attempt "
              + (end.attempt() + 1)
              + end.nextLimitBytes().stream()
                  .mapToObj(bytes -> " with " + MemorySize.format(bytes))
                  .findFirst()
                  .orElse("");
      case GIVE_UP -> "nothing after attempt " + end.attempt() + suggestion(end.outcome());
      case QUARANTINE -> "its task is set aside after attempt " + end.attempt();
      case REPLACE -> "another worker";
      case NOTHING -> "nothing" + suggestion(end.outcome());
    };
  }

  private static String suggestion(Outcome outcome) {
    return outcome instanceof Outcome.OutOfMemory memory && memory.suggestedLimitBytes().isPresent()
        ? ", try " + MemorySize.format(memory.suggestedLimitBytes().getAsLong())
        : "";
  }

  private static String size(OptionalLong bytes, String otherwise) {
    return bytes.isPresent() ? MemorySize.format(bytes.getAsLong()) : otherwise;
  }

  /** A program's name may have a line break in it, and a line is one line. */
  private static String plain(String text) {
    return text.replaceAll("[\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}]", "?");
  }
}
