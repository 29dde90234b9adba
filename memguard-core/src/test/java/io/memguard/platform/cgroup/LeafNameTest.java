package io.memguard.platform.cgroup;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Whose a leaf is: nobody's but of a JVM that is known to be gone. */
@Tag("engine-independent")
final class LeafNameTest {
  private static final int NO_PID = 1 << 30;

  @Test
  void namesThisProcessAndNeverTwiceTheSame() throws Exception {
    LeafName first = LeafName.next();
    assertThat(first.pid()).isEqualTo(ProcessHandle.current().pid());
    assertThat(LeafName.next().number()).isGreaterThan(first.number());
    assertThat(LeafName.parse(first.toString())).contains(first);
  }

  @Test
  void aLivingJvmsIsNotAbandoned() throws Exception {
    assertThat(LeafName.next().isAbandoned()).isFalse();
  }

  @Test
  void oneWhosePidIsGoneOrAnothersIsAbandoned() throws Exception {
    LeafName own = LeafName.next();
    assertThat(new LeafName(own.namespace(), NO_PID, own.start(), 1).isAbandoned()).isTrue();
    assertThat(new LeafName(own.namespace(), own.pid(), own.start() + 1, 1).isAbandoned()).isTrue();
  }

  @Test
  void ofAnotherPidNamespaceNothingIsKnown() throws Exception {
    LeafName own = LeafName.next();
    assertThat(new LeafName(own.namespace() + 1, NO_PID, 1, 1).isAbandoned()).isFalse();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "memguard-1-2-3",
        "memguard-1-2-3-x",
        "memguard-1-2-3-4-5",
        "xmemguard-1-2-3-4",
        ""
      })
  void whatIsNotItsFormIsNobodys(String name) {
    assertThat(LeafName.parse(name)).isEmpty();
  }
}
