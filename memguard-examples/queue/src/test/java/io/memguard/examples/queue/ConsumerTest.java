package io.memguard.examples.queue;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.memguard.recover.MemoryBudget;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import redis.clients.jedis.Jedis;
import redis.clients.jedis.StreamEntryID;

/** What a consumer does on bad days. */
class ConsumerTest extends QueueFixture {
  @Test
  void keepsALongJobWhileItLives() throws Exception {
    queue.submit(python("long", "import time; time.sleep(8); print('done')"));
    Duration minIdle = Duration.ofSeconds(3);
    try (Consumer first = consumer("a", 1, minIdle);
        Consumer second = consumer("b", 1, minIdle)) {
      assertThat(first).isNotSameAs(second);
      awaitEmpty();
    }
    assertThat(queue.results()).isEqualTo(Map.of("long", "done"));
    assertThat(queue.counts()).containsEntry("started", "1").doesNotContainKey("redelivered");
  }

  @Test
  void endsAJobWhoseMessageAnotherHasTaken() throws Exception {
    Path pid = directory.resolve("pid");
    queue.submit(sleeperThatTells(pid));
    // The thief shows no sign of life: who has lost the message must not take it back meanwhile.
    try (Consumer consumer = consumer("a", 1, Duration.ofSeconds(9))) {
      assertThat(consumer).isNotNull();
      ProcessHandle child = child(pid);
      Message taken = queue.takeAbandoned("thief", Duration.ZERO).orElseThrow();
      await("the child's end", () -> !child.isAlive());
      assertThat(queue.backlog().held()).isEqualTo(Map.of("thief", 1L));
      assertThat(queue.settle(taken, new Verdict.Done("sleeper", "by another"))).isTrue();
    }
    assertThat(queue.results()).isEqualTo(Map.of("sleeper", "by another"));
  }

  @Test
  void givesBackWhatIsNotDoneInTimeWhenItIsStopped() throws Exception {
    Path pid = directory.resolve("pid");
    queue.submit(sleeperThatTells(pid));
    Demo demo = new Demo(guard, directory, System.out);
    var consumer = demo.consumer("a", server.uri(), MIN_IDLE, Duration.ofSeconds(1));
    ProcessHandle child = child(pid);
    consumer.destroy(); // SIGTERM
    assertThat(consumer.waitFor()).isEqualTo(128 + 15);
    assertThat(child.isAlive()).isFalse();
    assertThat(queue.backlog()).isEqualTo(new JobQueue.Backlog(1, Map.of()));
    assertThat(queue.counts()).containsEntry("given back", "1");
    assertThat(queue.consumers()).isEmpty();
    Message again = queue.take("b").orElseThrow();
    assertThat(again.deliveries()).as("to be stopped is no failure").isEqualTo(1);
    assertThat(Job.fromFields(again.fields()).otherFailures()).isZero();
  }

  @Test
  void finishesWhatIsDoneInTimeWhenItIsStopped() throws Exception {
    Path pid = directory.resolve("pid");
    queue.submit(python("brief", tells(pid) + "time.sleep(1); print('done')"));
    Consumer consumer = consumer("a", 1);
    child(pid);
    consumer.stop(Duration.ofSeconds(30));
    assertThat(queue.results()).isEqualTo(Map.of("brief", "done"));
    assertThat(queue.consumers()).isEmpty();
  }

  @Test
  void buriesAMessageThatNoConsumerSurvives() throws Exception {
    queue.submit(python("poison", "print(1)"));
    assertThat(queue.take("dead-1")).isPresent();
    for (int i = 2; i <= POLICY.deliveries(); i++) {
      assertThat(queue.takeAbandoned("dead-" + i, Duration.ZERO)).isPresent();
    }
    try (Consumer consumer = consumer("a", 1)) {
      assertThat(consumer).isNotNull();
      awaitEmpty();
    }
    assertThat(queue.results()).isEmpty();
    assertThat(queue.counts()).doesNotContainKey("started");
    assertThat(queue.dead())
        .singleElement()
        .satisfies(letter -> assertThat(letter).containsEntry("cause", "consumers-died"));
  }

  @Test
  void buriesWhatIsNoJobAndWhatCannotBeLaunched() throws Exception {
    try (Jedis raw = new Jedis(server.uri())) {
      raw.xadd("{jobs}:stream", StreamEntryID.NEW_ENTRY, Map.of("what", "is this?"));
    }
    queue.submit(Job.of("missing", List.of("/no/such/program"), "32MiB"));
    try (Consumer consumer = consumer("a", 1)) {
      assertThat(consumer).isNotNull();
      awaitEmpty();
    }
    assertThat(queue.dead()).hasSize(2);
    assertThat(queue.dead().get(0))
        .containsEntry("cause", "malformed")
        .containsEntry("what", "is this?");
    assertThat(queue.dead().get(1)).containsEntry("cause", "launch");
  }

  @Test
  void refusesABudgetThatIsSmallerThanWhatAJobMayGet() {
    assertThatThrownBy(() -> new Consumer(queue, "a", POLICY, 1, MemoryBudget.of("255MiB")).close())
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("256MiB");
  }

  private static String tells(Path pid) {
    return "import os, time; open('%s', 'w').write(f'{os.getpid()}\\n'); ".formatted(pid);
  }

  private static Job sleeperThatTells(Path pid) {
    return python("sleeper", tells(pid) + "time.sleep(600)");
  }

  private static ProcessHandle child(Path pid) throws Exception {
    await("the child's pid", () -> Files.exists(pid) && Files.readString(pid).endsWith("\n"));
    return ProcessHandle.of(Long.parseLong(Files.readString(pid).strip())).orElseThrow();
  }
}
