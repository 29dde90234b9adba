package io.memguard.cli;

import io.memguard.MemoryGuard;
import io.memguard.outcome.Signal;
import io.memguard.platform.SignalForwarder;
import java.io.IOException;
import java.util.Locale;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Signals sent to memguard, on their way to the command. Where the native library cannot be loaded,
 * those that end memguard end the command too; the others are lost.
 */
final class Signals {
  /** Moves the signal that the JVM keeps for itself away from SIGUSR2; bin/memguard sets it. */
  static final String RESERVED_VARIABLE = "_JAVA_SR_SIGNUM";

  private static final int SIGUSR2 = 12;
  private static final int SIGSEGV = 11;
  private static final int SIGHUP = 1;
  private static final int SIGINT = 2;
  private static final int SIGQUIT = 3;
  private static final int FIRST_REALTIME = 34;
  private static final int LAST = 64;

  private final @Nullable SignalForwarder forwarder;
  private final Set<Integer> kept;

  private Signals(@Nullable SignalForwarder forwarder, Set<Integer> kept) {
    this.forwarder = forwarder;
    this.kept = kept;
  }

  /**
   * Takes signals over.
   *
   * @param kept those that are not passed on, because the command gets them anyway
   */
  static Signals install(Set<Signal> kept) {
    Set<Integer> numbers = kept.stream().map(Signal::number).collect(Collectors.toSet());
    try {
      return new Signals(SignalForwarder.install(reserved(), numbers), numbers);
    } catch (IOException e) {
      return new Signals(null, numbers); // the guard will say why
    }
  }

  /**
   * Reads a signal as kill(1) does.
   *
   * @param text {@code INT}, {@code SIGINT} or {@code 2}
   * @throws IllegalArgumentException if there is no such signal; the message says what is allowed
   */
  static Signal named(String text) {
    String name = text.toUpperCase(Locale.ROOT);
    return IntStream.rangeClosed(1, LAST)
        .mapToObj(Signal::new)
        .filter(
            signal ->
                name.equals(String.valueOf(signal.number()))
                    || name.equals(signal.name())
                    || ("SIG" + name).equals(signal.name()))
        .findFirst()
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "\"" + text + "\" is no signal; write for example INT, SIGINT or 2"));
  }

  /**
   * Reads a signal that would be passed on.
   *
   * @throws IllegalArgumentException if there is no such signal; the message says what is allowed
   */
  static Signal forwarded(String text) {
    Signal signal = named(text);
    if (!SignalForwarder.forwards(signal.number())) {
      throw new IllegalArgumentException(
          signal.name()
              + " is never passed on; allowed are "
              + IntStream.range(1, FIRST_REALTIME)
                  .filter(SignalForwarder::forwards)
                  .mapToObj(number -> new Signal(number).name().replaceFirst("^SIG", ""))
                  .collect(Collectors.joining(", "))
              + " and "
              + FIRST_REALTIME
              + " to "
              + LAST);
    }
    return signal;
  }

  /** As the JVM reads it: what is no number above SIGSEGV has no effect. */
  private static int reserved() {
    String text = Objects.requireNonNullElse(System.getenv(RESERVED_VARIABLE), "");
    int number = text.matches("[0-9]{1,2}") ? Integer.parseInt(text) : 0;
    return number > SIGSEGV ? number : SIGUSR2;
  }

  /** Has the command ended with memguard where nothing can be forwarded. */
  void tie(MemoryGuard guard) {
    if (forwarder == null) {
      Runtime.getRuntime().addShutdownHook(new Thread(guard::close, "memguard-closing"));
    }
  }

  void to(long pid) {
    if (forwarder != null) {
      forwarder.to(pid);
    }
  }

  /** The command has ended for good: whoever wants to end something now means memguard. */
  void commandIsOver() {
    if (forwarder != null) {
      forwarder.end();
    }
  }

  /** Tells whether memguard was sent it, alone or with the command. */
  boolean saw(Signal signal) {
    return forwarder != null && forwarder.hasSeen(signal.number());
  }

  /**
   * Tells whether somebody asked memguard to end: then nothing is to be started any more. What is
   * kept from the command was meant for the command, which got it with the whole group.
   */
  boolean askedToEnd() {
    return forwarder != null
        && IntStream.of(SIGHUP, SIGINT, SIGQUIT, Signal.TERM.number())
            .filter(signal -> !kept.contains(signal))
            .anyMatch(forwarder::hasSeen);
  }
}
