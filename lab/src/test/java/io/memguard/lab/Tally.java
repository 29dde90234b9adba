package io.memguard.lab;

import java.util.List;
import java.util.TreeMap;
import java.util.stream.Collectors;

/**
 * What was said of some children, and what should have been.
 *
 * @param expected a regular expression
 * @param runs how often it should have been said
 * @param said all that was
 */
record Tally(String expected, int runs, List<String> said) {
  boolean right() {
    return hits() == runs;
  }

  private long hits() {
    return said.stream().filter(one -> one.matches(expected)).count();
  }

  /** For example {@code CONTAINER CERTAIN 18, CONTAINER PROBABLE 2: 20/20}. */
  @Override
  public String toString() {
    TreeMap<String, Long> counts =
        said.stream()
            .collect(Collectors.groupingBy(one -> one, TreeMap::new, Collectors.counting()));
    String all =
        counts.size() == 1
            ? said.get(0)
            : counts.entrySet().stream()
                .map(one -> one.getKey() + " " + one.getValue())
                .collect(Collectors.joining(", "));
    return all + ": " + hits() + "/" + runs + (right() ? "" : ", WRONG: not " + expected);
  }
}
