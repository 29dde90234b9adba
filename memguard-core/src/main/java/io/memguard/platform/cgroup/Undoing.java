package io.memguard.platform.cgroup;

import java.io.IOException;
import java.nio.file.FileSystemException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;

/** What has to be done to undo what was done, the latest first; of one thread. */
final class Undoing {
  private final Deque<Step> steps = new ArrayDeque<>();

  /** Changes something, or changes it back. */
  @FunctionalInterface
  interface Step {
    void run() throws IOException;
  }

  void add(Step step) {
    steps.push(step);
  }

  /**
   * Undoes all that can be, also where this thread is interrupted: it still is, afterwards.
   *
   * @return why what could not be was not
   */
  List<String> undo() {
    List<String> stays = new ArrayList<>();
    boolean interrupted = Thread.interrupted();
    while (!steps.isEmpty()) {
      try {
        steps.element().run();
        steps.pop();
      } catch (IOException e) {
        if (Thread.interrupted()) { // meanwhile: a step that had to wait has not
          interrupted = true;
        } else {
          steps.pop();
          String file = e instanceof FileSystemException at ? at.getFile() + ": " : "";
          stays.add(file + Room.reason(e));
        }
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
    return stays;
  }
}
