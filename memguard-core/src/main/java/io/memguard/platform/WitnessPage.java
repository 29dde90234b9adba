package io.memguard.platform;

import static java.nio.file.StandardOpenOption.READ;
import static java.nio.file.StandardOpenOption.WRITE;

import io.memguard.outcome.WitnessRecord;
import io.memguard.outcome.WitnessedProcess;
import io.memguard.platform.procfs.ProcessTree;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.MappedByteBuffer;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Memory shared with the witnesses of all children: one slot a launch. It begins with {@value
 * #CHUNK_SLOTS} slots, and grows by as many when all are taken.
 *
 * <p>It is a file without a name, which children open through {@code /proc/<this JVM>/fd}: nothing
 * of it is left when the JVM is killed. A slot is handed out with a new generation each time, and a
 * witness writes only into its own: a descendant that outlives its launch cannot spoil the next
 * one's record. Generations begin at random: whatever has the descriptor's number later, another
 * guard's memory or a file, is not taken for the slot.
 *
 * <p>Safe to share between threads.
 */
public final class WitnessPage implements AutoCloseable {
  /** Tells the witness in a child where its slot is. */
  public static final String VARIABLE = ProcessTree.MARK + "WITNESS";

  private static final int CHUNK_SLOTS = 32;
  private static final int CHUNK_BYTES = CHUNK_SLOTS * WitnessSlot.BYTES;
  private static final int CHUNKS = 128;

  /** As many as there are records but the first. */
  private static final int MOST_GONE = 14;

  private static final int TRY_LIMITS = 1;
  private static final int HOLD = 2;

  private final RandomAccessFile file;
  private final String path;
  private final SecureRandom random = new SecureRandom();

  /** The slots that nobody has; also guards the growth. */
  private final Deque<Place> free = new ArrayDeque<>();

  private int chunks;

  private record Place(int number, WitnessSlot slot) {}

  private WitnessPage(RandomAccessFile file, String path) {
    this.file = file;
    this.path = path;
  }

  /**
   * Makes the shared memory.
   *
   * @throws IOException if no file for it can be made, in {@code /dev/shm} or in the temp directory
   */
  public static WitnessPage create() throws IOException {
    Path shm = Path.of("/dev/shm");
    Path directory = Files.isWritable(shm) ? shm : Path.of(System.getProperty("java.io.tmpdir"));
    Path file = Files.createTempFile(directory, "memguard", null);
    RandomAccessFile open = new RandomAccessFile(file.toFile(), "rw");
    try {
      WitnessPage page = new WitnessPage(open, descriptorOf(file));
      page.grow();
      return page;
    } catch (IOException | UncheckedIOException e) {
      open.close();
      throw e;
    } finally {
      Files.deleteIfExists(file);
    }
  }

  private static String descriptorOf(Path file) throws IOException {
    Path real = file.toRealPath();
    try (Stream<Path> descriptors = Files.list(Path.of("/proc/self/fd"))) {
      String number =
          descriptors
              .filter(fd -> leadsTo(fd, real))
              .findFirst()
              .orElseThrow(
                  () -> new IOException("/proc/self/fd does not show the open file " + real))
              .getFileName()
              .toString();
      return Files.readSymbolicLink(Path.of("/proc/self")).toString() + "/fd/" + number;
    }
  }

  private static boolean leadsTo(Path descriptor, Path file) {
    try {
      return Files.readSymbolicLink(descriptor).equals(file);
    } catch (IOException closedMeanwhile) {
      return false;
    }
  }

  /**
   * Written, not only extended: touching a hole of a full tmpfs would be a SIGBUS, in children too.
   */
  private void grow() throws IOException {
    long start = (long) chunks * CHUNK_BYTES;
    file.seek(start);
    file.write(new byte[CHUNK_BYTES]);
    MappedByteBuffer memory = map(start);
    synchronized (free) {
      for (int i = 0; i < CHUNK_SLOTS; i++) {
        WitnessSlot slot = new WitnessSlot(memory, i * WitnessSlot.BYTES);
        slot.set(WitnessSlot.GENERATION, random.nextInt());
        free.add(new Place(chunks * CHUNK_SLOTS + i, slot));
      }
      chunks++;
    }
  }

  /**
   * By a channel of its own: an interrupted thread's is closed, with its descriptor, and children
   * need that of the file.
   */
  private MappedByteBuffer map(long start) throws IOException {
    boolean interrupted = false;
    try {
      while (true) {
        try (FileChannel own = FileChannel.open(Path.of("/proc", path), READ, WRITE)) {
          return own.map(FileChannel.MapMode.READ_WRITE, start, CHUNK_BYTES);
        } catch (ClosedByInterruptException e) {
          interrupted |= Thread.interrupted();
        }
      }
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  /**
   * Takes a slot for one launch, or empty if {@code CHUNKS * CHUNK_SLOTS} launches are under way,
   * or there is no room for more of them.
   */
  public Optional<Slot> acquire() {
    synchronized (free) {
      if (free.isEmpty() && chunks < CHUNKS) {
        try {
          grow();
        } catch (IOException full) {
          return Optional.empty();
        }
      }
      return Optional.ofNullable(free.poll()).map(Slot::new);
    }
  }

  @Override
  public void close() {
    try {
      file.close();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** One launch's part of the memory. */
  public final class Slot {
    private final Place place;
    private final WitnessSlot slot;
    private final int generation;
    private final Deque<WitnessedProcess> gone = new ArrayDeque<>(); // whose records were freed
    private boolean given; // back

    private Slot(Place place) {
      this.place = place;
      this.slot = place.slot();
      slot.clear();
      this.generation = slot.number(WitnessSlot.GENERATION) + 1;
      slot.set(WitnessSlot.GENERATION, generation);
    }

    /** Returns the value of {@link #VARIABLE} for the child. */
    public String address() {
      return "/proc/" + path + ":" + place.number() + ":" + Integer.toUnsignedString(generation);
    }

    /** Has the witness try what limits stop here, before the program begins. */
    public void askForTrial() {
      slot.set(WitnessSlot.QUESTION, TRY_LIMITS);
    }

    /**
     * Has the witness hold memory until it is killed, or its stdin ends, before the program begins.
     */
    public void askToHold() {
      slot.set(WitnessSlot.QUESTION, HOLD);
    }

    /** Has each descendant of the launch's first process offer itself to the OOM killer. */
    public void putWorkersFirst() {
      slot.set(WitnessSlot.WORKERS_FIRST, 1);
    }

    /** Tells whether it has done so, or tried. */
    public boolean hasAnswered() {
      return slot.number(WitnessSlot.ANSWER) != 0;
    }

    /** Returns what it found, as far as it did. */
    public LimitTrial trial() {
      return LimitTrial.of(slot.number(WitnessSlot.ANSWER));
    }

    /** Reads what was noted so far, also of the last of those whose records were freed. */
    public synchronized WitnessRecord read() {
      WitnessRecord noted = slot.read();
      List<WitnessedProcess> all = new ArrayList<>(noted.processes());
      all.addAll(gone);
      return new WitnessRecord(
          noted.programs(),
          noted.refusals(),
          noted.largestRefusedBytes(),
          noted.withoutRoom(),
          all);
    }

    /**
     * Tells, for next to nothing, whether a witness watches and has seen nothing refused so far;
     * false once the slot is given back.
     */
    public boolean isQuiet() {
      boolean quiet = slot.isQuiet();
      return slot.number(WitnessSlot.GENERATION) == generation && quiet;
    }

    /** Reads the same for others than its owner: empty once it is given back. */
    public synchronized Optional<WitnessRecord> readNow() {
      return given ? Optional.empty() : Optional.of(read());
    }

    /**
     * Reads what the records have now that nobody has freed yet. Whoever was {@link #gone} before
     * writes no more.
     */
    public synchronized Optional<WitnessRecord> readRecords() {
      return given ? Optional.empty() : Optional.of(slot.read());
    }

    /** Returns those that were refused something and have ended, but for the child itself. */
    public Set<Integer> gone() {
      return slot.refused().stream()
          .filter(pid -> ProcessHandle.of(pid).isEmpty())
          .collect(Collectors.toSet());
    }

    /**
     * Makes room for others in the records of those that are gone, and of whom nothing is to be
     * told any more.
     *
     * @param pids what {@link #gone} said
     * @param noted what their records had afterwards
     */
    public synchronized void free(Set<Integer> pids, WitnessRecord noted) {
      if (given || pids.isEmpty()) {
        return;
      }
      noted.processes().stream().filter(one -> pids.contains(one.pid())).forEach(gone::add);
      while (gone.size() > MOST_GONE) {
        gone.remove();
      }
      slot.free(pids);
    }

    /** Gives the slot back, once; descendants that still live write into it no more. */
    public synchronized void release() {
      if (given) {
        return;
      }
      given = true;
      slot.set(WitnessSlot.GENERATION, generation + 1);
      synchronized (free) {
        free.add(place);
      }
    }
  }
}
