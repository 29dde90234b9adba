package io.memguard.cli;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import io.memguard.launch.LaunchException;
import io.memguard.limits.Protection;
import io.memguard.limits.ProtectionState;
import io.memguard.outcome.Evidence;
import io.memguard.outcome.MemorySample;
import io.memguard.outcome.Outcome;
import io.memguard.outcome.Preemption;
import io.memguard.outcome.Refusal;
import io.memguard.outcome.WaitStatus;
import io.memguard.outcome.WitnessRecord;
import io.memguard.outcome.WitnessedProcess;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * What {@code --report} writes. The names of its fields are a promise to users, see docs/report.md;
 * what is unknown is null here and absent there.
 *
 * @param outcome {@code exited}, {@code signalled}, {@code out-of-memory}, {@code timed-out},
 *     {@code cancelled} or {@code launch-failed}
 * @param limitBytes the limit it ran into, or the one it had
 * @param treeLimitBytes what it and its descendants may use together
 * @param hung whether memguard ended it because it did nothing any more after it was refused
 *     memory; absent unless it ran out of memory
 * @param sample what it had of its memory when it was last looked at; absent where a witness
 *     watched
 * @param preemption why memguard ended it for its memory
 * @param step the step of the launch that failed
 * @param errno the kernel's reason for that
 * @param tuning what its runtime was told of its limit
 * @param refusals the processes that were refused memory, a thread or a process
 * @param refusalsWithoutRoom how many refusals are of processes that there was no room for there
 * @param attempts every attempt, this one last; absent in the attempts themselves
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
record Report(
    String outcome,
    @Nullable String cause,
    @Nullable Integer exitCode,
    @Nullable String signal,
    @Nullable Long limitBytes,
    @Nullable Long treeLimitBytes,
    @Nullable Long peakRssBytes,
    @Nullable Long refusedBytes,
    @Nullable Long suggestedLimitBytes,
    @Nullable String confidence,
    @Nullable Boolean hung,
    String explanation,
    @Nullable List<Refused> refusals,
    @Nullable Long refusalsWithoutRoom,
    @Nullable Sample sample,
    @Nullable Preempted preemption,
    @Nullable Map<String, String> protections,
    @Nullable Map<String, String> tuning,
    @Nullable String step,
    @Nullable String errno,
    @Nullable List<Report> attempts) {
  private static final int ENOMEM = 12;

  /**
   * The reading that decided.
   *
   * @param limit {@code tree-memory} or {@code head-room}
   * @param source {@code fd}, {@code smaps_rollup} or {@code stat}
   */
  record Preempted(
      String limit,
      long limitBytes,
      long thresholdBytes,
      long bytes,
      long treeBytes,
      int processes,
      String source) {
    static Preempted of(Preemption reading) {
      return new Preempted(
          reading.limit().label(),
          reading.limitBytes(),
          reading.thresholdBytes(),
          reading.bytes(),
          reading.treeBytes(),
          reading.processes(),
          reading.source().label());
    }
  }

  /**
   * The last sample.
   *
   * @param pid the process that was nearest to its limit
   * @param dataBytes what RLIMIT_DATA counts
   * @param peakAddressBytes what RLIMIT_AS counts
   * @param ageMillis how long before the end it was taken
   */
  record Sample(
      long pid,
      String name,
      long dataBytes,
      long peakAddressBytes,
      long peakRssBytes,
      long ageMillis) {
    static Sample of(MemorySample sample) {
      return new Sample(
          sample.pid(),
          sample.name(),
          sample.dataBytes(),
          sample.peakAddressBytes(),
          sample.peakRssBytes(),
          sample.age().toMillis());
    }
  }

  /**
   * A process that was refused something.
   *
   * @param pid the process, as it sees itself
   * @param memory how many of its requests for memory were refused
   * @param threads how many threads it could not start
   * @param processes how many processes it could not start
   * @param last what it was refused last
   */
  @JsonInclude(JsonInclude.Include.NON_NULL)
  record Refused(
      int pid,
      String name,
      long memory,
      long threads,
      long processes,
      @Nullable Long largestBytes,
      @Nullable Last last) {

    /**
     * The last of it.
     *
     * @param kind {@code malloc}, {@code mmap}, {@code mremap}, {@code mprotect}, {@code brk},
     *     {@code thread}, {@code fork} or {@code spawn}
     * @param errno {@code ENOMEM} or {@code EAGAIN}
     * @param bytes how much it had asked for
     * @param thread the thread that asked
     * @param afterMillis when, since the first program began, if that is known
     * @param dataBytes what it had of what RLIMIT_DATA counts
     * @param addressBytes what it had of what RLIMIT_AS counts
     * @param dataLimit its own RLIMIT_DATA
     * @param addressLimit its own RLIMIT_AS
     */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    record Last(
        String kind,
        String errno,
        long bytes,
        @Nullable Integer thread,
        @Nullable Long afterMillis,
        @Nullable Long dataBytes,
        @Nullable Long addressBytes,
        @Nullable Long dataLimit,
        @Nullable Long addressLimit) {
      static Last of(Refusal refusal) {
        return new Last(
            refusal.kind().label(),
            refusal.errno() == ENOMEM ? "ENOMEM" : "EAGAIN",
            refusal.bytes(),
            refusal.tid() == 0 ? null : refusal.tid(),
            refusal.at().isZero() ? null : refusal.at().toMillis(),
            orNull(refusal.dataBytes()),
            orNull(refusal.addressBytes()),
            orNull(refusal.dataLimit()),
            orNull(refusal.addressLimit()));
      }
    }

    static Refused of(WitnessedProcess process) {
      return new Refused(
          process.pid(),
          process.name(),
          process.refusals(),
          process.threadRefusals(),
          process.spawnRefusals(),
          orNull(process.largestBytes()),
          process.last().map(Last::of).orElse(null));
    }
  }

  static Report of(Outcome outcome) {
    return single(outcome).after(outcome.earlierAttempts());
  }

  static Report of(LaunchException failure, List<Outcome> earlier) {
    return launchFailed(
            String.valueOf(failure.getMessage()),
            label(failure.step().name()),
            failure.errno() == 0 ? null : failure.errnoName())
        .after(earlier);
  }

  /** Reports that no command could be started at all on this machine. */
  static Report launchFailed(String explanation) {
    return launchFailed(explanation, null, null).after(List.of());
  }

  private static Report launchFailed(
      String explanation, @Nullable String step, @Nullable String errno) {
    return new Report(
        "launch-failed",
        null,
        null,
        null,
        null,
        null,
        null,
        null,
        null,
        null,
        null,
        explanation,
        null,
        null,
        null,
        null,
        null,
        null,
        step,
        errno,
        null);
  }

  private static Report single(Outcome outcome) {
    Evidence evidence = outcome.evidence();
    Optional<Outcome.OutOfMemory> memory =
        outcome instanceof Outcome.OutOfMemory ran ? Optional.of(ran) : Optional.empty();
    return new Report(
        outcome.label(),
        memory.map(ran -> ran.cause().label()).orElse(null),
        evidence.status() instanceof WaitStatus.Exit exit ? exit.code() : null,
        evidence.status() instanceof WaitStatus.Kill kill ? kill.signal().name() : null,
        orNull(memory.map(Outcome.OutOfMemory::limitBytes).orElseGet(evidence::limitBytes)),
        orNull(evidence.limits().treeMemory()),
        orNull(evidence.peakRssBytes()),
        orNull(
            memory
                .map(Outcome.OutOfMemory::refusedBytes)
                .or(() -> evidence.witness().map(WitnessRecord::largestRefusedBytes))
                .orElse(OptionalLong.empty())),
        orNull(memory.map(Outcome.OutOfMemory::suggestedLimitBytes).orElse(OptionalLong.empty())),
        memory.map(ran -> ran.confidence().label()).orElse(null),
        memory.map(Outcome.OutOfMemory::hung).orElse(null),
        outcome.explanation(),
        refusals(evidence),
        evidence.witness().map(WitnessRecord::withoutRoom).filter(some -> some > 0).orElse(null),
        evidence.sample().map(Sample::of).orElse(null),
        evidence.preemption().map(Preempted::of).orElse(null),
        labelled(evidence.protections()),
        evidence.tuning().isEmpty() ? null : evidence.tuning(),
        null,
        null,
        null);
  }

  private static @Nullable List<Refused> refusals(Evidence evidence) {
    List<Refused> all =
        evidence.witness().stream()
            .flatMap(record -> record.processes().stream())
            .filter(WitnessedProcess::sawRefusal)
            .map(Refused::of)
            .toList();
    return all.isEmpty() ? null : all;
  }

  private Report after(List<Outcome> earlier) {
    List<Report> all =
        Stream.concat(earlier.stream().map(Report::single), Stream.of(this)).toList();
    return new Report(
        outcome,
        cause,
        exitCode,
        signal,
        limitBytes,
        treeLimitBytes,
        peakRssBytes,
        refusedBytes,
        suggestedLimitBytes,
        confidence,
        hung,
        explanation,
        refusals,
        refusalsWithoutRoom,
        sample,
        preemption,
        protections,
        tuning,
        step,
        errno,
        all);
  }

  /** Returns it as the file has it. */
  byte[] json() throws IOException {
    ObjectMapper writer = new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);
    return (writer.writeValueAsString(this) + "\n").getBytes(StandardCharsets.UTF_8);
  }

  private static Map<String, String> labelled(Map<Protection, ProtectionState> protections) {
    Map<String, String> labelled = new TreeMap<>();
    protections.forEach((protection, state) -> labelled.put(protection.label(), state.toString()));
    return labelled;
  }

  private static String label(String name) {
    return name.toLowerCase(Locale.ROOT).replace('_', '-');
  }

  private static @Nullable Long orNull(OptionalLong value) {
    return value.isPresent() ? value.getAsLong() : null;
  }
}
