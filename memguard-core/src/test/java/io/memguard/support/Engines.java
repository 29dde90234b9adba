package io.memguard.support;

import io.memguard.MemoryGuard;

/** Says which engine this run of the tests proves. */
public final class Engines {
  private Engines() {}

  /** True unless the portable engine is forced: where it is not, these tests want natives. */
  public static boolean isNative() {
    return !System.getProperty(MemoryGuard.ENGINE_PROPERTY, "native").equals("portable");
  }
}
