package io.memguard.examples.demo;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;

/** A supervisor as they are written today: every child may use what it likes. */
public final class Unguarded {
  private Unguarded() {}

  /**
   * Reports on all days.
   *
   * @param arguments report.py, and the directory with the order files
   * @throws Exception if a child could not be started
   */
  public static void main(String[] arguments) throws Exception {
    Orders orders = Orders.of(arguments);
    List<Path> days = orders.days();
    System.out.println("Supervisor: " + days.size() + " reports, 4 at a time");
    List<Callable<Boolean>> calls = new ArrayList<>();
    for (Path day : days) {
      calls.add(() -> report(orders, day));
    }
    long done = Orders.parallel(calls).stream().filter(success -> success).count();
    System.out.println("Supervisor: " + done + " of " + days.size() + " reports done");
  }

  private static boolean report(Orders orders, Path day) throws IOException, InterruptedException {
    Process child = orders.job(day).start();
    String text = new String(child.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
    int exit = child.waitFor();
    System.out.println(
        exit == 0 ? text : Orders.name(day) + ": exit code " + exit + ", out of memory?");
    return exit == 0;
  }
}
