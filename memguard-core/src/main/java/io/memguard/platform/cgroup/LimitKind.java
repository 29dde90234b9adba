package io.memguard.platform.cgroup;

/** What a limit bounds, and what happens there. */
public enum LimitKind {
  /** Memory: the kernel reclaims, and where that does not help it kills. */
  MAX,
  /** Memory: the kernel reclaims and slows down, and kills nobody. */
  HIGH,
  /** Swap space alone (cgroup v2). */
  SWAP,
  /** Memory and swap space together (cgroup v1). */
  MEMORY_AND_SWAP
}
