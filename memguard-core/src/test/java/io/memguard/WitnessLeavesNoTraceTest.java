package io.memguard;

import static io.memguard.support.Children.output;
import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.limits.MemoryLimits;
import io.memguard.limits.Protection;
import io.memguard.limits.Requirement;
import io.memguard.outcome.Outcome;
import io.memguard.support.Children;
import io.memguard.support.WithGuard;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** The child does not notice its witness, but for two variables. */
@ExtendWith(WithGuard.class)
final class WitnessLeavesNoTraceTest {
  private static final MemoryLimits WATCHED =
      MemoryLimits.of("256MiB").with(Protection.WITNESS, Requirement.REQUIRE);

  private static final String[] MARKS = {"MEMGUARD_WITNESS", "MEMGUARD_TREE"};

  @Test
  void itWorksOnThisMachine(MemoryGuard guard) {
    assertThat(guard.capabilities().protections().get(Protection.WITNESS)).hasToString("active");
  }

  @Test
  void theEnvironmentIsOtherwiseTheSame(MemoryGuard guard) throws Exception {
    ProcessBuilder env = new ProcessBuilder("env", "-0");
    List<String> plain = variables(output(env.start()));
    List<String> watched = variables(output(guard.start(env, WATCHED)));
    assertThat(watched.stream().filter(name -> name.startsWith("LD_PRELOAD=")))
        .singleElement()
        .asString()
        .endsWith("libmemguard_witness.so");
    assertThat(watched.stream().filter(name -> name.startsWith("MEMGUARD_WITNESS=/proc/")))
        .hasSize(1);
    watched.removeIf(
        name -> name.startsWith("LD_PRELOAD=") || name.startsWith("MEMGUARD_WITNESS="));
    assertThat(watched).containsExactlyInAnyOrderElementsOf(plain);
  }

  @Test
  void withoutAMemoryLimitOrSwitchedOffThereIsNone(MemoryGuard guard) throws Exception {
    ProcessBuilder env = new ProcessBuilder("env", "-0");
    assertThat(output(guard.start(env, MemoryLimits.none()))).doesNotContain(MARKS);
    MemoryLimits off = MemoryLimits.of("1GiB").with(Protection.WITNESS, Requirement.OFF);
    assertThat(output(guard.start(env, off))).doesNotContain("MEMGUARD_WITNESS", "LD_PRELOAD");
    MemoryLimits neither = off.with(Protection.TREE_WATCH, Requirement.OFF);
    assertThat(output(guard.start(env, neither))).doesNotContain(MARKS);
  }

  @Test
  void whoseTreeIsLookedAtHasAMarkOfItsOwnInsteadOfIt(MemoryGuard guard) throws Exception {
    ProcessBuilder env = new ProcessBuilder("env", "-0");
    List<String> plain = variables(output(env.start()));
    MemoryLimits limits = MemoryLimits.of("1GiB").with(Protection.WITNESS, Requirement.OFF);
    List<String> one = variables(output(guard.start(env, limits)));
    List<String> other = variables(output(guard.start(env, limits)));
    one.removeAll(plain);
    other.removeAll(plain);
    assertThat(one).singleElement().asString().matches("MEMGUARD_TREE_\\d+_[0-9a-f]+=1");
    assertThat(other).singleElement().isNotEqualTo(one.get(0));
  }

  @Test
  void whatWasPreloadedBeforeStaysInLine(MemoryGuard guard) throws Exception {
    ProcessBuilder job = Children.sh("echo $LD_PRELOAD; cat /proc/self/maps");
    job.environment().put("LD_PRELOAD", "libm.so.6");
    String seen = output(guard.start(job, WATCHED));
    assertThat(seen.lines().findFirst().orElseThrow()).endsWith("libmemguard_witness.so:libm.so.6");
    assertThat(seen).contains("/libm.so.6").contains("/libmemguard_witness.so\n");
  }

  @Test
  void noDescriptorStaysOpenEvenAfterARefusal(MemoryGuard guard) throws Exception {
    String listsAfterRefusal =
        """
        import os
        try: bytearray(1 << 30)
        except MemoryError: pass
        print([n for n in range(3, 64) if os.path.exists('/proc/self/fd/%d' % n)])
        """;
    GuardedProcess child = guard.start(Children.python(listsAfterRefusal), WATCHED);
    assertThat(output(child)).isEqualTo("[]\n");
    Outcome outcome = child.outcome().get();
    assertThat(outcome.evidence().witness().orElseThrow().refusals()).isEqualTo(1);
  }

  private static List<String> variables(String zeroTerminated) {
    return new ArrayList<>(Arrays.asList(zeroTerminated.split("\0", 0)));
  }
}
