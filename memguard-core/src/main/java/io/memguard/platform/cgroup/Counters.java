package io.memguard.platform.cgroup;

import java.util.EnumMap;
import java.util.Map;
import java.util.Objects;
import java.util.OptionalLong;
import java.util.stream.Stream;

/**
 * What a cgroup's counters say; those the kernel does not have are absent.
 *
 * @param values each known counter
 */
public record Counters(Map<Counter, Long> values) {
  public Counters {
    values = Map.copyOf(values);
  }

  static Counters parse(String text) {
    Map<Counter, Long> values = new EnumMap<>(Counter.class);
    for (Counter counter : Counter.values()) {
      KernelFile.entry(text, counter.key()).ifPresent(value -> values.put(counter, value));
    }
    return new Counters(values);
  }

  /** Returns one counter. */
  public OptionalLong of(Counter counter) {
    Long value = values.get(counter);
    return value == null ? OptionalLong.empty() : OptionalLong.of(value);
  }

  /** Returns how often the limit was reached: on cgroup v1 two files count that. */
  public OptionalLong limitReached() {
    return Stream.of(Counter.MAX, Counter.FAILCNT, Counter.MEMSW_FAILCNT)
        .map(values::get)
        .filter(Objects::nonNull)
        .mapToLong(Long::longValue)
        .reduce(Long::sum);
  }

  /** Returns how much each counter that both know has risen. */
  Counters since(Counters earlier) {
    Map<Counter, Long> risen = new EnumMap<>(Counter.class);
    values.forEach(
        (counter, value) ->
            earlier.of(counter).ifPresent(before -> risen.put(counter, value - before)));
    return new Counters(risen);
  }
}
