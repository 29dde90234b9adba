package io.memguard.benchmarks;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * The C program next to which everything is measured, {@code floor.c}; it runs in turns with the
 * rest.
 */
final class Floor {
  private final String program;
  private final int launches;
  private final List<Double> toExit = new ArrayList<>();
  private final List<Double> toStarted = new ArrayList<>();

  Floor(String program, int launches) {
    this.program = program;
    this.launches = launches;
  }

  void run() throws IOException, InterruptedException {
    Process process =
        new ProcessBuilder(program, String.valueOf(launches))
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    String[] medians =
        new String(process.getInputStream().readAllBytes(), StandardCharsets.US_ASCII)
            .strip()
            .split(" ", 2);
    if (process.waitFor() != 0) {
      throw new IOException(program + " failed");
    }
    toExit.add(Double.parseDouble(medians[0]));
    toStarted.add(Double.parseDouble(medians[1]));
  }

  /** Returns the median of the runs of this round, to exit and to started, and forgets them. */
  double[] endRound() {
    double[] medians = {Figures.median(toExit), Figures.median(toStarted)};
    toExit.clear();
    toStarted.clear();
    return medians;
  }
}
