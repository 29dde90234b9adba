package io.memguard.events;

import io.memguard.outcome.MemoryEvent;
import java.util.Objects;
import java.util.function.Consumer;
import java.util.function.IntSupplier;

/**
 * Is told what becomes of all children of a guard. Set by {@link
 * io.memguard.limits.GuardOptions#withListener}; whoever wants to know of one thing alone, or of a
 * pool's tasks, has {@link io.memguard.limits.LaunchOptions#withMemoryListener} and {@code
 * io.memguard.recover.PoolListener}.
 *
 * <p><b>On which thread.</b> All on the guard's thread {@code memguard-events}, one call after the
 * other, but for {@link #guardOpened}. Nobody who starts, waits for or ends a child waits for a
 * listener, with one exception: where something happened to a child's memory, its outcome waits
 * until that was told. It waits for a second at most, and not at all as long as a listener is
 * behind for whom somebody has waited a second in vain.
 *
 * <p><b>In which order.</b> Of one child: that it was launched, what happened to its memory, and
 * how it ended, once. A child that is tried again is another child, launched after the first one's
 * end was told. What a child left behind may be told of after its end. Several listeners are told
 * one after the other, in the order in which they were set.
 *
 * <p><b>When.</b> Who waits for a child may have its outcome a little before a listener has been
 * told. {@code MemoryGuard.close} returns when all was told, or after a second.
 *
 * <p><b>If it fails.</b> What it throws is logged, and changes nothing. While it blocks, up to a
 * thousand events are kept for it; what comes then is not told, nor recorded if it is a {@link
 * #memory} event, and how much that was is logged.
 *
 * <p>It is called by one thread of each guard that has it: one for several guards has to be safe to
 * share.
 */
public interface MemoryGuardListener {
  /**
   * Returns a listener that wants to know only what happens to memory.
   *
   * @param told is told
   * @return the listener
   */
  static MemoryGuardListener ofMemory(Consumer<MemoryEvent> told) {
    Objects.requireNonNull(told, "listener");
    return new MemoryGuardListener() {
      @Override
      public void memory(MemoryEvent event) {
        told.accept(event);
      }
    };
  }

  /**
   * Returns a listener that wants to know only how children end.
   *
   * @param told is told
   * @return the listener
   */
  static MemoryGuardListener ofEnds(Consumer<ChildEnd> told) {
    Objects.requireNonNull(told, "listener");
    return new MemoryGuardListener() {
      @Override
      public void ended(ChildEnd end) {
        told.accept(end);
      }
    };
  }

  /**
   * A guard was made that tells this listener. It comes once from each guard, before anything else,
   * and on the thread that makes it.
   *
   * @param living tells how many children the guard has at the moment, those of its pools included;
   *     0 when it is closed. It may be asked on any thread, waits for nothing, and is kept by the
   *     guard as long as that is: one may refer to it weakly
   */
  default void guardOpened(IntSupplier living) {}

  /**
   * A child was started.
   *
   * @param launch which one
   */
  default void launched(ChildLaunch launch) {}

  /**
   * A child could not be started.
   *
   * @param failure why
   */
  default void launchFailed(FailedLaunch failure) {}

  /**
   * Something happened to the memory of a child, or of the container around.
   *
   * @param event what
   */
  default void memory(MemoryEvent event) {}

  /**
   * A child has ended. It is told when it is known what comes next, so for a child that may be
   * tried again, or had a pool's task, when that was decided.
   *
   * @param end how, and what comes next
   */
  default void ended(ChildEnd end) {}
}
