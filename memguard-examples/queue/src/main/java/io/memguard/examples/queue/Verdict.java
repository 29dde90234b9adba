package io.memguard.examples.queue;

import java.util.Map;

/** What is to become of a message. */
sealed interface Verdict {
  /**
   * The job is done.
   *
   * @param job its id
   * @param result what it printed
   */
  record Done(String job, String result) implements Verdict {}

  /**
   * It is to be tried again, by whoever comes first.
   *
   * @param fields what is put into the queue in its place
   * @param why what is counted: escalated, retried, given back
   */
  record Again(Map<String, String> fields, String why) implements Verdict {}

  /**
   * Nobody is to try it again.
   *
   * @param fields what was known of it
   * @param cause one word
   * @param explanation a sentence for people
   */
  record Dead(Map<String, String> fields, String cause, String explanation) implements Verdict {}
}
