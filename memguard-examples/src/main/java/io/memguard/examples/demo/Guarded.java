package io.memguard.examples.demo;

import io.memguard.GuardedProcess;
import io.memguard.MemoryGuard;
import io.memguard.launch.LaunchException;
import io.memguard.limits.GuardOptions;
import io.memguard.limits.MemoryLimits;
import io.memguard.limits.MemorySize;
import io.memguard.outcome.ChildOutOfMemoryException;
import io.memguard.outcome.Outcome;
import io.memguard.recover.RetryPolicy;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import java.util.concurrent.Callable;

/**
 * The same supervisor with memguard: a child gets what a usual day needs. One that asks for more is
 * refused by the kernel, the supervisor is told so by an exception, and tries it again with a
 * larger limit when there is room: after the others.
 */
public final class Guarded {
  /** A report of the largest days takes two thirds of the container. */
  private static final String RESERVE = "16MiB";

  private static final String USUAL = "40MiB";
  private static final String LARGER = "80MiB";
  private static final String LARGEST = "160MiB";

  private Guarded() {}

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
    try (MemoryGuard guard = MemoryGuard.create(GuardOptions.defaults().withReserve(RESERVE))) {
      List<Callable<Boolean>> calls = new ArrayList<>();
      List<Path> later = new ArrayList<>();
      for (Path day : days) {
        calls.add(() -> usualDay(guard, orders, day, later));
      }
      Orders.parallel(calls);
      System.out.println("Supervisor: " + later.size() + " to be done again, alone");
      int done = days.size() - later.size();
      for (Path day : later) {
        done += largeDay(guard, orders, day) ? 1 : 0;
      }
      System.out.println("Supervisor: " + done + " of " + days.size() + " reports done");
    }
  }

  private static boolean usualDay(MemoryGuard guard, Orders orders, Path day, List<Path> later)
      throws IOException, InterruptedException {
    try {
      report(guard, orders, day, MemoryLimits.of(USUAL)).orThrow();
      return true;
    } catch (ChildOutOfMemoryException e) {
      tell(day, e);
      synchronized (later) {
        later.add(day);
      }
      return false;
    }
  }

  private static boolean largeDay(MemoryGuard guard, Orders orders, Path day)
      throws IOException, InterruptedException {
    try {
      RetryPolicy.onOutOfMemory()
          .growBy(2.0)
          .upTo(LARGEST)
          .listener(attempt -> tell(day, attempt))
          .execute(MemoryLimits.of(LARGER), limits -> report(guard, orders, day, limits))
          .orThrow();
      return true;
    } catch (ChildOutOfMemoryException e) {
      tell(day, e);
      return false;
    }
  }

  private static Outcome report(MemoryGuard guard, Orders orders, Path day, MemoryLimits limits)
      throws LaunchException {
    GuardedProcess child = guard.start(orders.job(day), limits);
    String text;
    try (InputStream output = child.getInputStream()) {
      text = new String(output.readAllBytes(), StandardCharsets.UTF_8).strip();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    Outcome outcome = child.outcome().join();
    if (outcome.isSuccess()) {
      System.out.println(text);
    }
    return outcome;
  }

  private static void tell(Path day, RetryPolicy.Attempt attempt) {
    if (!attempt.isLast()) {
      long next = attempt.nextLimits().bytes().orElseThrow();
      System.out.println(Orders.name(day) + ": again, with " + MemorySize.format(next));
    }
  }

  private static void tell(Path day, ChildOutOfMemoryException e) {
    Outcome.OutOfMemory outcome = e.outcome();
    System.out.println(Orders.name(day) + ": " + e.getClass().getSimpleName());
    System.out.println(
        "  limit " + size(outcome.limitBytes()) + ", refused " + size(outcome.refusedBytes()));
  }

  private static String size(OptionalLong bytes) {
    return bytes.isPresent() ? MemorySize.format(bytes.getAsLong()) : "none";
  }
}
