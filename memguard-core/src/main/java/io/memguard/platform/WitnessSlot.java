package io.memguard.platform;

import io.memguard.outcome.Refusal;
import io.memguard.outcome.WitnessRecord;
import io.memguard.outcome.WitnessedProcess;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;

/**
 * What the bytes of a slot mean: a header, then a record for each process. {@code witness_slot.c}
 * has the layout.
 *
 * <p>Witnesses may be writing at any time. Counters are right at any time; of the last refusal all
 * is told, or nothing.
 */
final class WitnessSlot {
  static final int BYTES = 2048;
  static final int GENERATION = 0;
  static final int ATTACHED = 4;
  static final int REFUSALS = 8;
  private static final int LARGEST = 16;
  private static final int BEGAN = 24;
  private static final int WITHOUT_ROOM = 32;
  static final int QUESTION = 36;
  static final int ANSWER = 40;
  static final int WORKERS_FIRST = 44;

  private static final int FIRST_RECORD = 128;
  private static final int RECORD_BYTES = 128;
  private static final int RECORDS = 15;
  private static final int PID = 0;
  private static final int PROGRAMS = 4;
  private static final int NAME = 8;
  private static final int NAME_BYTES = 16;
  private static final int MEMORY_REFUSALS = 24;
  private static final int THREAD_REFUSALS = 28;
  private static final int SPAWN_REFUSALS = 32;
  private static final int VERSION = 36;
  private static final int LARGEST_HERE = 40;
  private static final int LAST_BYTES = 48;
  private static final int TID = 56;
  private static final int KIND_AND_ERRNO = 60;
  private static final int AT = 64;
  private static final int DATA = 72;
  private static final int ADDRESS = 80;
  private static final int RSS = 88;
  private static final int PEAK_RSS = 96;
  private static final int DATA_LIMIT = 104;
  private static final int ADDRESS_LIMIT = 112;

  /** A witness writes for some microseconds, and ten times a second at most for longer. */
  private static final int TRIES = 100;

  private static final long NO_LIMIT = -1;
  private static final byte[] ZEROS = new byte[BYTES - ATTACHED];
  private static final Refusal.Kind[] KINDS = Refusal.Kind.values();

  private static final VarHandle INT =
      MethodHandles.byteBufferViewVarHandle(int[].class, ByteOrder.nativeOrder());
  private static final VarHandle LONG =
      MethodHandles.byteBufferViewVarHandle(long[].class, ByteOrder.nativeOrder());

  private final ByteBuffer memory;
  private final int offset;

  WitnessSlot(ByteBuffer memory, int offset) {
    this.memory = memory;
    this.offset = offset;
  }

  int number(int field) {
    return (int) INT.getVolatile(memory, offset + field);
  }

  void set(int field, int value) {
    INT.setVolatile(memory, offset + field, value);
  }

  long size(int field) {
    return (long) LONG.getVolatile(memory, offset + field);
  }

  /** Makes it as if nothing had been noted. */
  void clear() {
    memory.put(offset + ATTACHED, ZEROS);
  }

  /**
   * Returns the processes but the first that were refused something, or were killed while they
   * noted that.
   */
  Set<Integer> refused() {
    Set<Integer> pids = new HashSet<>();
    for (int i = 1; i < RECORDS; i++) {
      int pid = number(record(i) + PID);
      if (pid != 0 && number(record(i) + VERSION) != 0) {
        pids.add(pid);
      }
    }
    return pids;
  }

  /**
   * Frees the records of processes that were refused something and are gone. Once the version is 0,
   * a witness may take the record over.
   */
  void free(Set<Integer> gone) {
    for (int i = 1; i < RECORDS; i++) {
      int record = record(i);
      int pid = number(record + PID);
      if (gone.contains(pid) && number(record + VERSION) != 0) {
        memory.put(offset + record + PROGRAMS, ZEROS, 0, VERSION - PROGRAMS);
        memory.put(offset + record + LARGEST_HERE, ZEROS, 0, RECORD_BYTES - LARGEST_HERE);
        set(record + VERSION, 0);
        INT.compareAndSet(memory, offset + record + PID, pid, 0);
      }
    }
  }

  private static int record(int number) {
    return FIRST_RECORD + number * RECORD_BYTES;
  }

  /** Tells whether a witness is there, and has nothing to tell. */
  boolean isQuiet() {
    if (number(ATTACHED) == 0 || size(REFUSALS) != 0 || number(WITHOUT_ROOM) != 0) {
      return false;
    }
    boolean quiet = true;
    for (int i = 0; quiet && i < RECORDS; i++) {
      quiet = number(record(i) + VERSION) == 0;
    }
    return quiet;
  }

  WitnessRecord read() {
    long refusals = size(REFUSALS); // noted last: the rest is there
    List<WitnessedProcess> processes = new ArrayList<>();
    for (int i = 0; i < RECORDS; i++) {
      settled(record(i)).ifPresent(processes::add);
    }
    return new WitnessRecord(
        number(ATTACHED),
        refusals,
        refusals > 0 ? OptionalLong.of(size(LARGEST)) : OptionalLong.empty(),
        Integer.toUnsignedLong(number(WITHOUT_ROOM)),
        processes);
  }

  /** Empty if it is nobody's. */
  private Optional<WitnessedProcess> settled(int record) {
    int pid = number(record + PID);
    for (int i = 0; pid != 0 && i < TRIES; i++) {
      WitnessedProcess read = process(record);
      int after = number(record + PID);
      if (read.pid() == pid && after == pid) {
        return Optional.of(read);
      }
      pid = after;
    }
    return Optional.empty();
  }

  private WitnessedProcess process(int record) {
    long largest = size(record + LARGEST_HERE);
    return new WitnessedProcess(
        number(record + PID),
        name(record + NAME),
        number(record + PROGRAMS),
        Integer.toUnsignedLong(number(record + MEMORY_REFUSALS)),
        Integer.toUnsignedLong(number(record + THREAD_REFUSALS)),
        Integer.toUnsignedLong(number(record + SPAWN_REFUSALS)),
        known(largest),
        last(record),
        known(size(record + PEAK_RSS)));
  }

  private String name(int field) {
    byte[] bytes = new byte[NAME_BYTES];
    memory.get(offset + field, bytes);
    int length = 0;
    while (length < NAME_BYTES && bytes[length] != 0) {
      length++;
    }
    return new String(bytes, 0, length, StandardCharsets.UTF_8);
  }

  /** Empty also if the process was killed while it wrote. */
  private Optional<Refusal> last(int record) {
    for (int i = 0; i < TRIES; i++) {
      int version = number(record + VERSION);
      Optional<Refusal> refusal = refusal(record);
      if (version % 2 == 0 && version == number(record + VERSION)) {
        return refusal;
      }
      Thread.onSpinWait();
    }
    return Optional.empty();
  }

  private Optional<Refusal> refusal(int record) {
    int both = number(record + KIND_AND_ERRNO); // two halves, the kind at the lower address
    boolean little = ByteOrder.nativeOrder() == ByteOrder.LITTLE_ENDIAN;
    int kind = little ? both & 0xffff : both >>> 16;
    int errno = little ? both >>> 16 : both & 0xffff;
    if (kind < 1 || kind > KINDS.length) {
      return Optional.empty();
    }
    OptionalLong data = known(size(record + DATA));
    return Optional.of(
        new Refusal(
            KINDS[kind - 1],
            errno,
            size(record + LAST_BYTES),
            number(record + TID),
            Duration.ofNanos(Math.max(0, size(record + AT) - size(BEGAN))),
            data,
            known(size(record + ADDRESS)),
            known(size(record + RSS)),
            data.isPresent() ? limit(record + DATA_LIMIT) : OptionalLong.empty(),
            data.isPresent() ? limit(record + ADDRESS_LIMIT) : OptionalLong.empty()));
  }

  private OptionalLong limit(int field) {
    long limit = size(field);
    return limit == NO_LIMIT ? OptionalLong.empty() : OptionalLong.of(limit);
  }

  private static OptionalLong known(long value) {
    return value > 0 ? OptionalLong.of(value) : OptionalLong.empty();
  }
}
