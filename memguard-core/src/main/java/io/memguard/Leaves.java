package io.memguard;

import static java.util.stream.Collectors.joining;

import io.memguard.doctor.LeafRoom;
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
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;
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
  private static final Duration PATIENCE = Duration.ofSeconds(10);
  private static final long POLL_MILLIS = 10;

  /** A shell needs a millisecond or two. */
  private static final long ARRIVAL_POLL_NANOS = TimeUnit.MICROSECONDS.toNanos(500);

  private static final long ARRIVAL_NANOS = TimeUnit.SECONDS.toNanos(10);

  private final @Nullable LeafPlace place;
  private final LeafRoom room;
  private final ProtectionState state;
  private final Duration patience;
  private final List<Removal> late = new ArrayList<>();
  private final AtomicBoolean cleaned = new AtomicBoolean();
  private CompletableFuture<Void> removals = CompletableFuture.completedFuture(null);

  /** A leaf that could not be removed at once, and until when it is waited for. */
  private record Removal(Leaf leaf, long deadline) {}

  private Leaves(@Nullable LeafPlace place, LeafRoom room, Duration patience) {
    this.place = place;
    this.room = room;
    this.state =
        room.possible()
            ? ProtectionState.active(room.reason())
            : ProtectionState.inactive(room.reason());
    this.patience = patience;
  }

  /** Looks where leaves could be made, unless that is forbidden. */
  static Leaves look(CgroupSearch search) {
    return forbidden()
        ? none(LeafRoom.Obstacle.FORBIDDEN, "forbidden by -D" + PROPERTY + "=off")
        : at(search);
  }

  static Leaves at(CgroupSearch search) {
    return at(search, PATIENCE);
  }

  /**
   * Looks where leaves could be made.
   *
   * @param patience how long it is waited for what is left in a leaf, before that is put off
   */
  static Leaves at(CgroupSearch search, Duration patience) {
    if (search instanceof CgroupSearch.Found found) {
      LeafPlace place = LeafPlace.forChildrenOf(found.ancestry());
      return place
          .obstacle()
          .map(obstacle -> none(obstacle.kind(), obstacle.toString()))
          .orElseGet(
              () ->
                  new Leaves(
                      place,
                      new LeafRoom(
                          Optional.empty(),
                          "made below " + place.under().directory() + " when asked for"),
                      patience));
    }
    return none(
        LeafRoom.Obstacle.UNSEEN, search.unseen().orElse("this process's cgroup was not found"));
  }

  static boolean forbidden() {
    return "off".equals(System.getProperty(PROPERTY));
  }

  private static Leaves none(LeafRoom.Obstacle obstacle, String why) {
    return new Leaves(null, new LeafRoom(Optional.of(obstacle), why), PATIENCE);
  }

  /** Tells the same for {@link Capabilities}. */
  LeafRoom room() {
    return room;
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
    LeafLimits asked =
        new LeafLimits(
            limits.treeMemoryMax(),
            limits.memoryHigh(),
            limits.pidsMax(),
            limits.requirement(Protection.WORKERS_FIRST) == Requirement.OFF);
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
      cleanUp(where);
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
    String all =
        Stream.concat(Stream.of(lacking), leaf.lacking().stream())
            .filter(one -> !one.isEmpty())
            .collect(joining(", and "));
    return all.isEmpty() ? ProtectionState.active(what) : ProtectionState.partly(what, all);
  }

  private void cleanUp(LeafPlace where) {
    if (cleaned.compareAndSet(false, true)) {
      Leaf.abandoned(where).forEach(leaf -> remove(leaf, new CompletableFuture<>()));
    }
    takeLate().stream().filter(removal -> !removal.leaf().remove()).forEach(this::putOff);
  }

  private synchronized List<Removal> takeLate() {
    List<Removal> all = List.copyOf(late);
    late.clear();
    return all;
  }

  private synchronized void putOff(Removal removal) {
    late.add(removal);
  }

  /**
   * Removes a leaf at once, or, where what is in it needs time to end, on a thread of its own.
   * Where none is to be had, or it needs too long, it is tried again at each launch, and in the end
   * when this is closed.
   *
   * @param done completed when it is gone, or nobody waits for it any longer
   */
  private void remove(Leaf leaf, CompletableFuture<Void> done) {
    if (leaf.remove()) {
      done.complete(null);
      return;
    }
    Removal removal = new Removal(leaf, System.nanoTime() + patience.toNanos());
    synchronized (this) {
      removals = CompletableFuture.allOf(removals, done);
    }
    Runnable task =
        () -> {
          try {
            removePatiently(removal);
          } finally {
            done.complete(null);
          }
        };
    Thread thread = new Thread(task, "memguard-removing-leaf");
    thread.setDaemon(true);
    try {
      thread.start();
    } catch (OutOfMemoryError e) { // so Java calls it when the kernel allows no further thread
      putOff(removal);
      done.complete(null);
    }
  }

  private void removePatiently(Removal removal) {
    try {
      while (!removal.leaf().remove()) {
        if (System.nanoTime() - removal.deadline() > 0) {
          putOff(removal);
          LOG.warn(
              "cgroup {} cannot be removed yet: what is in it does not end; it is tried again before"
                  + " the next one is made, when the guard is closed, and by the next JVM",
              removal.leaf().directory());
          return;
        }
        TimeUnit.MILLISECONDS.sleep(POLL_MILLIS);
      }
    } catch (InterruptedException e) {
      putOff(removal);
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
    takeLate().forEach(this::removePatiently);
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
        if (there.orElse(false) || !onItsWay || System.nanoTime() - deadline > 0) {
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
