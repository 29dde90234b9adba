package io.memguard.benchmarks;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/**
 * One figure, measured once a round. Two of them are compared round by round: what slows a round
 * slows both.
 */
final class Figures {
  private final List<Double> rounds = new ArrayList<>();

  void add(double figure) {
    rounds.add(figure);
  }

  boolean isEmpty() {
    return rounds.isEmpty();
  }

  double median() {
    return median(rounds);
  }

  Figures dividedBy(Figures base) {
    Figures ratios = new Figures();
    for (int round = 0; round < rounds.size(); round++) {
      ratios.add(rounds.get(round) / base.rounds.get(round));
    }
    return ratios;
  }

  double least() {
    return Collections.min(rounds);
  }

  double most() {
    return Collections.max(rounds);
  }

  static double median(List<Double> values) {
    List<Double> sorted = new ArrayList<>(values);
    Collections.sort(sorted);
    int middle = sorted.size() / 2;
    return sorted.size() % 2 == 1
        ? sorted.get(middle)
        : (sorted.get(middle - 1) + sorted.get(middle)) / 2;
  }
}
