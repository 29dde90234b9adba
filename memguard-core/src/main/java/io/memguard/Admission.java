package io.memguard;

import io.memguard.launch.LaunchException;
import io.memguard.launch.LaunchStep;
import io.memguard.launch.engine.LaunchPlan;
import io.memguard.limits.LaunchOptions.Budget;
import io.memguard.limits.MemoryLimits;
import io.memguard.limits.MemorySource;
import io.memguard.limits.MemorySource.Request;
import io.memguard.limits.MemorySource.Reservation;
import io.memguard.platform.Elsewhere;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeoutException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Takes the memory of launches from their budgets. It owns the requests that wait, and withdraws
 * them when the guard closes; what is given belongs to the launch, and then to the process.
 */
final class Admission implements AutoCloseable {
  /** Memory that nobody counts. */
  static final Reservation NOTHING = Uncounted.NOTHING;

  private static final Logger LOG = LoggerFactory.getLogger(Admission.class);

  private final Set<Request> waiting = ConcurrentHashMap.newKeySet();
  private volatile boolean closed;

  /**
   * Waits until the memory of a child is there, or gives up as its options say.
   *
   * @return what is to be closed once; without a budget that has no effect
   */
  Reservation admit(LaunchPlan plan) throws LaunchException, InterruptedException {
    Optional<Budget> budget = plan.options().budget();
    return budget.isEmpty()
        ? NOTHING
        : new Lent(await(budget.get(), request(budget.get().source(), plan.limits())));
  }

  /** The tree's limit first: several processes may have more together than the one of each. */
  private static Request request(MemorySource source, MemoryLimits limits) throws LaunchException {
    OptionalLong tree = limits.treeMemory();
    OptionalLong asked = tree.isPresent() ? tree : limits.memory();
    if (asked.isEmpty()) {
      throw new LaunchException(
          LaunchStep.PREPARE,
          0,
          "its memory is to be taken from a budget, and no limit says how much that is",
          "Set one, for example MemoryLimits.of(\"512MiB\").");
    }
    try {
      return source.request(asked.getAsLong());
    } catch (IllegalArgumentException e) {
      throw new LaunchException(
          LaunchStep.PREPARE,
          0,
          String.valueOf(e.getMessage()),
          "Give it less; a retry that grows needs a ceiling within the budget (RetryPolicy.upTo).");
    }
  }

  private Reservation await(Budget budget, Request request)
      throws LaunchException, InterruptedException {
    waiting.add(request);
    try {
      if (closed) { // after it was added: either close has seen it, or this sees that
        request.withdraw();
      }
      return request.await(budget.atMost());
    } catch (TimeoutException e) {
      throw new LaunchException(
          LaunchStep.BUDGET,
          0,
          String.valueOf(e.getMessage()),
          "Wait longer (LaunchOptions.withBudget), or give children less.");
    } catch (CancellationException e) {
      throw MemoryGuard.closedGuard();
    } finally {
      waiting.remove(request);
    }
  }

  /** Turns those away that wait. */
  @Override
  public void close() {
    closed = true;
    waiting.forEach(Request::withdraw);
  }

  private enum Uncounted implements Reservation {
    NOTHING;

    @Override
    public long bytes() {
      return 0;
    }

    @Override
    public void close() {}
  }

  /** Keeps what a foreign budget throws from the outcome that is about to be told. */
  private record Lent(Reservation memory) implements Reservation {
    @Override
    public long bytes() {
      return memory.bytes();
    }

    @Override
    public void close() {
      try {
        memory.close();
      } catch (RuntimeException e) {
        Elsewhere.run(() -> LOG.error("A budget did not take its memory back", e));
      }
    }
  }
}
