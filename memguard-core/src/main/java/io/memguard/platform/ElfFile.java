package io.memguard.platform;

import java.io.EOFException;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * The parts of a program's file that say how it is loaded; for programs of this machine's own kind.
 *
 * <p>Read without channels, which an interrupted thread finds closed.
 *
 * @param hasInterpreter whether a dynamic loader is asked for
 * @param needed the libraries that it is linked with
 * @param isGo whether it has the note that Go's linker leaves, which strip(1) keeps
 */
record ElfFile(boolean hasInterpreter, List<String> needed, boolean isGo) {
  private static final byte[] MAGIC = {0x7f, 'E', 'L', 'F'};

  // Places in the file's header, and what they hold.
  private static final int CLASS = 4;
  private static final int MACHINE = 18;
  private static final int SEGMENTS_AT = 32;
  private static final int SEGMENT_SIZE = 54;
  private static final int SEGMENT_COUNT = 56;
  private static final int HEADER_BYTES = 64;

  // Kinds of segments, and of entries in the dynamic one.
  private static final int LOAD = 1;
  private static final int DYNAMIC = 2;
  private static final int INTERPRETER = 3;
  private static final int NOTE = 4;
  private static final int NEEDED = 1;
  private static final int STRINGS = 5;

  /** The owner of the note with Go's build ID, and the note's kind. */
  private static final String GO = "Go\0\0";

  private static final int GO_BUILD_ID = 4;
  private static final int NOTE_HEADER_BYTES = 12;

  private static final int MOST_BYTES = 1 << 16;
  private static final int LONGEST_NAME = 256;

  private record Segment(int type, long offset, long address, long size) {
    boolean holds(long place) {
      return type == LOAD && place >= address && place - address < size;
    }
  }

  /** Tells whether a file that begins so is an ELF file. */
  static boolean isOne(ByteBuffer start) {
    return start.remaining() >= HEADER_BYTES
        && start.slice(0, MAGIC.length).equals(ByteBuffer.wrap(MAGIC));
  }

  /** Tells whether one that begins so is for the same CPU and pointers of the same size. */
  static boolean isOfThisMachine(ByteBuffer start) throws IOException {
    try (RandomAccessFile own = new RandomAccessFile("/proc/self/exe", "r")) {
      ByteBuffer ours = readAt(own, 0, HEADER_BYTES);
      return ours.get(CLASS) == start.get(CLASS)
          && ours.get(MACHINE) == start.get(MACHINE)
          && ours.get(MACHINE + 1) == start.get(MACHINE + 1);
    }
  }

  /** Reads one of this machine's kind. */
  static ElfFile read(RandomAccessFile file) throws IOException {
    ByteBuffer header = readAt(file, 0, HEADER_BYTES);
    int size = header.getShort(SEGMENT_SIZE);
    int count = header.getShort(SEGMENT_COUNT);
    ByteBuffer table = readAt(file, header.getLong(SEGMENTS_AT), size * count);
    List<Segment> segments = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      int at = i * size;
      segments.add(
          new Segment(
              table.getInt(at),
              table.getLong(at + 8),
              table.getLong(at + 16),
              table.getLong(at + 32)));
    }
    boolean interpreted = segments.stream().anyMatch(one -> one.type() == INTERPRETER);
    Optional<Segment> dynamic = segments.stream().filter(one -> one.type() == DYNAMIC).findFirst();
    return new ElfFile(
        interpreted,
        interpreted && dynamic.isPresent() ? needed(file, segments, dynamic.get()) : List.of(),
        isGo(file, segments));
  }

  private static boolean isGo(RandomAccessFile file, List<Segment> segments) throws IOException {
    for (Segment segment : segments) {
      if (segment.type() == NOTE
          && isGo(readAt(file, segment.offset(), (int) Math.min(segment.size(), MOST_BYTES)))) {
        return true;
      }
    }
    return false;
  }

  /** Each note is a header, its owner's name and its contents, both filled up to four bytes. */
  private static boolean isGo(ByteBuffer notes) {
    while (notes.remaining() >= NOTE_HEADER_BYTES) {
      int nameLength = notes.getInt();
      int length = notes.getInt();
      int kind = notes.getInt();
      long rest = filled(nameLength) + filled(length);
      if (nameLength < 0 || length < 0 || rest > notes.remaining()) {
        return false;
      }
      if (kind == GO_BUILD_ID && nameLength == GO.length() && startsWith(notes, GO)) {
        return true;
      }
      notes.position(notes.position() + (int) rest);
    }
    return false;
  }

  private static boolean startsWith(ByteBuffer notes, String name) {
    byte[] start = name.getBytes(StandardCharsets.US_ASCII);
    return notes.slice(notes.position(), start.length).equals(ByteBuffer.wrap(start));
  }

  private static long filled(int length) {
    return (length + 3L) & ~3L;
  }

  private static List<String> needed(RandomAccessFile file, List<Segment> segments, Segment dynamic)
      throws IOException {
    ByteBuffer entries = readAt(file, dynamic.offset(), (int) Math.min(dynamic.size(), MOST_BYTES));
    long strings = 0;
    List<Long> names = new ArrayList<>();
    while (entries.remaining() >= 2 * Long.BYTES) {
      long tag = entries.getLong();
      long value = entries.getLong();
      if (tag == NEEDED) {
        names.add(value);
      } else if (tag == STRINGS) {
        strings = value;
      }
    }
    long address = strings;
    Segment holder =
        segments.stream()
            .filter(one -> one.holds(address))
            .findFirst()
            .orElseThrow(EOFException::new);
    List<String> libraries = new ArrayList<>();
    for (long name : names) {
      libraries.add(text(file, holder.offset() + address - holder.address() + name));
    }
    return libraries;
  }

  private static String text(RandomAccessFile file, long at) throws IOException {
    byte[] bytes = new byte[LONGEST_NAME];
    file.seek(at);
    int read = file.read(bytes);
    int length = 0;
    while (length < read && bytes[length] != 0) {
      length++;
    }
    return new String(bytes, 0, length, StandardCharsets.UTF_8);
  }

  /** Both kinds of machines that there are witnesses for put the lowest byte first. */
  private static ByteBuffer readAt(RandomAccessFile file, long offset, int length)
      throws IOException {
    if (offset < 0 || length < 0 || length > MOST_BYTES) {
      throw new EOFException();
    }
    byte[] bytes = new byte[length];
    file.seek(offset);
    file.readFully(bytes);
    return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }
}
