package io.memguard.recover;

import io.memguard.limits.LaunchOptions;
import io.memguard.limits.MemorySize;
import io.memguard.limits.MemorySource;
import io.memguard.platform.Elsewhere;
import io.memguard.platform.cgroup.Reserve;
import java.time.Duration;
import java.time.temporal.ChronoUnit;
import java.util.Iterator;
import java.util.LinkedHashSet;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BooleanSupplier;

/**
 * An amount of memory that children share, so that all limits together do not exceed what there is.
 *
 * <pre>{@code
 * MemoryBudget budget = MemoryBudget.ofContainer();
 * LaunchOptions queued = LaunchOptions.defaults().withBudget(budget);
 * guard.run(job, MemoryLimits.of("512MiB"), queued); // waits until 512 MiB are free
 * }</pre>
 *
 * <p>Requests are served strictly in the order in which they were made: nobody overtakes, not even
 * with a request that would fit, so a large one is not starved by small ones. A request for more
 * than the whole budget is refused at once.
 *
 * <p>Whoever holds memory and waits for more can wait for ever if others do the same; launches with
 * {@link LaunchOptions#withBudget} never do, also when they are tried again.
 *
 * <p>Safe to share between threads and between guards; one budget a container is right. Waiting
 * threads are parked, and virtual ones leave their carrier.
 */
public final class MemoryBudget implements MemorySource {
  private static final int DEFAULT_RESERVE_PART = 10;

  private final BudgetArithmetic arithmetic;
  private final long capacity;

  /** Held for a few instructions, and never while anybody waits or is told something. */
  private final Lock lock = new ReentrantLock();

  private final Set<Claim> line = new LinkedHashSet<>();
  private long free;

  private MemoryBudget(BudgetArithmetic arithmetic) {
    this.arithmetic = arithmetic;
    this.capacity = arithmetic.left();
    this.free = capacity;
  }

  /**
   * Makes a budget of a given size.
   *
   * @param size for example {@code "4GiB"}; see {@link MemorySize#parse}
   * @return the budget
   * @throws IllegalArgumentException if the text is no amount of memory from one byte up
   */
  public static MemoryBudget of(String size) {
    return of(MemorySize.parse(size));
  }

  /**
   * Makes a budget of a given size.
   *
   * @param bytes 1 or more
   * @return the budget
   * @throws IllegalArgumentException if it is less than 1
   */
  public static MemoryBudget of(long bytes) {
    if (bytes < 1) {
      throw new IllegalArgumentException(
          "a budget of "
              + bytes
              + " bytes is not positive; allowed is 1 to "
              + Long.MAX_VALUE
              + " bytes");
    }
    return new MemoryBudget(BudgetArithmetic.given(bytes));
  }

  /**
   * Makes a budget of what this container, or machine, has for children, with a tenth of its limit
   * in reserve, and no less than the head-room guard ever keeps free: a quarter of the limit up to
   * 128 MiB.
   *
   * @return the budget
   * @throws IllegalStateException as {@link #ofContainer(long)}
   * @see #ofContainer(long)
   */
  public static MemoryBudget ofContainer() {
    return ofContainer(OptionalLong.empty());
  }

  /**
   * Makes a budget of what this container, or machine, has for children.
   *
   * @param reserve what is left alone, for example {@code "200MiB"}; see {@link MemorySize#parse}
   * @return the budget
   * @throws IllegalArgumentException if the text is no amount of memory from one byte up
   * @throws IllegalStateException as {@link #ofContainer(long)}
   * @see #ofContainer(long)
   */
  public static MemoryBudget ofContainer(String reserve) {
    return ofContainer(MemorySize.parse(reserve));
  }

  /**
   * Makes a budget of what this container, or machine, has for children: the smallest memory limit
   * that binds this process ({@link io.memguard.limits.EffectiveLimit}), without what this JVM
   * needs itself and a reserve. Each of these is a line of {@link #arithmetic}. The limit is that
   * of {@code memory.max} in the kernel's cgroup-v2.rst, or {@code memory.limit_in_bytes} in its
   * cgroup-v1/memory.rst, or {@code MemTotal} in proc_meminfo(5).
   *
   * <p>The heap counts with its maximum. What has a maximum of its own by an option of the JVM
   * counts with that: metaspace, code cache, direct buffers. The rest counts with twice what it is
   * at the moment: so make the budget when the application has started, and before its children. On
   * a machine without a limit, what other processes use at the moment counts too.
   *
   * <p>The reserve is for what limits of processes do not count, such as page tables and kernel
   * stacks, and for where the estimate is wrong.
   *
   * @param reserve bytes to be left alone, 0 or more
   * @return the budget
   * @throws IllegalArgumentException if the reserve is negative
   * @throws IllegalStateException if nothing is left, or no limit is known; the message has the
   *     arithmetic
   */
  public static MemoryBudget ofContainer(long reserve) {
    if (reserve < 0) {
      throw new IllegalArgumentException(
          "a reserve of " + reserve + " bytes is negative; allowed is 0 or more");
    }
    return ofContainer(OptionalLong.of(reserve));
  }

  /**
   * Where the head-room guard would begin to end children, all of the budget must not be in use.
   */
  static long defaultReserve(long limit) {
    return Math.max(limit / DEFAULT_RESERVE_PART, Reserve.standard(limit).most());
  }

  private static MemoryBudget ofContainer(OptionalLong reserve) {
    BudgetArithmetic arithmetic =
        BudgetArithmetic.ofContainer(limit -> reserve.orElseGet(() -> defaultReserve(limit)));
    if (arithmetic.left() < 1) {
      throw new IllegalStateException(
          "Nothing is left for children:\n"
              + arithmetic
              + "\nLower the JVM's maximum heap (-Xmx), or raise the limit.");
    }
    return new MemoryBudget(arithmetic);
  }

  /**
   * Returns how large it is.
   *
   * @return bytes, 1 or more; what {@link BudgetArithmetic#left} of {@link #arithmetic} says
   */
  public long capacity() {
    return capacity;
  }

  /**
   * Returns how much is free at the moment. While requests are waiting, it is not for others.
   *
   * @return bytes, from 0 to {@link #capacity}
   */
  public long available() {
    lock.lock();
    try {
      return free;
    } finally {
      lock.unlock();
    }
  }

  /**
   * Returns how many requests are waiting at the moment.
   *
   * @return 0 or more
   */
  public int waiting() {
    lock.lock();
    try {
      return line.size();
    } finally {
      lock.unlock();
    }
  }

  /**
   * Explains the size, line by line.
   *
   * @return the arithmetic; it prints as a sum
   */
  public BudgetArithmetic arithmetic() {
    return arithmetic;
  }

  /**
   * Takes memory, and waits as long as that takes.
   *
   * @param bytes 1 to {@link #capacity}
   * @return what is to be closed when the memory is free again
   * @throws IllegalArgumentException if it is less than 1, or more than the whole budget
   * @throws InterruptedException if this thread was interrupted while it waited; nothing is held
   */
  public Reservation acquire(long bytes) throws InterruptedException {
    try {
      return acquire(bytes, ChronoUnit.FOREVER.getDuration());
    } catch (TimeoutException e) {
      throw new AssertionError("292 years are over", e);
    }
  }

  /**
   * Takes memory, and waits for a while.
   *
   * @param bytes 1 to {@link #capacity}
   * @param atMost how long; zero or less fails at once if it is not there
   * @return what is to be closed when the memory is free again
   * @throws IllegalArgumentException if it is less than 1, or more than the whole budget
   * @throws InterruptedException if this thread was interrupted while it waited; nothing is held
   * @throws TimeoutException if it was not to be had in that time; nothing is held
   */
  public Reservation acquire(long bytes, Duration atMost)
      throws InterruptedException, TimeoutException {
    return request(bytes).await(atMost);
  }

  /**
   * Takes memory if it is free and nobody waits.
   *
   * @param bytes 1 to {@link #capacity}
   * @return what is to be closed when the memory is free again, or empty
   * @throws IllegalArgumentException if it is less than 1, or more than the whole budget
   */
  public Optional<Reservation> tryAcquire(long bytes) {
    Claim claim = enqueue(bytes);
    return claim.withdraw() ? Optional.empty() : Optional.of(claim.given.join());
  }

  /**
   * Takes memory when its turn has come, and makes nobody wait.
   *
   * @param bytes 1 to {@link #capacity}
   * @return completes with what is to be closed when the memory is free again, on a thread {@code
   *     memguard-elsewhere}; cancelling it, or completing it in any other way, withdraws the
   *     request or gives the memory back
   * @throws IllegalArgumentException if it is less than 1, or more than the whole budget
   */
  @SuppressWarnings("FutureReturnValueIgnored") // the actions speak for themselves
  public CompletableFuture<Reservation> acquireAsync(long bytes) {
    Claim claim = enqueue(bytes);
    CompletableFuture<Reservation> asked = new CompletableFuture<>();
    claim.given.thenAccept(memory -> Elsewhere.run(() -> hand(memory, asked)));
    asked.whenComplete((memory, trouble) -> claim.withdraw());
    return asked;
  }

  private static void hand(Reservation memory, CompletableFuture<Reservation> asked) {
    if (!asked.complete(memory)) {
      memory.close(); // nobody wants it any more
    }
  }

  /**
   * Asks for memory, for {@link LaunchOptions#withBudget}; applications have {@link #acquire}.
   *
   * @param bytes 1 to {@link #capacity}
   * @return the request
   * @throws IllegalArgumentException if it is less than 1, or more than the whole budget
   */
  @Override
  public Request request(long bytes) {
    return enqueue(bytes);
  }

  private Claim enqueue(long bytes) {
    if (bytes < 1) {
      throw new IllegalArgumentException(
          "a request of "
              + bytes
              + " bytes is not positive; allowed is 1 to "
              + capacity
              + " bytes");
    }
    if (bytes > capacity) {
      throw new IllegalArgumentException(
          MemorySize.format(bytes) + " are more than the whole budget:\n" + arithmetic);
    }
    Claim claim = new Claim(bytes);
    update(() -> line.add(claim));
    return claim;
  }

  private void giveBack(long bytes) {
    update(
        () -> {
          free += bytes;
          return true;
        });
  }

  /** Changes the line or what is free, and then gives their memory to those at its head. */
  private boolean update(BooleanSupplier change) {
    boolean changed;
    lock.lock();
    try {
      changed = change.getAsBoolean();
    } finally {
      lock.unlock();
    }
    for (Optional<Claim> next = next(); next.isPresent(); next = next()) {
      next.get().give();
    }
    return changed;
  }

  /** Takes the first out of the line, with its memory, if there is as much. */
  private Optional<Claim> next() {
    lock.lock();
    try {
      Iterator<Claim> head = line.iterator();
      Optional<Claim> first = head.hasNext() ? Optional.of(head.next()) : Optional.empty();
      Optional<Claim> next = first.filter(claim -> claim.bytes() <= free);
      next.ifPresent(
          claim -> {
            head.remove();
            free -= claim.bytes();
          });
      return next;
    } finally {
      lock.unlock();
    }
  }

  private String state() {
    lock.lock();
    try {
      return MemorySize.format(free)
          + " of "
          + MemorySize.format(capacity)
          + " are free, and "
          + line.size()
          + (line.size() == 1 ? " request is waiting" : " requests are waiting");
    } finally {
      lock.unlock();
    }
  }

  @Override
  public String toString() {
    return "MemoryBudget[" + state() + "]";
  }

  /** A request, in line until it is given its memory or withdrawn: the line says which. */
  private final class Claim implements Request {
    private final Held memory;
    private final CompletableFuture<Reservation> given = new CompletableFuture<>();

    Claim(long bytes) {
      memory = new Held(bytes);
    }

    long bytes() {
      return memory.bytes;
    }

    /** Tells whoever waits; it is out of the line. */
    void give() {
      given.complete(memory);
    }

    @Override
    public Reservation await(Duration atMost) throws InterruptedException, TimeoutException {
      try {
        return given.get(TimeUnit.NANOSECONDS.convert(atMost), TimeUnit.NANOSECONDS);
      } catch (TimeoutException e) {
        if (withdraw()) {
          throw late(atMost);
        }
        return given.join(); // it came in the last moment
      } catch (InterruptedException e) {
        if (!withdraw()) {
          giveBackWhenGiven();
        }
        throw e;
      } catch (ExecutionException e) {
        throw new AssertionError("nobody completes it so", e);
      }
    }

    private TimeoutException late(Duration atMost) {
      return new TimeoutException(
          MemorySize.format(bytes())
              + " were not to be had from the budget within "
              + atMost
              + ": "
              + state());
    }

    @SuppressWarnings("FutureReturnValueIgnored") // the action speaks for itself
    private void giveBackWhenGiven() {
      given.thenAccept(Reservation::close);
    }

    @Override
    public boolean withdraw() {
      boolean waited = update(() -> line.remove(this));
      if (waited) {
        given.cancel(false);
      }
      return waited;
    }
  }

  /** Memory that was given: it can be given back once. */
  private final class Held implements Reservation {
    private final long bytes;
    private final AtomicBoolean held = new AtomicBoolean(true);

    Held(long bytes) {
      this.bytes = bytes;
    }

    @Override
    public long bytes() {
      return bytes;
    }

    @Override
    public void close() {
      if (held.compareAndSet(true, false)) {
        giveBack(bytes);
      }
    }

    @Override
    public String toString() {
      return "Reservation[" + MemorySize.format(bytes) + (held.get() ? "]" : ", given back]");
    }
  }
}
