package io.memguard.limits;

import java.util.Arrays;
import java.util.Locale;
import java.util.Objects;

/**
 * Names a resource limit of <a
 * href="https://man7.org/linux/man-pages/man2/getrlimit.2.html">getrlimit(2)</a> that can be set
 * for a child. Limits hold per process: each process the child starts gets the whole limit again.
 */
public enum Rlimit {
  /** CPU time in seconds; SIGXCPU at the soft limit, SIGKILL at the hard one. */
  CPU(0, Unit.SECONDS),
  /** The largest file the child may write, in bytes; beyond it SIGXFSZ or EFBIG. */
  FSIZE(1, Unit.BYTES),
  /**
   * Private writable memory in bytes (heap, anonymous mappings, thread stacks; since Linux 4.7 not
   * only brk). Mapped counts, not touched; reservations without access rights and shared memory do
   * not.
   */
  DATA(2, Unit.BYTES),
  /** The main thread's stack in bytes; a quarter of it bounds the arguments and the environment. */
  STACK(3, Unit.BYTES),
  /** The largest core dump in bytes; 0 for none. */
  CORE(4, Unit.BYTES),
  /** Processes and threads of the child's user, counted over the whole user namespace. */
  NPROC(6, Unit.COUNT),
  /** One more than the largest descriptor the child may open. */
  NOFILE(7, Unit.COUNT),
  /**
   * All address space in bytes, reservations included: the JVM, Go, Node and .NET need tens of GiB
   * of it to start.
   */
  AS(9, Unit.BYTES);

  private enum Unit {
    BYTES,
    SECONDS,
    COUNT
  }

  private final int resource;
  private final Unit unit;

  Rlimit(int resource, Unit unit) {
    this.resource = resource;
    this.unit = unit;
  }

  /**
   * Returns the number of the resource in the kernel's {@code asm-generic/resource.h}.
   *
   * @return the {@code RLIMIT_…} constant
   */
  public int resource() {
    return resource;
  }

  /**
   * Tells whether the limit is an amount of memory or of file content.
   *
   * @return true for bytes, false for a time or a count
   */
  public boolean inBytes() {
    return unit == Unit.BYTES;
  }

  /**
   * Finds a limit by its name, with or without {@code RLIMIT_}, in any case.
   *
   * @param name for example {@code "nofile"}
   * @return the limit
   * @throws IllegalArgumentException if there is none; the message lists them all
   */
  public static Rlimit named(String name) {
    Objects.requireNonNull(
        name, () -> "resource limit is null; it is one of " + Arrays.toString(values()));
    String plain = name.strip().toUpperCase(Locale.ROOT).replaceFirst("^RLIMIT_", "");
    for (Rlimit limit : values()) {
      if (limit.name().equals(plain)) {
        return limit;
      }
    }
    throw new IllegalArgumentException(
        "resource limit \"" + name + "\" is unknown; it is one of " + Arrays.toString(values()));
  }
}
