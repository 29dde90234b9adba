package io.memguard.examples.workers;

import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Objects;

/**
 * A worker of memguard's {@code WorkerPool}, in Java: copy this file beside yours.
 *
 * <pre>{@code
 * public static void main(String[] arguments) throws IOException {
 *   TaskWorker.serve(task -> thumbnail(task));
 * }
 * }</pre>
 *
 * <p>What the handler throws is the task's error, and the worker lives on; but {@link
 * OutOfMemoryError} ends it, because what had no memory is in no good state. Start the JVM with
 * {@code -XX:+ExitOnOutOfMemoryError -XX:+DisplayVMOutputToStderr}: what the JVM itself says is not
 * to get between the answers. For the same reason, redirect the stdout of what the handler starts:
 * an inherited one is the pool's.
 */
public final class TaskWorker {
  private static final long VERSION = 1;
  private static final int HEADER = 1 + Long.BYTES;
  private static final int OUT_OF_MEMORY = 3; // as ExitOnOutOfMemoryError has it

  private TaskWorker() {}

  /** Works on one task. */
  @FunctionalInterface
  public interface Handler {
    /** Returns the task's result. */
    byte[] handle(byte[] task) throws Exception;
  }

  /** Works on tasks until there are no more. */
  public static void serve(Handler handler) throws IOException {
    DataInputStream tasks =
        new DataInputStream(new BufferedInputStream(new FileInputStream(FileDescriptor.in)));
    DataOutputStream answers = new DataOutputStream(new FileOutputStream(FileDescriptor.out));
    System.setIn(InputStream.nullInputStream());
    System.setOut(System.err); // what is printed is no answer
    say(answers, 'H', VERSION, new byte[0]);
    while (true) {
      int length;
      try {
        length = tasks.readInt();
      } catch (EOFException e) {
        return; // the pool has no more
      }
      int type = tasks.readUnsignedByte();
      if (type != 'T') {
        throw new IOException("a frame of type " + type + ", which is no task");
      }
      long number = tasks.readLong();
      byte[] task = tasks.readNBytes(length - HEADER);
      if (task.length < length - HEADER) {
        return; // the pool has died: half a task is none
      }
      answer(answers, handler, number, task);
    }
  }

  private static void answer(DataOutputStream answers, Handler handler, long number, byte[] task)
      throws IOException {
    byte[] result;
    try {
      result = Objects.requireNonNull(handler.handle(task), "the handler's result");
    } catch (OutOfMemoryError e) {
      e.printStackTrace(); // says to memguard which memory it was
      Runtime.getRuntime().halt(OUT_OF_MEMORY);
      return;
    } catch (Exception | StackOverflowError e) {
      StringWriter trace = new StringWriter();
      e.printStackTrace(new PrintWriter(trace));
      say(answers, 'E', number, trace.toString().getBytes(StandardCharsets.UTF_8));
      return;
    }
    say(answers, 'R', number, result);
  }

  private static void say(DataOutputStream answers, char type, long number, byte[] payload)
      throws IOException {
    ByteBuffer frame = ByteBuffer.allocate(Integer.BYTES + HEADER + payload.length);
    frame.putInt(HEADER + payload.length).put((byte) type).putLong(number).put(payload);
    answers.write(frame.array());
  }
}
