package io.memguard.recover;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * The tasks that wait, in a line for each size of worker, and what idle slots wait for. Whoever
 * submits waits while there is no room; what is tried again needs none, for it was in already.
 *
 * <p>Safe to share between threads; virtual ones that wait leave their carrier.
 */
final class TaskLine {
  /**
   * Nobody tells when memory is asked for or given, or a task is due again: slots look that often.
   */
  private static final long LOOK_NANOS = TimeUnit.MILLISECONDS.toNanos(10);

  private final ReentrantLock lock = new ReentrantLock();
  private final Condition room = lock.newCondition();
  private final Condition change = lock.newCondition();
  private final Map<Long, ArrayDeque<Task>> bySize = new TreeMap<>();
  private final long firstSize;
  private final int capacity;
  private final int mostLarger;
  private int queued;
  private int waitingToSubmit;
  private long unfinished;
  private final Set<Holder> onLarger = new HashSet<>();
  private int wanting;
  private State state = State.OPEN;

  private enum State {
    OPEN,
    DRAINING,
    STOPPED
  }

  /** What a slot is to do next. */
  sealed interface Order {
    /** Work on a task. */
    record Work(Task task) implements Order {}

    /** Without a task. */
    enum Idle implements Order {
      /** Have a worker of the first size ready. */
      PREPARE,
      /** End the worker: another slot needs its memory. */
      YIELD,
      /** All is done. */
      STOP
    }
  }

  /** What a slot has. */
  interface Holder {
    /** Returns the size of its worker, or -1 if it has none that lives. */
    long size();

    /** Tells whether it is to end its worker for others, if they wait. */
    boolean othersWaitForMemory();
  }

  TaskLine(long firstSize, PoolOptions options) {
    this.firstSize = firstSize;
    this.capacity = options.queueCapacity();
    this.mostLarger = Math.max(1, options.workers() / 2);
  }

  /**
   * Takes a task in, as soon as there is room.
   *
   * @param nanos how long to wait at most
   * @return false if there was no room in that time, or no more tasks are taken
   */
  boolean submit(Task task, long nanos) throws InterruptedException {
    lock.lockInterruptibly();
    try {
      long left = nanos;
      waitingToSubmit++;
      try {
        while (state == State.OPEN && queued >= capacity) {
          if (left <= 0) {
            return false;
          }
          left = room.awaitNanos(left);
        }
      } finally {
        waitingToSubmit--;
      }
      if (state != State.OPEN) {
        return false;
      }
      unfinished++;
      enqueue(task);
      return true;
    } finally {
      lock.unlock();
    }
  }

  /** Takes a task in again, behind the others of its size. */
  boolean again(Task task) {
    lock.lock();
    try {
      if (state == State.STOPPED) {
        return false;
      }
      enqueue(task);
      return true;
    } finally {
      lock.unlock();
    }
  }

  private void enqueue(Task task) {
    task.waitsSince = System.nanoTime();
    bySize.computeIfAbsent(Sizes.of(task.limits()), size -> new ArrayDeque<>()).add(task);
    queued++;
    change.signalAll();
  }

  /** Notes that a task's future was completed, and tells whether all is done. */
  boolean finished() {
    lock.lock();
    try {
      unfinished--;
      if (unfinished == 0) {
        change.signalAll();
      }
      return over();
    } finally {
      lock.unlock();
    }
  }

  /** Waits for what is to be done next. */
  Order next(Holder slot) {
    lock.lock();
    try {
      onLarger.remove(slot);
      while (true) {
        Order order = orderFor(slot);
        if (order != null) {
          return order;
        }
        if (wanting > 0 || queued > 0) {
          awaitUninterruptibly(LOOK_NANOS);
        } else {
          change.awaitUninterruptibly();
        }
      }
    } finally {
      lock.unlock();
    }
  }

  private boolean over() {
    return state == State.STOPPED || (state == State.DRAINING && unfinished == 0);
  }

  private @Nullable Order orderFor(Holder slot) {
    if (over()) {
      return Order.Idle.STOP;
    }
    long size = slot.size();
    boolean memoryIsWanted = wanting > 0 && slot.othersWaitForMemory();
    if (size == firstSize && memoryIsWanted) {
      return Order.Idle.YIELD;
    }
    Task task = choose(size);
    if (task != null) {
      if (Sizes.of(task.limits()) > firstSize) {
        onLarger.add(slot);
      }
      return new Order.Work(task);
    }
    if (size > firstSize) {
      return Order.Idle.YIELD; // nobody needs that much now
    }
    return size < 0 && !memoryIsWanted ? Order.Idle.PREPARE : null;
  }

  /**
   * Tasks for larger workers are not to wait for all the small ones; but no more than half of the
   * slots work on them while small ones wait. A small one is for a worker that is ready.
   */
  private @Nullable Task choose(long size) {
    boolean small = bySize.containsKey(firstSize);
    if (!small || onLarger.size() < mostLarger) {
      OptionalLong longest =
          bySize.entrySet().stream()
              .filter(line -> line.getKey() > firstSize && line.getValue().element().isDue())
              .min(Comparator.comparingLong(line -> line.getValue().element().waitsSince))
              .stream()
              .mapToLong(Map.Entry::getKey)
              .findFirst();
      if (longest.isPresent()) {
        return take(longest.getAsLong());
      }
    }
    return small && size == firstSize ? take(firstSize) : null;
  }

  private Task take(long size) {
    ArrayDeque<Task> line = bySize.getOrDefault(size, new ArrayDeque<>());
    Task task = line.remove();
    if (line.isEmpty()) {
      bySize.remove(size);
    }
    queued--;
    if (waitingToSubmit > 0) {
      room.signal();
    }
    return task;
  }

  /** Notes that a slot asks for the memory of a larger worker, or has it, or has given up. */
  void wantsMemory(boolean wants) {
    lock.lock();
    try {
      wanting += wants ? 1 : -1;
      change.signalAll();
    } finally {
      lock.unlock();
    }
  }

  /** Has slots look again at what they have. */
  void wake() {
    lock.lock();
    try {
      change.signalAll();
    } finally {
      lock.unlock();
    }
  }

  /** Waits, unless the pool is stopped. */
  void pause(long nanos) {
    lock.lock();
    try {
      long until = System.nanoTime() + nanos;
      for (long left = nanos; left > 0 && !over(); left = until - System.nanoTime()) {
        awaitUninterruptibly(left);
      }
    } finally {
      lock.unlock();
    }
  }

  /** An interrupt is what ends a launch that waits; here it has no meaning. */
  @SuppressWarnings({"EmptyCatch", "WaitNotInLoop"}) // whoever calls this looks at the state again
  private void awaitUninterruptibly(long nanos) {
    try {
      change.awaitNanos(nanos);
    } catch (InterruptedException e) {
      // shutdownNow, which has set the state, or a stranger, who has no business here
    }
  }

  /** Takes no new tasks, and tells whether all is done. */
  boolean drain() {
    lock.lock();
    try {
      if (state == State.OPEN) {
        state = State.DRAINING;
      }
      change.signalAll();
      room.signalAll();
      return over();
    } finally {
      lock.unlock();
    }
  }

  /** Takes no tasks, and gives none out; returns those that waited. */
  List<Task> stop() {
    lock.lock();
    try {
      state = State.STOPPED;
      List<Task> left = new ArrayList<>();
      bySize.values().forEach(left::addAll);
      bySize.clear();
      queued = 0;
      change.signalAll();
      room.signalAll();
      return left;
    } finally {
      lock.unlock();
    }
  }

  private <T> T locked(Supplier<T> question) {
    lock.lock();
    try {
      return question.get();
    } finally {
      lock.unlock();
    }
  }

  boolean isOpen() {
    return locked(() -> state == State.OPEN);
  }

  /** Tells whether no worker is needed any more. */
  boolean isOver() {
    return locked(this::over);
  }

  boolean isStopped() {
    return locked(() -> state == State.STOPPED);
  }

  /** Returns how many tasks wait for a worker. */
  int queued() {
    return locked(() -> queued);
  }

  /** Returns how many tasks have no result yet. */
  long unfinished() {
    return locked(() -> unfinished);
  }
}
