package io.memguard.lab;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.memguard.GuardedProcess;
import io.memguard.MemoryGuard;
import io.memguard.events.MemoryGuardListener;
import io.memguard.limits.GuardOptions;
import io.memguard.limits.MemoryLimits;
import io.memguard.outcome.MemoryEvent;
import io.memguard.outcome.Outcome;
import io.memguard.outcome.Preemption;
import java.io.BufferedReader;
import java.io.IOException;
import java.lang.ProcessBuilder.Redirect;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * The supervisor in a container of {@code lab/stock-pod}. In each run it has three honest children
 * and one that takes memory without end, and says in one line what became of them, as {@link
 * StockPod} reads it.
 *
 * <p>Arguments: {@code guarded}, or {@code unguarded} for a plain {@link ProcessBuilder}; the
 * children's program, {@code stock-pod.c}; the {@link Greed}; and how many runs.
 */
final class StockPodSupervisor {
  static final int BYSTANDERS = 3;

  private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(60);

  /** Thrice what a tree that is being ended may take to end itself. */
  private static final long ENDING_NANOS = TimeUnit.SECONDS.toNanos(15);

  private static final MemoryLimits HONEST = MemoryLimits.of("16MiB");
  private static final int HONEST_WORDS = 1 << 20;

  /** Starts a child, guarded or not. */
  private interface Starter {
    Process start(ProcessBuilder job, MemoryLimits limits) throws IOException;
  }

  private final String program;
  private final Greed greed;
  private final BlockingQueue<MemoryEvent> told;
  private final Starter starter;

  private StockPodSupervisor(
      String program, Greed greed, BlockingQueue<MemoryEvent> told, Starter starter) {
    this.program = program;
    this.greed = greed;
    this.told = told;
    this.starter = starter;
  }

  public static void main(String[] arguments) throws Exception {
    Greed greed = Greed.labelled(arguments[2]);
    int runs = Integer.parseInt(arguments[3]);
    BlockingQueue<MemoryEvent> told = new LinkedBlockingQueue<>();
    System.out.println("supervisor up");
    if (arguments[0].equals("unguarded")) {
      new StockPodSupervisor(arguments[1], greed, told, (job, limits) -> job.start()).run(runs);
      return;
    }
    try (MemoryGuard guard =
        MemoryGuard.create(
            GuardOptions.defaults().withListener(MemoryGuardListener.ofMemory(told::add)))) {
      new StockPodSupervisor(arguments[1], greed, told, guard::start).run(runs);
    }
  }

  private void run(int runs) throws Exception {
    for (int i = 0; i < runs; i++) {
      System.out.println("run: " + run());
    }
  }

  private String run() throws Exception {
    List<Process> bystanders = new ArrayList<>();
    for (int i = 0; i < BYSTANDERS; i++) {
      bystanders.add(holding(starter.start(new ProcessBuilder(program, "honest"), HONEST)));
    }
    Process greedy =
        starter.start(
            new ProcessBuilder(program, greed.child())
                .redirectOutput(Redirect.DISCARD)
                .redirectError(Redirect.DISCARD),
            greed.limits());
    String verdict =
        greedy instanceof GuardedProcess guarded
            ? verdict(guarded)
            : "status " + greedy.waitFor() + "; 0 MiB";
    int left = awaitEndOfTheGreedy();
    int right = 0;
    for (Process bystander : bystanders) {
      right += answersRight(bystander) ? 1 : 0;
    }
    return verdict + "; " + right + " bystanders right; " + left + " left";
  }

  /** Says what became of it, and what it held when it was ended. */
  private String verdict(GuardedProcess greedy) throws InterruptedException {
    Outcome outcome = greedy.outcome().join();
    String verdict = LeafSupervisor.verdict(outcome);
    if (outcome instanceof Outcome.Exited) { // what it left behind is told to the listener only
      OptionalLong bytes = awaitPreemption(greedy.pid());
      return verdict + (bytes.isPresent() ? ", told PREEMPTED; " : "; ") + mib(bytes.orElse(0));
    }
    Optional<Preemption> preemption = outcome.evidence().preemption();
    return verdict
        + preemption.map(by -> " " + by.limit()).orElse("")
        + "; "
        + mib(preemption.map(Preemption::treeBytes).orElse(0L));
  }

  private static String mib(long bytes) {
    return (bytes >> 20) + " MiB";
  }

  /** Returns what was read, or empty if nobody is told in time. */
  private OptionalLong awaitPreemption(long pid) throws InterruptedException {
    long deadline = System.nanoTime() + PATIENCE_NANOS;
    MemoryEvent event;
    do {
      event = told.poll(deadline - System.nanoTime(), TimeUnit.NANOSECONDS);
    } while (event != null
        && !(event.kind() == MemoryEvent.Kind.PREEMPTED && event.child().orElse(-1) == pid));
    return event == null ? OptionalLong.empty() : event.bytes();
  }

  private static Process holding(Process bystander) throws IOException {
    String said = bystander.inputReader(UTF_8).readLine();
    if (!"holding".equals(said)) {
      throw new IllegalStateException("a bystander did not get its memory: " + said);
    }
    return bystander;
  }

  private static boolean answersRight(Process bystander) throws Exception {
    bystander.getOutputStream().close();
    try (BufferedReader said = bystander.inputReader(UTF_8)) {
      return rightAnswer().equals(said.readLine()) && bystander.waitFor() == 0;
    }
  }

  private static String rightAnswer() {
    int word = 1;
    int sum = 0;
    for (int i = 0; i < HONEST_WORDS; i++) {
      word = word * 1664525 + 1013904223;
      sum += word;
    }
    return Integer.toUnsignedString(sum);
  }

  /** Returns how many of the greedy child's processes did not end; they are ended then. */
  private int awaitEndOfTheGreedy() throws InterruptedException {
    long deadline = System.nanoTime() + ENDING_NANOS;
    List<ProcessHandle> left = greedyProcesses();
    while (!left.isEmpty() && System.nanoTime() - deadline < 0) {
      TimeUnit.MILLISECONDS.sleep(20);
      left = greedyProcesses();
    }
    left.forEach(ProcessHandle::destroyForcibly);
    return left.size();
  }

  /** Of one that has ended and whose parent never asks for its status, no arguments are known. */
  private List<ProcessHandle> greedyProcesses() {
    try (Stream<ProcessHandle> all = ProcessHandle.allProcesses()) {
      return all.filter(process -> hasArgument(process.info().arguments(), greed.child())).toList();
    }
  }

  private static boolean hasArgument(Optional<String[]> arguments, String wanted) {
    return arguments.filter(all -> all.length == 1 && all[0].equals(wanted)).isPresent();
  }
}
