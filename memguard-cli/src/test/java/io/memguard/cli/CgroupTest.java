package io.memguard.cli;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What is asked of a child's own cgroup, where none can be had: the tests forbid it. */
class CgroupTest {
  private static final String WHY = "forbidden by -Dmemguard.cgroup.leaf=off";

  @ParameterizedTest
  @ValueSource(strings = {"--cgroup --memory=64MiB", "--memory-high=1G", "--pids-max=20"})
  void preferredItRunsWithoutAndSaysSo(String options) throws Exception {
    Memguard.Result result = Memguard.run(("run " + options + " true").split(" "));

    assertThat(result.status()).as(result.error()).isZero();
    assertThat(result.onlyLine()).contains("warning: no cgroup-leaf: " + WHY);
  }

  @Test
  void requiredItDoesNotRun() throws Exception {
    Memguard.Result result = Memguard.run("run", "--cgroup=require", "--memory=64MiB", "true");

    assertThat(result.status()).isEqualTo(125);
    assertThat(result.onlyLine()).contains("is required and cannot be had: " + WHY);
  }

  @Test
  void preparingFailsBeforeAnythingRuns() throws Exception {
    Memguard.Result result = Memguard.run("run", "--prepare-cgroup", "echo", "ran");

    assertThat(result.status()).isEqualTo(125);
    assertThat(result.onlyLine()).contains("Cannot prepare for leaves: " + WHY);
    assertThat(result.output()).isEmpty();
  }

  @Test
  void offItIsNotMissed() throws Exception {
    Memguard.Result result = Memguard.run("run", "--cgroup=off", "--memory=64MiB", "true");

    assertThat(result.error()).isEmpty();
    assertThat(result.status()).isZero();
  }
}
