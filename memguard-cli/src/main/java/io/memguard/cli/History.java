package io.memguard.cli;

import io.memguard.limits.MemoryLimits;
import io.memguard.limits.ResourceLimit;
import io.memguard.limits.Rlimit;
import io.memguard.outcome.Evidence;
import io.memguard.outcome.MemoryEvent;
import io.memguard.outcome.MemoryReading;
import io.memguard.outcome.Outcome;
import io.memguard.outcome.Refusal;
import io.memguard.outcome.WitnessedProcess;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.TimeUnit;

/**
 * What was seen of the command's memory over time, for the plot. However long it runs, there are no
 * more than some thousand samples: when there are too many, those next to each other become one,
 * with the larger values of both, and from then on samples are rarer. Times are in seconds since
 * the first attempt began. Safe to share between threads.
 */
final class History {
  static final int MOST_SAMPLES = 1_000;
  static final int MOST_MARKS = 20;
  private static final int MOST_REFUSALS = 1_000;

  private static final double FIRST_STEP = 0.02;
  private static final double LONGEST_INTERVAL = 0.5;
  private static final double NANOS = TimeUnit.SECONDS.toNanos(1);

  /** The kernel's peak counts mapped files as well: so much more may be theirs. */
  private static final long FILES = 32 << 20;

  private static final int FILES_PART = 4;

  private final List<Attempt> attempts = new ArrayList<>();
  private final List<Sample> samples = new ArrayList<>();
  private final List<Mark> marks = new ArrayList<>();
  private final Set<String> refusals = new HashSet<>();
  private int untold;
  private int preempted; // the number of the latest attempt that memguard is known to have ended
  private double step = FIRST_STEP;

  /**
   * One attempt.
   *
   * @param together the size above which all of it is ended
   * @param own the limit of each process
   */
  record Attempt(int number, double began, double ended, OptionalLong together, OptionalLong own) {}

  /**
   * A look.
   *
   * @param bytes what all held together
   * @param ownBytes what one process had of its own limit
   */
  record Sample(int attempt, double at, long bytes, long ownBytes) {
    private Sample merged(Sample other) {
      return new Sample(
          attempt,
          bytes >= other.bytes ? at : other.at,
          Math.max(bytes, other.bytes),
          Math.max(ownBytes, other.ownBytes));
    }
  }

  /** Says what a mark is of. */
  enum Kind {
    /** Somebody was refused memory. */
    REFUSED,
    /** Something happened to the cgroup: early notice. */
    WARNED,
    /** Somebody was killed, by the kernel or by memguard. */
    KILLED,
    /** More than was seen at any look. */
    PEAK,
    /** An attempt ended. */
    ENDED;

    private boolean isNotice() {
      return this == REFUSED || this == WARNED;
    }
  }

  /** Something that happened. */
  record Mark(int attempt, Kind kind, double at, long bytes, String text) {
    /** It was told after the end, and happened before. */
    private Mark notAfter(double end) {
      return new Mark(attempt, kind, Math.min(at, end), bytes, text);
    }
  }

  synchronized void began(int number, Duration at, MemoryLimits limits) {
    attempts.add(
        new Attempt(number, seconds(at), seconds(at), limits.treeMemoryMax(), soft(limits)));
  }

  private static OptionalLong soft(MemoryLimits limits) {
    ResourceLimit data = limits.rlimits().get(Rlimit.DATA);
    ResourceLimit limit = data == null ? limits.rlimits().get(Rlimit.AS) : data;
    return limit == null || limit.soft() == ResourceLimit.UNLIMITED
        ? OptionalLong.empty()
        : OptionalLong.of(limit.soft());
  }

  /** Keeps a look at the latest attempt. */
  synchronized void saw(Duration at, MemoryReading reading, Optional<Snapshot.Own> own) {
    Attempt before = attempts.remove(attempts.size() - 1);
    attempts.add(
        new Attempt(before.number, before.began, before.ended, reading.limitBytes(), before.own));
    add(
        new Sample(
            before.number, seconds(at), reading.bytes(), own.map(Snapshot.Own::bytes).orElse(0L)));
  }

  void add(Sample sample) {
    put(samples, sample);
    while (samples.size() > MOST_SAMPLES && samples.size() > 2 * attempts.size()) {
      step *= 2;
      List<Sample> all = List.copyOf(samples);
      samples.clear();
      all.forEach(one -> put(samples, one));
    }
  }

  private void put(List<Sample> to, Sample sample) {
    int last = to.size() - 1;
    if (last >= 0 && isSameStep(to.get(last), sample)) {
      to.set(last, to.get(last).merged(sample));
    } else {
      to.add(sample);
    }
  }

  private boolean isSameStep(Sample one, Sample other) {
    return one.attempt == other.attempt && Math.floor(one.at / step) == Math.floor(other.at / step);
  }

  /** Returns how soon to look again, in nanoseconds. */
  synchronized long interval() {
    return (long) (Math.min(step, LONGEST_INTERVAL) * NANOS);
  }

  synchronized void happened(Duration at, MemoryEvent event) {
    switch (event.kind()) {
      case REFUSED ->
          event
              .processes()
              .forEach(
                  one ->
                      one.refusal()
                          .ifPresent(what -> refused(one.pid(), one.name(), what, seconds(at))));
      case OOM_KILL ->
          mark(Kind.KILLED, seconds(at), OptionalLong.empty(), "kernel kills one of it");
      case PREEMPTED -> preempted(seconds(at), event.bytes());
      case HIGH, MAX, OOM ->
          mark(Kind.WARNED, seconds(at), OptionalLong.empty(), "memory." + label(event.kind()));
      default -> {}
    }
  }

  /** The reading that decided is a look as well. */
  private void preempted(double at, OptionalLong bytes) {
    Attempt latest = attempts.get(attempts.size() - 1);
    Sample last = samples.isEmpty() ? null : samples.get(samples.size() - 1);
    long own = last == null || last.attempt != latest.number ? 0 : last.ownBytes;
    preempted = latest.number;
    bytes.ifPresent(held -> add(new Sample(latest.number, at, held, own)));
    mark(Kind.KILLED, at, bytes, "memguard ends all of it");
  }

  private static String label(MemoryEvent.Kind kind) {
    return kind.name().toLowerCase(Locale.ROOT);
  }

  /** Marks it when it happened, and where that is unknown, when it was told. */
  private void refused(long pid, String name, Refusal refusal, double told) {
    Attempt latest = attempts.get(attempts.size() - 1);
    if (refusals.size() >= MOST_REFUSALS) {
      untold++;
    } else if (refusals.add(latest.number + " " + pid + " " + refusal.at())) {
      double at = refusal.at().isZero() ? told : latest.began + seconds(refusal.at());
      // What it had of what its limit counts: that line is where it was refused.
      OptionalLong had =
          refusal.dataLimit().isPresent() ? refusal.dataBytes() : OptionalLong.empty();
      String who = pid + " " + name.replaceAll("[^ -~]", "?");
      mark(Kind.REFUSED, at, had, Snapshot.Event.brief(refusal) + ": " + who);
    }
  }

  private void mark(Kind kind, double at, OptionalLong bytes, String text) {
    if (marks.stream().filter(one -> one.kind.isNotice() == kind.isNotice()).count()
        >= most(kind)) {
      untold++;
      return;
    }
    int attempt = attempts.get(attempts.size() - 1).number;
    marks.add(new Mark(attempt, kind, at, bytes.orElseGet(() -> bytesAt(at)), text));
  }

  /** What happened on the way leaves room for how it ended. */
  private static int most(Kind kind) {
    return kind == Kind.ENDED || kind == Kind.PEAK ? Integer.MAX_VALUE : MOST_MARKS;
  }

  /** Returns what was seen last before a time, of the latest attempt. */
  private long bytesAt(double at) {
    int number = attempts.get(attempts.size() - 1).number;
    long bytes = 0;
    for (Sample one : samples) {
      if (one.attempt == number && one.at <= at) {
        bytes = one.bytes;
      }
    }
    return bytes;
  }

  /** Keeps how the latest attempt ended, and what is known better by then. */
  synchronized void ended(Duration at, Outcome outcome) {
    Attempt latest = attempts.remove(attempts.size() - 1);
    Evidence evidence = outcome.evidence();
    double end = Math.min(seconds(at), latest.began + seconds(evidence.elapsed()));
    attempts.add(new Attempt(latest.number, latest.began, end, latest.together, latest.own));
    evidence.witness().ifPresent(noted -> noted.processes().forEach(one -> refused(one, end)));
    if (preempted != latest.number) { // it was told before the start had returned, or too late
      evidence.preemption().ifPresent(what -> preempted(end, OptionalLong.of(what.treeBytes())));
    }
    marks.replaceAll(one -> one.attempt == latest.number ? one.notAfter(end) : one);
    long seen = seenIn(latest.number);
    long peak = evidence.peakRssBytes().orElse(0);
    if (peak > seen + (seen == 0 ? 0 : Math.max(FILES, seen / FILES_PART))) {
      mark(Kind.PEAK, end, OptionalLong.of(peak), "peak " + StatusLines.size(peak));
    }
    mark(Kind.ENDED, end, OptionalLong.empty(), words(outcome));
  }

  private void refused(WitnessedProcess process, double end) {
    process.last().ifPresent(what -> refused(process.pid(), process.name(), what, end));
  }

  private long seenIn(int number) {
    return samples.stream()
        .filter(one -> one.attempt == number)
        .mapToLong(Sample::bytes)
        .max()
        .orElse(0);
  }

  /** Says in a few words how it ended. */
  static String words(Outcome outcome) {
    String status = outcome.evidence().status().toString();
    if (outcome instanceof Outcome.OutOfMemory ran) {
      return status + ": out of memory, " + ran.cause().label();
    }
    return outcome instanceof Outcome.TimedOut ? status + ": timed out" : status;
  }

  private static double seconds(Duration time) {
    return time.toNanos() / NANOS;
  }

  synchronized List<Attempt> attempts() {
    return List.copyOf(attempts);
  }

  synchronized List<Sample> samples() {
    return List.copyOf(samples);
  }

  synchronized List<Mark> marks() {
    return List.copyOf(marks);
  }

  /** Returns how many marks there was no room for. */
  synchronized int untold() {
    return untold;
  }
}
