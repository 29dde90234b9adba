package io.memguard.platform.kernellog;

import io.memguard.platform.kernellog.OomKill.Scope;
import io.memguard.platform.kernellog.OomLine.Chosen;
import io.memguard.platform.kernellog.OomLine.Group;
import io.memguard.platform.kernellog.OomLine.Invoked;
import io.memguard.platform.kernellog.OomLine.Killed;
import io.memguard.platform.kernellog.OomLine.OldSummary;
import io.memguard.platform.kernellog.OomLine.Summary;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Puts the OOM killer's lines together, in the order in which they were written. The kernel reports
 * one victim after the other, so lines of two reports are not mixed; but it may leave out a report
 * and write the victim's line alone.
 *
 * <p>Not safe to share between threads.
 */
public final class OomKillReader {
  private @Nullable Summary summary;
  private @Nullable OldSummary oldSummary;
  private @Nullable Chosen chosen;
  private @Nullable Group group;
  private long lastVictim = -1;

  /**
   * Takes the next line.
   *
   * @param line any line of the kernel's log
   * @return the killed process, if the line completes the report of one
   */
  public Optional<OomKill> next(String line) {
    Optional<OomLine> parsed = OomLine.parse(line);
    return parsed.isPresent() ? next(parsed.get()) : Optional.empty();
  }

  private Optional<OomKill> next(OomLine line) {
    if (line instanceof Killed killed) {
      return kill(killed);
    }
    if (line instanceof Invoked || (lastVictim >= 0 && !(line instanceof Group))) {
      forget(); // all but a group's line come before a report's first victim: this is another's
    }
    if (line instanceof Summary found) {
      summary = found;
    } else if (line instanceof OldSummary found) {
      oldSummary = found;
    } else if (line instanceof Chosen found) {
      chosen = found;
    } else if (line instanceof Group found) {
      group = found;
    }
    return Optional.empty();
  }

  private void forget() {
    summary = null;
    oldSummary = null;
    chosen = null;
    group = null;
    lastVictim = -1;
  }

  private Optional<OomKill> kill(Killed killed) {
    // The process chosen first is named again when the whole of its cgroup is killed.
    if (killed.pid() == lastVictim) {
      return Optional.empty();
    }
    boolean reported = summary != null && summary.pid() == killed.pid();
    if (summary != null && !reported && group == null) {
      forget(); // another victim, whose own report the kernel left out
    }
    Optional<Summary> why = Optional.ofNullable(summary);
    Optional<OldSummary> old = Optional.ofNullable(oldSummary);
    lastVictim = killed.pid();
    return Optional.of(
        new OomKill(
            killed.pid(),
            killed.name(),
            scope(killed),
            why.flatMap(Summary::limitCgroup).or(() -> old.map(OldSummary::limitCgroup)),
            reported
                ? why.map(Summary::victimCgroup)
                : old.filter(none -> group == null).map(OldSummary::victimCgroup),
            Optional.ofNullable(group).map(Group::cgroup)));
  }

  private Scope scope(Killed killed) {
    return killed
        .inCgroup()
        .or(() -> Optional.ofNullable(chosen).map(Chosen::inCgroup))
        .map(inCgroup -> inCgroup ? Scope.CGROUP : Scope.HOST)
        .orElse(Scope.UNKNOWN);
  }
}
