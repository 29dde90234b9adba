package io.memguard.recover;

import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/**
 * One message between a pool and a worker: a length of four bytes, big-endian, of what follows; the
 * letter of its type; the task's number, eight bytes, big-endian; and what is said.
 *
 * @param type what it is
 * @param task the task's number; {@value #VERSION} in {@link Type#READY}
 * @param payload what is said
 */
@SuppressWarnings("ArrayRecordComponent") // nobody compares frames
record Frame(Type type, long task, byte[] payload) {
  /** The version of this protocol. */
  static final long VERSION = 1;

  /** The bytes of a frame after its length, besides the payload. */
  static final int HEADER = 1 + Long.BYTES;

  private static final int LENGTH = Integer.BYTES;

  /** What a frame can be. */
  enum Type {
    /** To the worker: do this. */
    TASK('T'),
    /** From the worker, once, before all else: it waits for its first task. */
    READY('H'),
    /** From the worker: the task is done, and this is its result. */
    RESULT('R'),
    /** From the worker: the task failed, in these words (UTF-8). */
    ERROR('E'),
    /** From the worker: the task was refused memory, in these words (UTF-8). */
    MEMORY('M');

    private final byte letter;

    Type(char letter) {
      this.letter = (byte) letter;
    }

    private static Type of(byte letter) throws Garbage {
      for (Type type : values()) {
        if (type.letter == letter) {
          return type;
        }
      }
      throw new Garbage("a frame of type 0x" + Integer.toHexString(letter & 0xff));
    }
  }

  /** What was read is no frame. */
  static final class Garbage extends IOException {
    private static final long serialVersionUID = 1L;

    Garbage(String what) {
      super(what);
    }
  }

  /** Returns what is said, where that is text. */
  String text() {
    return new String(payload, StandardCharsets.UTF_8);
  }

  /** Writes it whole, with one call, and flushes. */
  void write(OutputStream out) throws IOException {
    ByteBuffer buffer = ByteBuffer.allocate(LENGTH + HEADER + payload.length);
    buffer.putInt(HEADER + payload.length).put(type.letter).putLong(task).put(payload);
    out.write(buffer.array());
    out.flush();
  }

  /**
   * Reads one.
   *
   * @param most how many bytes its payload may have
   * @throws Garbage if it is none
   * @throws EOFException if there is none, or only a part of one
   */
  static Frame read(InputStream in, int most) throws IOException {
    DataInputStream data = new DataInputStream(in);
    int length = data.readInt();
    if (length < HEADER || length - HEADER > most) {
      throw new Garbage(
          "a frame of "
              + Integer.toUnsignedString(length)
              + " bytes; allowed is "
              + HEADER
              + " to "
              + ((long) most + HEADER));
    }
    Type type = Type.of(data.readByte());
    long task = data.readLong();
    byte[] payload = data.readNBytes(length - HEADER); // grows as it comes: a length is only a word
    if (payload.length < length - HEADER) {
      throw new EOFException();
    }
    return new Frame(type, task, payload);
  }
}
