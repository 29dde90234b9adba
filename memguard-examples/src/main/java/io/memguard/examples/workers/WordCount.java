package io.memguard.examples.workers;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** Counts the words of texts; a worker with nothing else in it. */
public final class WordCount {
  private WordCount() {}

  /** Works on tasks until there are no more. */
  public static void main(String[] arguments) throws IOException {
    TaskWorker.serve(WordCount::count);
  }

  private static byte[] count(byte[] text) {
    String words = new String(text, StandardCharsets.UTF_8).strip();
    System.out.println("counting"); // goes to stderr
    if (words.isEmpty()) {
      throw new IllegalArgumentException("there are no words");
    }
    if (words.startsWith("repeat ")) { // which makes a small task a large one
      words = (words + " ").repeat(Integer.parseInt(words.substring(7)));
    }
    long count = Arrays.stream(words.split("\\s+", -1)).filter(word -> !word.isEmpty()).count();
    return Long.toString(count).getBytes(StandardCharsets.UTF_8);
  }
}
