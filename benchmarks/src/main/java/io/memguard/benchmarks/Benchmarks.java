package io.memguard.benchmarks;

import io.memguard.benchmarks.Rounds.Effort;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Runs everything and prints the tables; {@code benchmarks/run} calls it. */
public final class Benchmarks {
  private static final Effort FULL = new Effort(4, 8, 3, 400);
  private static final Effort QUICK = new Effort(2, 2, 1, 200);

  private Benchmarks() {}

  /**
   * Measures.
   *
   * @param args the floor's program, a file for JMH's own output, and {@code --quick} if wanted
   */
  public static void main(String[] args) throws Exception {
    boolean quick = args.length == 3 && args[2].equals("--quick");
    if (args.length != 2 && !quick) {
      System.err.println("usage: benchmarks/run [--quick]");
      System.exit(2);
    }
    Effort effort = quick ? QUICK : FULL;
    List<Setting> possible = new ArrayList<>();
    List<String> skipped = new ArrayList<>();
    for (Setting setting : Setting.values()) {
      Optional<String> obstacle = setting.obstacle();
      if (obstacle.isEmpty()) {
        possible.add(setting);
      } else {
        skipped.add(setting.label() + ": skipped, " + obstacle.get());
      }
    }
    skipped.forEach(System.err::println);
    Rounds rounds =
        new Rounds(effort, new Floor(args[0], effort.floorLaunches()), Path.of(args[1]));
    rounds.run(possible);
    new Report(rounds, System.out).print(effort.rounds());
    skipped.forEach(System.out::println);
  }
}
