package com.example;

import io.memguard.MemoryGuard;
import io.memguard.limits.GuardOptions;
import io.memguard.limits.MemoryLimits;
import io.memguard.micrometer.MemoryGuardMeters;
import io.memguard.outcome.AllocationDeniedException;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;

/** Runs a child that does nothing, and one that takes all the memory it can get. */
public final class Consumer {
  private Consumer() {}

  public static void main(String[] arguments) throws Exception {
    SimpleMeterRegistry registry = new SimpleMeterRegistry();
    GuardOptions options = GuardOptions.defaults().withListener(new MemoryGuardMeters(registry));
    MemoryLimits limits = MemoryLimits.of("64MiB");
    try (MemoryGuard guard = MemoryGuard.create(options)) {
      System.out.println("engine: " + guard.capabilities().engine());
      guard.run(new ProcessBuilder("true"), limits).orThrow();
      guard.run(new ProcessBuilder("tail", "/dev/zero"), limits).orThrow();
    } catch (AllocationDeniedException e) {
      System.out.println("denied, " + e.outcome().confidence());
    }
    double ends = 0;
    for (Counter one : registry.get("memguard.outcomes").counters()) {
      ends += one.count();
    }
    System.out.println("counted: " + Math.round(ends));
  }
}
