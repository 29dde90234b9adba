package io.memguard.benchmarks;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.openjdk.jmh.profile.GCProfiler;
import org.openjdk.jmh.results.Result;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.ChainedOptionsBuilder;
import org.openjdk.jmh.runner.options.Options;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;
import org.openjdk.jmh.runner.options.VerboseMode;

/**
 * Measures everything in turns, several rounds of it, each way in a fresh JVM each time: on a
 * machine that is slower for a while, one round is slower and the ratios within it stay right.
 *
 * <p>Of one turn the median launch counts. Launch times have a long tail on one side (a collection,
 * another process on the core), which an average would follow.
 */
final class Rounds {
  /**
   * How long to measure. A warm-up too short shows the interpreter: compilers wait for thousands of
   * launches.
   */
  record Effort(int rounds, int warmupSeconds, int seconds, int floorLaunches) {}

  /** One way in one setting. */
  record Turn(Setting setting, Way way) {}

  private final Effort effort;
  private final Floor floor;
  private final Path log;
  private final Map<Turn, Figures> figures = new HashMap<>();
  private final Map<Way, Figures> bytes = new EnumMap<>(Way.class);
  final Figures floorToExit = new Figures();
  final Figures floorToStarted = new Figures();

  Rounds(Effort effort, Floor floor, Path log) {
    this.effort = effort;
    this.floor = floor;
    this.log = log;
  }

  void run(Collection<Setting> settings) throws Exception {
    List<Turn> turns = new ArrayList<>();
    for (Setting setting : settings) {
      setting.ways().forEach(way -> turns.add(new Turn(setting, way)));
    }
    for (int round = 1; round <= effort.rounds(); round++) {
      for (Turn turn : turns) {
        System.err.printf(
            "round %d of %d: %s: %s%n",
            round, effort.rounds(), turn.setting().label(), turn.way().label());
        floor.run();
        take(turn);
      }
      floor.run();
      double[] medians = floor.endRound();
      floorToExit.add(medians[0]);
      floorToStarted.add(medians[1]);
      Collections.rotate(turns, turns.size() / 2 + 1);
    }
  }

  private void take(Turn turn) throws RunnerException, IOException {
    RunResult result = new Runner(options(turn)).runSingle();
    Result<?> primary = result.getPrimaryResult();
    double figure =
        turn.setting() == Setting.TWO_THREADS
            ? primary.getScore()
            : primary.getStatistics().getPercentile(50);
    of(turn.setting(), turn.way()).add(figure);
    if (turn.setting() == Setting.TO_EXIT) {
      Result<?> allocated =
          Objects.requireNonNull(result.getSecondaryResults().get("gc.alloc.rate.norm"));
      bytesOf(turn.way()).add(allocated.getScore());
    }
  }

  /** Returns microseconds, or launches a second; empty for what was not measured. */
  Figures of(Setting setting, Way way) {
    return figures.computeIfAbsent(new Turn(setting, way), turn -> new Figures());
  }

  Figures bytesOf(Way way) {
    return bytes.computeIfAbsent(way, any -> new Figures());
  }

  private Options options(Turn turn) {
    ChainedOptionsBuilder options =
        new OptionsBuilder()
            .include(turn.setting().benchmark().getName() + ".launch$")
            .param("way", turn.way().name())
            .forks(1)
            .jvmArgs("-Xms512m", "-Xmx512m")
            .warmupIterations(2)
            .warmupTime(TimeValue.milliseconds(effort.warmupSeconds() * 500L))
            .measurementIterations(2)
            .measurementTime(TimeValue.milliseconds(effort.seconds() * 500L))
            .addProfiler(GCProfiler.class)
            .shouldFailOnError(true)
            .verbosity(VerboseMode.NORMAL)
            .output(log.toString());
    turn.setting().applyTo(options);
    return options.build();
  }
}
