package io.memguard.examples.batch;

import io.memguard.outcome.ChildProcessException;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.springframework.batch.core.listener.SkipListener;

/**
 * Keeps the items that were skipped, and why.
 *
 * @param <I> items
 */
public final class Quarantine<I> implements SkipListener<I, Object> {
  private final GuardedItemProcessor<I> processor;
  private final List<Skipped<I>> skipped = new CopyOnWriteArrayList<>();

  /**
   * An item that was skipped.
   *
   * @param <I> the item's type
   * @param item the item
   * @param cause what its last attempt failed of
   * @param limits what its attempts could use, in bytes, oldest first
   */
  public record Skipped<I>(I item, ChildProcessException cause, List<Long> limits) {}

  /**
   * Makes a quarantine.
   *
   * @param processor whose items are skipped
   */
  public Quarantine(GuardedItemProcessor<I> processor) {
    this.processor = processor;
  }

  @Override
  public void onSkipInProcess(I item, Throwable cause) {
    skipped.add(new Skipped<>(item, (ChildProcessException) cause, processor.forget(item)));
  }

  /**
   * Returns what was skipped.
   *
   * @return oldest first
   */
  public List<Skipped<I>> skipped() {
    return List.copyOf(skipped);
  }
}
