package io.memguard.platform.cgroup;

import io.memguard.doctor.LeafRoom;
import io.memguard.platform.cgroup.LeafPlace.Obstacle;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;

/**
 * Makes room for leaves on cgroup v2: a cgroup that hands the memory controller to its children may
 * hold no process, so those that are in it move into one named {@value LeafPlace#SUPERVISOR} below.
 *
 * <p>All of it or nothing: what was done is undone when a later step fails. Of several processes
 * that make room in the same cgroup, one does it at a time: it has locked {@code cgroup.threads}, a
 * file that whoever was delegated the cgroup may open, and that is read or written for nothing else
 * here (a process loses its lock when it closes any descriptor of the file).
 */
public final class Room {
  private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(10);
  private static final long BUSY_NANOS = TimeUnit.SECONDS.toNanos(1);
  private static final long POLL_MILLIS = 10;
  private static final String PROCS = "cgroup.procs";
  private static final String SUBTREE_CONTROL = "cgroup.subtree_control";

  /** What the kernel's file shows for a process of another pid namespace. */
  private static final String STRANGER = "0";

  private final Cgroup home;
  private final Cgroup supervisor;
  private final Predicate<Path> writable;
  private final List<String> done = new ArrayList<>();
  private final Undoing undoing = new Undoing();
  private final Set<String> moved = new LinkedHashSet<>();

  private Room(Cgroup home, Predicate<Path> writable) {
    this.home = home;
    this.writable = writable;
    this.supervisor = home.child(LeafPlace.SUPERVISOR);
  }

  /**
   * Makes room where this process is now.
   *
   * @param machine where to look
   * @param memoryMin what to write to the supervisor's {@code memory.min}, in bytes; empty for
   *     nothing
   * @param disarmOomGroup whether {@code memory.oom.group} of the cgroup that gets the leaves is to
   *     be 0
   * @return what was done; nothing if all was so already
   * @throws IOException if that is impossible; the message says why and what helps. Nothing has
   *     changed then, but for what the message says could not be undone
   */
  public static List<String> make(Machine machine, OptionalLong memoryMin, boolean disarmOomGroup)
      throws IOException {
    return make(machine, memoryMin, disarmOomGroup, Files::isWritable);
  }

  static List<String> make(
      Machine machine, OptionalLong memoryMin, boolean disarmOomGroup, Predicate<Path> writable)
      throws IOException {
    long deadline = System.nanoTime() + PATIENCE_NANOS;
    while (true) {
      LeafPlace place = place(machine);
      if (place.under() instanceof CgroupV1) {
        return refuseMinimum(memoryMin, "cgroup v1 has no memory.min; leave it out");
      }
      try (FileChannel file = open(place.under().file("cgroup.threads"));
          FileLock lock = lock(file, place.under(), deadline)) {
        LeafPlace now = place(machine);
        // Whoever had the lock before us may have moved us.
        if (lock.isValid() && now.under().directory().equals(place.under().directory())) {
          return new Room(now.under(), writable).make(now, memoryMin, disarmOomGroup);
        }
      }
    }
  }

  /** Moves this process into a cgroup. */
  public static void enter(Cgroup cgroup) throws IOException {
    KernelFile.write(cgroup.file(PROCS), "0");
  }

  /** Processes do not stand in the way here: they are what is moved. */
  private static LeafPlace place(Machine machine) throws IOException {
    if (CgroupFinder.findOwn(machine) instanceof CgroupSearch.Found found) {
      LeafPlace place = LeafPlace.forChildrenOf(found.ancestry());
      Optional<Obstacle> obstacle =
          place.obstacle().filter(what -> what.kind() != LeafRoom.Obstacle.HOLDS_PROCESSES);
      if (obstacle.isPresent()) {
        throw new IOException(obstacle.get().toString());
      }
      return place;
    }
    throw new IOException(
        CgroupFinder.findOwn(machine).unseen().orElse("this process's cgroup was not found"));
  }

  private static FileChannel open(Path file) throws IOException {
    try {
      return FileChannel.open(file, StandardOpenOption.WRITE);
    } catch (IOException e) {
      throw new IOException(
          file + " cannot be locked: " + reason(e) + "; give this user that file as well (chown)",
          e);
    }
  }

  private static FileLock lock(FileChannel file, Cgroup home, long deadline) throws IOException {
    FileLock lock = file.tryLock();
    while (lock == null) {
      if (System.nanoTime() - deadline > 0) {
        throw new IOException(
            "another process has been making room in cgroup " + home.path() + " for too long");
      }
      pause();
      lock = file.tryLock();
    }
    return lock;
  }

  private static void pause() throws IOException {
    try {
      TimeUnit.MILLISECONDS.sleep(POLL_MILLIS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted while making room for leaves", e);
    }
  }

  private static List<String> refuseMinimum(OptionalLong memoryMin, String why) throws IOException {
    if (memoryMin.isPresent()) {
      throw new IOException("memory.min " + memoryMin.getAsLong() + " cannot be set: " + why);
    }
    return List.of();
  }

  private List<String> make(LeafPlace place, OptionalLong memoryMin, boolean disarmOomGroup)
      throws IOException {
    try {
      if (place.obstacle().isPresent()) {
        moveProcesses();
      }
      enable("memory");
      if (mayHandOutPids()) {
        enable("pids");
      }
      if (memoryMin.isPresent()) {
        if (!isSupervised()) {
          refuseMinimum(memoryMin, "this process is in the root cgroup; start it in another");
        }
        set(supervisor, "memory.min", Long.toString(memoryMin.getAsLong()));
      }
      if (disarmOomGroup && home.oomGroup().orElse(false)) {
        set(home, "memory.oom.group", "0");
      }
      return List.copyOf(done);
    } catch (IOException e) {
      List<String> stays = undoing.undo();
      throw stays.isEmpty()
          ? e
          : new IOException(e.getMessage() + "; not undone: " + String.join(", ", stays), e);
    } catch (RuntimeException | Error e) {
      undoing.undo();
      throw e;
    }
  }

  /** Leaves can do without: who asks for pids.max is told what is in the way. */
  private boolean mayHandOutPids() {
    return KernelFile.words(home.file("cgroup.controllers")).contains("pids")
        && writable.test(home.file(SUBTREE_CONTROL));
  }

  private void moveProcesses() throws IOException {
    boolean made = makeSupervisor();
    undoing.add(
        () -> {
          if (made) {
            move(supervisor, home, new HashSet<>());
            patiently(() -> Files.delete(supervisor.directory()));
          } else {
            moveBack();
          }
        });
    move(home, supervisor, moved);
    done.add(
        "moved "
            + moved.size()
            + (moved.size() == 1 ? " process" : " processes")
            + " of cgroup "
            + home.path()
            + " into it");
  }

  /** Returns whether it was not there before, and so is ours to remove. */
  private boolean makeSupervisor() throws IOException {
    try {
      Files.createDirectory(supervisor.directory());
      done.add("made cgroup " + supervisor.path());
      return true;
    } catch (FileAlreadyExistsException e) {
      return false;
    } catch (IOException e) {
      throw new IOException(
          "cgroup " + supervisor.directory() + " cannot be made: " + reason(e), e);
    }
  }

  /** Of those that are in the supervisor by now, some may have been there before. */
  private void moveBack() throws IOException {
    moved.retainAll(processes(supervisor));
    IOException trouble = null;
    for (String pid : moved) {
      try {
        KernelFile.write(home.file(PROCS), pid);
      } catch (IOException e) {
        trouble = e;
      }
    }
    if (trouble != null && processes(supervisor).stream().anyMatch(moved::contains)) {
      throw trouble;
    }
  }

  /** Until none is left: while they are moved they may start others. */
  private static void move(Cgroup from, Cgroup to, Set<String> moved) throws IOException {
    long deadline = System.nanoTime() + PATIENCE_NANOS;
    Set<String> refused = new HashSet<>();
    List<String> left = processes(from);
    while (!left.isEmpty()) {
      if (left.contains(STRANGER)) {
        throw new IOException(
            "cgroup "
                + from.path()
                + " holds a process of another pid namespace, which cannot be moved from here; end"
                + " it, or make room for leaves from where it was started");
      }
      if (System.nanoTime() - deadline > 0) {
        throw new IOException(
            "the processes of cgroup " + from.path() + " start others faster than they are moved");
      }
      for (String pid : left) {
        try {
          KernelFile.write(to.file(PROCS), pid);
          moved.add(pid);
        } catch (IOException e) { // it has ended; else it is still there the next time
          if (!refused.add(pid)) {
            throw new IOException(
                "process " + pid + " cannot be moved into " + to.directory() + ": " + reason(e), e);
          }
        }
      }
      left = processes(from);
    }
  }

  private boolean isSupervised() throws IOException {
    String own = Long.toString(ProcessHandle.current().pid());
    return supervisor.exists() && processes(supervisor).contains(own);
  }

  private static List<String> processes(Cgroup cgroup) throws IOException {
    return Files.readAllLines(cgroup.file(PROCS));
  }

  private void enable(String controller) throws IOException {
    Path file = home.file(SUBTREE_CONTROL);
    if (KernelFile.words(file).contains(controller)) {
      return;
    }
    try {
      patiently(
          () -> {
            if (!moved.isEmpty()) {
              move(home, supervisor, moved); // somebody may have entered
            }
            KernelFile.write(file, "+" + controller);
          });
    } catch (IOException e) {
      throw new IOException("+" + controller + " was refused by " + file + ": " + reason(e), e);
    }
    done.add("enabled the " + controller + " controller below " + home.path());
    undoing.add(() -> KernelFile.write(file, "-" + controller));
  }

  /** A process that is about to end is listed no more, and still in the way for a moment. */
  private static void patiently(Undoing.Step step) throws IOException {
    long deadline = System.nanoTime() + BUSY_NANOS;
    while (true) {
      try {
        step.run();
        return;
      } catch (IOException e) {
        if (System.nanoTime() - deadline > 0) {
          throw e;
        }
        pause();
      }
    }
  }

  private void set(Cgroup cgroup, String name, String value) throws IOException {
    Path file = cgroup.file(name);
    try {
      String before = Files.readString(file).strip();
      if (before.equals(value)) {
        return;
      }
      KernelFile.write(file, value);
      done.add("set " + name + " of cgroup " + cgroup.path() + " from " + before + " to " + value);
      undoing.add(() -> KernelFile.write(file, before));
    } catch (IOException e) {
      throw new IOException(value + " was refused by " + file + ": " + reason(e), e);
    }
  }

  static String reason(IOException e) {
    if (e instanceof NoSuchFileException) {
      return "it is not there";
    }
    if (e instanceof AccessDeniedException) {
      return "permission denied";
    }
    return e instanceof FileSystemException refused && refused.getReason() != null
        ? refused.getReason()
        : String.valueOf(e.getMessage());
  }
}
