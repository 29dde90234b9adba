package io.memguard.support;

import com.sun.jna.Function;
import com.sun.jna.NativeLibrary;

/** What a JVM can only do to itself through the C library; for JVMs that tests start. */
public final class Libc {
  private static final int PR_SET_DUMPABLE = 4;
  private static final int RLIMIT_NPROC = 6;
  private static final int RLIMIT_AS = 9;
  private static final long UNLIMITED = -1;

  private Libc() {}

  /** From now on, what is under {@code /proc/<pid>} is closed to processes without privileges. */
  public static void beNotDumpable() {
    call("prctl", PR_SET_DUMPABLE, 0L, 0L, 0L, 0L);
  }

  /** Limits the processes and threads of this user; the hard limit is 4096. */
  public static void limitProcesses(long soft) {
    call("setrlimit", RLIMIT_NPROC, new long[] {soft, 4096});
  }

  /** From now on there is room for this much more, and for no thread whose stack is larger. */
  public static void limitAddressSpace(long more) {
    long before;
    do { // again if a thread was started meanwhile: its stack may be more than all that room
      before = Proc.addressSpace();
      call("setrlimit", RLIMIT_AS, new long[] {before + more, UNLIMITED});
    } while (Proc.addressSpace() > before + more / 2);
  }

  /** Lifts that limit again. */
  public static void unlimitAddressSpace() {
    call("setrlimit", RLIMIT_AS, new long[] {UNLIMITED, UNLIMITED});
  }

  private static void call(String name, Object... arguments) {
    Function function = NativeLibrary.getProcess().getFunction(name);
    if (function.invokeInt(arguments) != 0) {
      throw new IllegalStateException(name + " failed");
    }
  }
}
