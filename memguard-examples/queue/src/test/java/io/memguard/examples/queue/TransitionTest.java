package io.memguard.examples.queue;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.examples.queue.CuttingProxy.Cut;
import java.time.Duration;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Every step from one state of the queue to the next is taken once and as a whole, wherever the
 * connection is cut.
 */
class TransitionTest extends QueueFixture {
  private static final Job JOB = python("1", "print(1)");

  private CuttingProxy proxy;

  /** The queue through the proxy; {@link #queue} is the way past it. */
  private JobQueue cut;

  @BeforeEach
  void startProxy() throws Exception {
    proxy = new CuttingProxy(server.uri());
    cut = new JobQueue(proxy.uri());
  }

  @AfterEach
  void stopProxy() throws Exception {
    assertThat(proxy.cuts()).as("how often the connection was cut").isLessThanOrEqualTo(1);
    cut.close();
    proxy.close();
  }

  private void wasCut() {
    assertThat(proxy.cuts()).as("the connection was cut").isEqualTo(1);
  }

  @ParameterizedTest
  @EnumSource
  void aJobIsAddedOnce(Cut where) {
    proxy.cutAt("EVAL", where);
    cut.submit(JOB);
    wasCut();
    assertThat(queue.backlog().messages()).isEqualTo(1);
    assertThat(queue.submit(JOB)).isFalse();
    assertThat(queue.backlog().messages()).isEqualTo(1);
  }

  @ParameterizedTest
  @EnumSource
  void aMessageWhoseDeliveryWasLostIsFoundByOthers(Cut where) {
    queue.submit(JOB);
    proxy.cutAt("XREADGROUP", where);
    boolean seen = cut.take("a").isPresent();
    wasCut();
    assertThat(seen).isEqualTo(where == Cut.BEFORE_THE_COMMAND);
    assertThat(queue.backlog().held()).isEqualTo(Map.of("a", 1L));
    Message found = queue.takeAbandoned("b", Duration.ZERO).orElseThrow();
    assertThat(Job.fromFields(found.fields())).isEqualTo(JOB);
    assertThat(found.deliveries()).isEqualTo(2);
  }

  @ParameterizedTest
  @EnumSource
  void aResultAndItsAcknowledgementAreOne(Cut where) {
    Message message = taken();
    proxy.cutAt("EVAL", where);
    cut.settle(message, new Verdict.Done("1", "fine"));
    wasCut();
    assertThat(queue.results()).isEqualTo(Map.of("1", "fine"));
    assertSettled();
  }

  @ParameterizedTest
  @EnumSource
  void aJobThatIsTriedAgainStandsInTheQueueOnce(Cut where) {
    Message message = taken();
    Job larger = JOB.afterOutOfMemory("refused", 64 << 20);
    proxy.cutAt("EVAL", where);
    cut.settle(message, new Verdict.Again(larger.toFields(), "escalated"));
    wasCut();
    assertThat(queue.backlog().messages()).isEqualTo(1);
    assertThat(queue.backlog().inWork()).isZero();
    assertThat(queue.counts()).containsEntry("escalated", "1");
    Message next = queue.take("b").orElseThrow();
    assertThat(next.id()).isNotEqualTo(message.id());
    assertThat(Job.fromFields(next.fields())).isEqualTo(larger);
  }

  @ParameterizedTest
  @EnumSource
  void aDeadLetterIsWrittenOnce(Cut where) {
    Message message = taken();
    proxy.cutAt("EVAL", where);
    cut.settle(message, new Verdict.Dead(JOB.toFields(), "exit-3", "It exited with code 3."));
    wasCut();
    assertThat(queue.dead())
        .singleElement()
        .satisfies(
            letter -> {
              assertThat(letter).containsEntry("cause", "exit-3");
              assertThat(letter).containsEntry("explanation", "It exited with code 3.");
              assertThat(Job.fromFields(letter)).isEqualTo(JOB);
            });
    assertSettled();
  }

  @Test
  void ofTwoWhoHadAMessageTheFirstSettlesIt() {
    Message first = taken();
    Message second = queue.takeAbandoned("b", Duration.ZERO).orElseThrow();
    assertThat(second.id()).isEqualTo(first.id());
    assertThat(queue.settle(first, new Verdict.Done("1", "first"))).isTrue();
    assertThat(queue.settle(second, new Verdict.Dead(JOB.toFields(), "late", ""))).isFalse();
    assertThat(queue.settle(second, new Verdict.Again(JOB.toFields(), "late"))).isFalse();
    assertThat(queue.settle(second, new Verdict.Done("1", "second"))).isFalse();
    assertThat(queue.results()).isEqualTo(Map.of("1", "first"));
    assertThat(queue.dead()).isEmpty();
    assertSettled();
  }

  @Test
  void whoRenewsKeepsAMessageAndHearsWhenItIsLost() {
    Message message = taken();
    assertThat(queue.renew("a", Set.of(message.id()))).isEmpty();
    assertThat(queue.takeAbandoned("b", Duration.ofMinutes(1))).isEmpty();
    Message taken = queue.takeAbandoned("b", Duration.ZERO).orElseThrow();
    assertThat(taken.deliveries()).as("renewing is no delivery").isEqualTo(2);
    assertThat(queue.renew("a", Set.of(message.id()))).containsExactly(message.id());
    assertThat(queue.backlog().held()).isEqualTo(Map.of("b", 1L));
  }

  @Test
  void whoHoldsAMessageIsNotRemoved() {
    Message message = taken();
    assertThat(queue.leave("a")).isFalse();
    assertThat(queue.backlog().held()).isEqualTo(Map.of("a", 1L));
    queue.settle(message, new Verdict.Done("1", ""));
    assertThat(queue.leave("a")).isTrue();
    assertThat(queue.consumers()).isEmpty();
  }

  private Message taken() {
    queue.submit(JOB);
    return queue.take("a").orElseThrow();
  }

  private void assertSettled() {
    assertThat(queue.backlog()).isEqualTo(new JobQueue.Backlog(0, Map.of()));
  }
}
