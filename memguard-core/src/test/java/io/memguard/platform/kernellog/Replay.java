package io.memguard.platform.kernellog;

import io.memguard.platform.Errno;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Deque;

/** Stands for {@code /dev/kmsg}: what each read of it answers. */
final class Replay implements KernelLog.Source {
  private final Deque<Object> answers = new ArrayDeque<>();
  private int closed;

  Replay record(String text) {
    answers.add(text.getBytes(StandardCharsets.UTF_8));
    return this;
  }

  Replay error(int errno) {
    answers.add(-errno);
    return this;
  }

  int closed() {
    return closed;
  }

  @Override
  public int read(ByteBuffer to) {
    Object answer = answers.isEmpty() ? (Object) (-Errno.EAGAIN) : answers.remove();
    if (answer instanceof byte[] record) {
      to.put(record);
      return record.length;
    }
    return (Integer) answer;
  }

  @Override
  public void close() {
    closed++;
  }
}
