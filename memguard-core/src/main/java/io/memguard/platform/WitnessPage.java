package io.memguard.platform;

import io.memguard.outcome.WitnessRecord;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.SecureRandom;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.stream.Stream;

/**
 * Memory shared with the witnesses of all children: one slot of 64 bytes a launch. {@code
 * guard_witness.c} has the layout.
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

  private static final int SLOT_BYTES = 64;
  private static final int SLOTS = 4096;
  private static final int GENERATION = 0;
  private static final int ATTACHED = 4;
  private static final int REFUSALS = 8;
  private static final int LARGEST = 16;
  private static final int LAST = 24;
  private static final int LAST_PID = 32;
  private static final int PEAK_RSS = 48;
  private static final int QUESTION = 56;
  private static final int ANSWER = 60;

  private static final int TRY_LIMITS = 1;
  private static final int HOLD = 2;

  private static final VarHandle INT =
      MethodHandles.byteBufferViewVarHandle(int[].class, ByteOrder.nativeOrder());
  private static final VarHandle LONG =
      MethodHandles.byteBufferViewVarHandle(long[].class, ByteOrder.nativeOrder());

  private final FileChannel channel;
  private final MappedByteBuffer memory;
  private final String path;
  private final Deque<Integer> free = new ArrayDeque<>();

  private WitnessPage(FileChannel channel, MappedByteBuffer memory, String path) {
    this.channel = channel;
    this.memory = memory;
    this.path = path;
    SecureRandom random = new SecureRandom();
    for (int slot = 1; slot < SLOTS; slot++) {
      INT.setVolatile(memory, slot * SLOT_BYTES + GENERATION, random.nextInt());
      free.add(slot);
    }
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
    FileChannel channel = FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE);
    try {
      // Written, not only extended: touching a hole of a full tmpfs would be a SIGBUS, in the child
      // too.
      ByteBuffer zeros = ByteBuffer.allocate(SLOTS * SLOT_BYTES);
      while (zeros.hasRemaining()) {
        channel.write(zeros);
      }
      MappedByteBuffer memory = channel.map(FileChannel.MapMode.READ_WRITE, 0, SLOTS * SLOT_BYTES);
      return new WitnessPage(channel, memory, descriptorOf(file));
    } catch (IOException | UncheckedIOException e) {
      channel.close();
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

  /** Takes a slot for one launch, or empty if {@code SLOTS} launches are under way. */
  public Optional<Slot> acquire() {
    Integer number;
    synchronized (free) {
      number = free.poll();
    }
    return Optional.ofNullable(number).map(Slot::new);
  }

  @Override
  public void close() {
    try {
      channel.close();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** One launch's part of the memory. */
  public final class Slot {
    private final int number;
    private final int offset;
    private final int generation;

    private Slot(int number) {
      this.number = number;
      this.offset = number * SLOT_BYTES;
      for (int field = ATTACHED; field < SLOT_BYTES; field += Integer.BYTES) {
        INT.setVolatile(memory, offset + field, 0);
      }
      this.generation = (int) INT.getVolatile(memory, offset + GENERATION) + 1;
      INT.setVolatile(memory, offset + GENERATION, generation);
    }

    /** Returns the value of {@link #VARIABLE} for the child. */
    public String address() {
      return "/proc/" + path + ":" + number + ":" + Integer.toUnsignedString(generation);
    }

    /** Has the witness try what limits stop here, before the program begins. */
    public void askForTrial() {
      INT.setVolatile(memory, offset + QUESTION, TRY_LIMITS);
    }

    /**
     * Has the witness hold memory until it is killed, or its stdin ends, before the program begins.
     */
    public void askToHold() {
      INT.setVolatile(memory, offset + QUESTION, HOLD);
    }

    /** Tells whether it has done so, or tried. */
    public boolean hasAnswered() {
      return (int) INT.getVolatile(memory, offset + ANSWER) != 0;
    }

    /** Returns what it found, as far as it did. */
    public LimitTrial trial() {
      return LimitTrial.of((int) INT.getVolatile(memory, offset + ANSWER));
    }

    /** Reads what was noted so far. */
    public WitnessRecord read() {
      long refusals = (long) LONG.getVolatile(memory, offset + REFUSALS);
      long peak = (long) LONG.getVolatile(memory, offset + PEAK_RSS);
      boolean any = refusals > 0;
      return new WitnessRecord(
          (int) INT.getVolatile(memory, offset + ATTACHED),
          refusals,
          any
              ? OptionalLong.of((long) LONG.getVolatile(memory, offset + LARGEST))
              : OptionalLong.empty(),
          any
              ? OptionalLong.of((long) LONG.getVolatile(memory, offset + LAST))
              : OptionalLong.empty(),
          any
              ? OptionalInt.of((int) INT.getVolatile(memory, offset + LAST_PID))
              : OptionalInt.empty(),
          peak > 0 ? OptionalLong.of(peak) : OptionalLong.empty());
    }

    /** Gives the slot back; descendants that still live write into it no more. */
    public void release() {
      INT.setVolatile(memory, offset + GENERATION, generation + 1);
      synchronized (free) {
        free.add(number);
      }
    }
  }
}
