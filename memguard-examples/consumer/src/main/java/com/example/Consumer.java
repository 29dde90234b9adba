package com.example;

import io.memguard.MemoryGuard;
import io.memguard.limits.MemoryLimits;
import io.memguard.outcome.AllocationDeniedException;

/** Runs a child that does nothing, and one that takes all the memory it can get. */
public final class Consumer {
  private Consumer() {}

  public static void main(String[] arguments) throws Exception {
    MemoryLimits limits = MemoryLimits.of("64MiB");
    try (MemoryGuard guard = MemoryGuard.create()) {
      System.out.println("engine: " + guard.capabilities().engine());
      guard.run(new ProcessBuilder("true"), limits).orThrow();
      guard.run(new ProcessBuilder("tail", "/dev/zero"), limits).orThrow();
    } catch (AllocationDeniedException e) {
      System.out.println("denied, " + e.outcome().confidence());
    }
  }
}
