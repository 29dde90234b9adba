package io.memguard.examples.queue;

import io.memguard.limits.MemorySize;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A job, with all that has become of it so far: whoever gets it next needs to know nothing else.
 * Immutable.
 *
 * @param id names its result; the same job added twice has one result
 * @param command what to run
 * @param limitBytes how much memory the next attempt gets, 1 or more
 * @param timeout how long an attempt may take, more than zero
 * @param memoryFailures how many attempts ran out of memory
 * @param otherFailures how many attempts failed for another reason
 * @param history how each attempt ended, a line each, oldest first
 */
public record Job(
    String id,
    List<String> command,
    long limitBytes,
    Duration timeout,
    int memoryFailures,
    int otherFailures,
    List<String> history) {
  /** No argument of a program can hold it, so it may stand between them. */
  private static final String BETWEEN_ARGUMENTS = "\0";

  /**
   * Checks and copies the values.
   *
   * @throws IllegalArgumentException if one is out of its range; the message says which
   */
  public Job {
    command = List.copyOf(command);
    history = List.copyOf(history);
    check(!id.isBlank(), "has no id");
    check(!command.isEmpty() && !command.get(0).isEmpty(), "has no command");
    check(limitBytes > 0, "has a limit of " + limitBytes + " bytes; allowed is 1 or more");
    check(timeout.toMillis() > 0, "has a timeout of " + timeout + "; allowed is 1 ms or more");
    check(memoryFailures >= 0 && otherFailures >= 0, "has failed less than 0 times");
  }

  /**
   * Makes a job that was never tried.
   *
   * @param id names its result
   * @param command what to run
   * @param limit how much memory the first attempt gets, for example {@code "64MiB"}
   * @return the job
   */
  public static Job of(String id, List<String> command, String limit) {
    return new Job(id, command, MemorySize.parse(limit), Duration.ofMinutes(10), 0, 0, List.of());
  }

  Job withTimeout(Duration value) {
    return new Job(id, command, limitBytes, value, memoryFailures, otherFailures, history);
  }

  /** The same job after an attempt that ran out of memory, with the limit for the next one. */
  Job afterOutOfMemory(String what, long nextLimitBytes) {
    return new Job(
        id, command, nextLimitBytes, timeout, memoryFailures + 1, otherFailures, adding(what));
  }

  /** The same job after an attempt that failed for another reason. */
  Job afterFailure(String what) {
    return new Job(
        id, command, limitBytes, timeout, memoryFailures, otherFailures + 1, adding(what));
  }

  private List<String> adding(String what) {
    List<String> longer = new ArrayList<>(history);
    longer.add(MemorySize.format(limitBytes) + ": " + what.replace('\n', ' '));
    return longer;
  }

  /** The fields of its message. */
  Map<String, String> toFields() {
    Map<String, String> fields = new LinkedHashMap<>();
    fields.put("job", id);
    fields.put("command", String.join(BETWEEN_ARGUMENTS, command));
    fields.put("limit", Long.toString(limitBytes));
    fields.put("timeout-ms", Long.toString(timeout.toMillis()));
    fields.put("memory-failures", Integer.toString(memoryFailures));
    fields.put("other-failures", Integer.toString(otherFailures));
    fields.put("history", String.join("\n", history));
    return fields;
  }

  /**
   * Reads a message.
   *
   * @throws IllegalArgumentException if it is no job; the message says why
   */
  static Job fromFields(Map<String, String> fields) {
    String history = fields.getOrDefault("history", "");
    return new Job(
        field(fields, "job"),
        List.of(field(fields, "command").split(BETWEEN_ARGUMENTS, -1)),
        number(fields, "limit"),
        Duration.ofMillis(number(fields, "timeout-ms")),
        (int) number(fields, "memory-failures"),
        (int) number(fields, "other-failures"),
        history.isEmpty() ? List.of() : List.of(history.split("\n", -1)));
  }

  private static long number(Map<String, String> fields, String name) {
    String text = field(fields, name);
    try {
      return Long.parseLong(text);
    } catch (NumberFormatException e) {
      throw new IllegalArgumentException(
          "the message's field " + name + " is no number: " + text, e);
    }
  }

  private static String field(Map<String, String> fields, String name) {
    String value = fields.get(name);
    if (value == null) {
      throw new IllegalArgumentException("the message has no field " + name);
    }
    return value;
  }

  private static void check(boolean good, String problem) {
    if (!good) {
      throw new IllegalArgumentException("the message " + problem);
    }
  }
}
