package io.memguard.platform.cgroup;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** All is undone that can be, and what cannot be is said. */
@Tag("engine-independent")
class UndoingTest {
  private final Undoing undoing = new Undoing();
  private final List<String> undone = new ArrayList<>();

  @AfterEach
  void clear() {
    Thread.interrupted();
  }

  @Test
  void theLatestFirstAndTheRestAlsoWhereOneFails() {
    undoing.add(() -> undone.add("first"));
    undoing.add(
        () -> {
          throw new IOException("the second did not");
        });
    undoing.add(() -> undone.add("third"));
    assertThat(undoing.undo()).containsExactly("the second did not");
    assertThat(undone).containsExactly("third", "first");
  }

  @Test
  void anInterruptHindersNone() {
    undoing.add(this::pause);
    Thread.currentThread().interrupt();
    assertThat(undoing.undo()).isEmpty();
    assertThat(undone).containsExactly("paused");
    assertThat(Thread.currentThread().isInterrupted()).isTrue();
  }

  @Test
  void oneThatComesMeanwhileHindersNone() {
    undoing.add(
        () -> {
          if (undone.isEmpty()) {
            undone.add("interrupted");
            Thread.currentThread().interrupt();
          }
          pause();
        });
    assertThat(undoing.undo()).isEmpty();
    assertThat(undone).containsExactly("interrupted", "paused");
    assertThat(Thread.currentThread().isInterrupted()).isTrue();
  }

  /** As Room waits for a process that is about to end. */
  private void pause() throws IOException {
    try {
      Thread.sleep(1);
      undone.add("paused");
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted", e);
    }
  }
}
