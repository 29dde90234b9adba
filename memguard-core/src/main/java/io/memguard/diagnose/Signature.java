package io.memguard.diagnose;

import io.memguard.outcome.Evidence;
import io.memguard.outcome.WaitStatus;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * How a runtime says that it was refused memory: the way it ends, and a line it prints. Captured
 * from the real ones under {@code RLIMIT_DATA}; see {@code SignatureTest}.
 *
 * <p>Alone it proves nothing, since a program can print what it likes. It counts only where the
 * witness could not be.
 */
enum Signature {
  /** A traceback ends in MemoryError; the interpreter exits 1. */
  PYTHON("Python", Set.of(1), "(?m)^MemoryError\\b"),
  /** An uncaught exception aborts. */
  CPP("C++", Set.of(WaitStatus.SIGNALLED + 6), "what\\(\\):\\s+std::bad_alloc"),
  /** The allocator's error handler aborts. */
  RUST("Rust", Set.of(WaitStatus.SIGNALLED + 6), "(?m)^memory allocation of [0-9]+ bytes failed"),
  /** The runtime throws, on stderr. */
  GO(
      "Go",
      Set.of(2),
      "(?m)^(fatal error: runtime: (out of memory|cannot allocate memory)|runtime: out of"
          + " memory:)"),
  /** Speaks on stdout for the most part; exits 1, or aborts where it writes a crash report. */
  JVM(
      "JVM",
      Set.of(1, 3, WaitStatus.SIGNALLED + 6),
      "There is insufficient memory for the Java Runtime Environment to"
          + " continue|os::commit_memory\\(.*\\(errno=12\\)"),
  /** The dynamic loader gave up before main: the limit is too low to start. */
  LOADER(
      "dynamic loader",
      Set.of(127),
      "error while loading shared libraries: .*(failed to map segment from shared object|cannot map"
          + " zero-fill pages|cannot allocate|Cannot allocate memory|cannot create)|(?m)^cannot"
          + " allocate TLS data structures for initial thread");

  private final String runtime;

  @SuppressWarnings("ImmutableEnumChecker") // Set.of is immutable
  private final Set<Integer> exitValues;

  private final Pattern text;

  Signature(String runtime, Set<Integer> exitValues, String text) {
    this.runtime = runtime;
    this.exitValues = exitValues;
    this.text = Pattern.compile(text);
  }

  String runtime() {
    return runtime;
  }

  static Optional<Signature> of(Evidence evidence) {
    return Stream.of(values()).filter(signature -> signature.matches(evidence)).findFirst();
  }

  private boolean matches(Evidence evidence) {
    return exitValues.contains(evidence.status().exitValue())
        && (text.matcher(evidence.errorTail()).find()
            || text.matcher(evidence.outputTail()).find());
  }
}
