package io.memguard.examples.queue;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.GuardedProcess;
import java.time.Duration;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/** Nothing is lost and nothing done twice, whatever is killed, and whenever. */
class SurvivalTest extends QueueFixture {
  private static final Duration GRACE = Duration.ofSeconds(5);

  @Test
  void theDemonstrationLosesNothing() throws Exception {
    Workload work = new Workload(SCRIPT, 60);
    Summary summary = new Demo(guard, directory, System.out).run(work);
    assertThat(summary.problems()).as("%s", summary).isEmpty();
    assertThat(summary.count("redelivered")).as("%s", summary).isPositive();
    assertThat(summary.count("escalated")).as("%s", summary).isPositive();
  }

  @Test
  void consumersThatAreKilledAtRandomLoseNothing() throws Exception {
    Workload work = submit(30);
    Random random = new Random(20261122);
    Demo demo = new Demo(guard, directory, System.out);
    for (int kill = 1; kill <= 3; kill++) {
      GuardedProcess consumer = demo.consumer("killed-" + kill, server.uri(), MIN_IDLE, GRACE);
      String name = "killed-" + kill;
      await(
          "a job in work",
          () ->
              queue.backlog().messages() == 0 || queue.backlog().held().getOrDefault(name, 0L) > 0);
      consumer.waitFor(random.nextInt(600), TimeUnit.MILLISECONDS);
      consumer.destroyForcibly().waitFor();
    }
    GuardedProcess last = demo.consumer("last", server.uri(), MIN_IDLE, GRACE);
    awaitEmpty();
    last.destroy();
    last.waitFor();
    Summary summary = Summary.of(work, queue);
    assertThat(summary.problems()).as("%s", summary).isEmpty();
  }

  @Test
  void aServerThatIsKilledAndStartedAgainLosesNothing() throws Exception {
    Workload work = submit(30);
    try (Consumer first = consumer("a", 2);
        Consumer second = consumer("b", 2)) {
      assertThat(first).isNotSameAs(second);
      for (int third = 1; third <= 2; third++) {
        int left = work.size() - third * work.size() / 3;
        await("a third of the jobs", () -> queue.backlog().messages() <= left);
        server.restart();
      }
      awaitEmpty();
    }
    Summary summary = Summary.of(work, queue);
    assertThat(summary.problems()).as("%s", summary).isEmpty();
  }

  private Workload submit(int jobs) {
    Workload work = new Workload(SCRIPT, jobs);
    for (int number = 0; number < jobs; number++) {
      queue.submit(work.job(number));
    }
    return work;
  }
}
