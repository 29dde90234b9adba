package io.memguard;

import io.memguard.launch.LaunchException;
import io.memguard.launch.LaunchStep;
import io.memguard.limits.MemoryLimits;
import io.memguard.limits.Protection;
import io.memguard.limits.ProtectionState;
import io.memguard.limits.Requirement;
import io.memguard.outcome.Signal;
import io.memguard.platform.cgroup.CgroupSearch;
import io.memguard.platform.cgroup.Leaf;
import io.memguard.platform.cgroup.LeafLimits;
import io.memguard.platform.cgroup.LeafPlace;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Gives each launch that asks for it a cgroup of its own, where one can be made; whether it can is
 * looked up once, and changes nothing.
 *
 * <p>A lease owns its leaf from before the launch until it was removed; those of JVMs that were
 * killed are removed before the first one is made.
 */
final class Leaves implements AutoCloseable {
  /** The system property that forbids leaves, whatever a launch asks for: {@code off}. */
  static final String PROPERTY = "memguard.cgroup.leaf";

  private static final Logger LOG = LoggerFactory.getLogger(Leaves.class);
  private static final String REMEDY = "Mend that, or only prefer Protection.CGROUP_LEAF.";
  private static final long MIB = 1L << 20;
  private static final long PAGE = 64 << 10; // the largest there is

  /** Above the resource limit by this much at least, or by this part of it. */
  private static final long SLACK_BYTES = 32 * MIB;

  private static final int SLACK_PART = 4;
  private static final long POLL_MILLIS = 10;
  private static final int POLLS = 1000;

  /** A shell needs a millisecond or two. */
  private static final long ARRIVAL_POLL_NANOS = TimeUnit.MICROSECONDS.toNanos(500);

  private static final long ARRIVAL_NANOS = TimeUnit.SECONDS.toNanos(10);

  private final @Nullable LeafPlace place;
  private final ProtectionState state;
  private final List<Leaf> late = new ArrayList<>();
  private CompletableFuture<Void> removals = CompletableFuture.completedFuture(null);
  private boolean cleaned;

  private Leaves(@Nullable LeafPlace place, ProtectionState state) {
    this.place = place;
    this.state = state;
  }

  /** Looks where leaves could be made, unless that is forbidden. */
  static Leaves look(CgroupSearch search) {
    return forbidden() ? none("forbidden by -D" + PROPERTY + "=off") : at(search);
  }

  static Leaves at(CgroupSearch search) {
    if (search instanceof CgroupSearch.Found found) {
      LeafPlace place = LeafPlace.forChildrenOf(found.ancestry());
      return place.obstacle().isPresent()
          ? none(place.obstacle().get().toString())
          : new Leaves(
              place,
              ProtectionState.active(
                  "made below " + place.under().directory() + " when asked for"));
    }
    return none(search.unseen().orElse("this process's cgroup was not found"));
  }

  static boolean forbidden() {
    return "off".equals(System.getProperty(PROPERTY));
  }

  private static Leaves none(String why) {
    return new Leaves(null, ProtectionState.inactive(why));
  }

  /** Tells whether leaves can be made here, or why not. */
  ProtectionState state() {
    return state;
  }

  /**
   * Prepares the leaf of one launch.
   *
   * @throws LaunchException if it is required and cannot be had
   */
  Lease arm(MemoryLimits limits) throws LaunchException {
    Requirement wanted = limits.requirement(Protection.CGROUP_LEAF);
    LeafLimits asked = new LeafLimits(max(limits), limits.memoryHigh(), limits.pidsMax());
    if (wanted == Requirement.OFF) {
      return Lease.none("switched off for this launch");
    }
    if (wanted == Requirement.PREFER && asked.isEmpty()) {
      return Lease.none("not needed: no memory limit is set");
    }
    Lease lease =
        place == null
            ? new Lease(this, Optional.empty(), state, false)
            : make(place, asked, wanted == Requirement.REQUIRE);
    if (wanted == Requirement.REQUIRE && lease.leaf.isEmpty()) {
      throw new LaunchException(
          LaunchStep.PREPARE,
          0,
          "a cgroup of its own is required and cannot be had: " + lease.state.reason(),
          REMEDY);
    }
    return lease;
  }

  private Lease make(LeafPlace where, LeafLimits asked, boolean required) {
    String lacking = String.join(", and ", where.under().lacking(asked));
    if (required && !lacking.isEmpty()) {
      return new Lease(this, Optional.empty(), ProtectionState.inactive(lacking), false);
    }
    try {
      cleanUpOnce(where);
      Leaf leaf = Leaf.make(where, asked);
      return new Lease(this, Optional.of(leaf), inForce(leaf, lacking), required);
    } catch (IOException e) {
      return new Lease(
          this,
          Optional.empty(),
          ProtectionState.inactive(
              "no cgroup could be made below " + where.under().directory() + ": " + e),
          false);
    }
  }

  private static ProtectionState inForce(Leaf leaf, String lacking) {
    OptionalLong max = leaf.limits().max();
    String what =
        leaf.directory()
            + (max.isPresent() ? " with a limit of " + max.getAsLong() + " bytes" : "");
    return lacking.isEmpty() ? ProtectionState.active(what) : ProtectionState.partly(what, lacking);
  }

  private synchronized void cleanUpOnce(LeafPlace where) {
    if (!cleaned) {
      cleaned = true;
      Leaf.abandoned(where).forEach(leaf -> remove(leaf, new CompletableFuture<>()));
    }
  }

  /**
   * What the leaf may use: a little more than the resource limit, so that an allocation is refused,
   * which the child can report, before the kernel kills. Where none is in force, exactly the limit.
   */
  private static OptionalLong max(MemoryLimits limits) {
    OptionalLong asked = limits.memory();
    if (asked.isEmpty()) {
      return asked;
    }
    long limit = asked.getAsLong();
    long slack = limits.bytes().isPresent() ? Math.max(SLACK_BYTES, limit / SLACK_PART) : 0;
    long sum = limit > Long.MAX_VALUE - slack - PAGE ? Long.MAX_VALUE - PAGE : limit + slack;
    return OptionalLong.of((sum + PAGE - 1) / PAGE * PAGE);
  }

  /**
   * Removes a leaf at once, or, where what is in it needs time to end, on a thread of its own;
   * where none is to be had, when this is closed.
   *
   * @param done completed when it is gone, or cannot be removed now
   */
  private void remove(Leaf leaf, CompletableFuture<Void> done) {
    if (leaf.remove()) {
      done.complete(null);
      return;
    }
    synchronized (this) {
      removals = CompletableFuture.allOf(removals, done);
    }
    Runnable removal =
        () -> {
          try {
            removePatiently(leaf);
          } finally {
            done.complete(null);
          }
        };
    Thread thread = new Thread(removal, "memguard-removing-leaf");
    thread.setDaemon(true);
    try {
      thread.start();
    } catch (OutOfMemoryError e) { // so Java calls it when the kernel allows no further thread
      synchronized (this) {
        late.add(leaf);
      }
      done.complete(null);
    }
  }

  private static void removePatiently(Leaf leaf) {
    try {
      for (int poll = 0; poll < POLLS; poll++) {
        if (leaf.remove()) {
          return;
        }
        TimeUnit.MILLISECONDS.sleep(POLL_MILLIS);
      }
      LOG.warn(
          "cgroup {} cannot be removed: what is in it does not end; the next guard will try again",
          leaf.directory());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** Waits until the leaves of children that ended are gone. */
  @Override
  public void close() {
    CompletableFuture<Void> waiting;
    synchronized (this) {
      waiting = removals;
    }
    waiting.join();
    List<Leaf> left;
    synchronized (this) {
      left = List.copyOf(late);
    }
    left.forEach(Leaves::removePatiently);
  }

  /** The leaf of one launch, or the reason why there is none. */
  static final class Lease {
    private final @Nullable Leaves owner;
    private final Optional<Leaf> leaf;
    private final boolean required;
    private final CompletableFuture<Void> gone = new CompletableFuture<>();
    private volatile ProtectionState state;

    private Lease(
        @Nullable Leaves owner, Optional<Leaf> leaf, ProtectionState state, boolean required) {
      this.owner = owner;
      this.leaf = leaf;
      this.state = state;
      this.required = required;
      if (leaf.isEmpty()) {
        gone.complete(null);
      }
    }

    static Lease none(String why) {
      return new Lease(null, Optional.empty(), ProtectionState.inactive(why), false);
    }

    Optional<Path> directory() {
      return leaf.map(Leaf::directory);
    }

    /** Returns the leaf, if the child is in it. */
    Optional<Leaf> leaf() {
      return state.active() ? leaf : Optional.empty();
    }

    ProtectionState state() {
      return state;
    }

    /**
     * Looks whether the child really got there; where a shell takes it there, when that is done.
     *
     * @param child just started; ended if the leaf is required, and it is not in it
     * @param joined whether it is known to have joined: the portable engine cannot tell
     */
    void verify(Child child, boolean joined) throws LaunchException {
      ProtectionState entered = child.protections().get(Protection.CGROUP_LEAF);
      if (leaf.isEmpty() || entered == null) {
        return;
      }
      boolean elsewhere =
          !whenArrived(leaf.get(), child).orElseGet(() -> joined || leaf.get().wasUsed());
      if (elsewhere) {
        state =
            ProtectionState.inactive(
                "the kernel left the child outside of " + leaf.get().directory());
      } else {
        state = entered.active() ? state : entered;
      }
      if (required && elsewhere) {
        child.signal(Signal.KILL);
        throw new LaunchException(LaunchStep.CGROUP, 0, state.reason(), REMEDY);
      }
    }

    private static Optional<Boolean> whenArrived(Leaf leaf, Child child) {
      long deadline = System.nanoTime() + ARRIVAL_NANOS;
      while (true) {
        boolean onItsWay = child.isOnItsWay(); // asked first: it may arrive in between
        Optional<Boolean> there = leaf.holds(child.pid());
        if (there.orElse(true) || !onItsWay || System.nanoTime() - deadline > 0) {
          return there;
        }
        LockSupport.parkNanos(ARRIVAL_POLL_NANOS);
      }
    }

    /** Ends what is left in the leaf, and removes it; after its counters were read. */
    void release() {
      if (owner != null) {
        leaf.ifPresent(made -> owner.remove(made, gone));
      }
    }

    /** Completes when it was released and removed; at once if there is none. */
    CompletableFuture<Void> gone() {
      return gone.copy();
    }
  }
}
