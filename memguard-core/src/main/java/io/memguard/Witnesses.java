package io.memguard;

import io.memguard.launch.LaunchException;
import io.memguard.launch.LaunchStep;
import io.memguard.launch.engine.LaunchPlan;
import io.memguard.limits.LaunchOptions;
import io.memguard.limits.MemoryLimits;
import io.memguard.limits.Protection;
import io.memguard.limits.ProtectionState;
import io.memguard.limits.Requirement;
import io.memguard.limits.Rlimit;
import io.memguard.outcome.Signal;
import io.memguard.outcome.WitnessRecord;
import io.memguard.platform.Elsewhere;
import io.memguard.platform.LimitTrial;
import io.memguard.platform.NativeFiles;
import io.memguard.platform.ProgramFile;
import io.memguard.platform.ProgramFiles;
import io.memguard.platform.WitnessPage;
import io.memguard.platform.procfs.ProcessTree;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ThreadLocalRandom;
import org.jspecify.annotations.Nullable;

/**
 * Gives each launch its witness, where witnesses work: that is tried once, with a child that does
 * nothing. The same child tries what resource limits on memory stop here.
 *
 * <p>Owns the shared memory; a launch owns its slot in it until its outcome is known.
 */
final class Witnesses implements AutoCloseable {
  private static final String PRELOAD = "LD_PRELOAD";

  /**
   * With a number behind it, by which alone the descendants of a child are known that has no
   * witness. Each has a name of its own: a guarded child may guard others.
   */
  private static final String TREE = ProcessTree.MARK + "TREE_";

  private static final String SET = "1";

  private static final Duration PROBE_TIME = Duration.ofSeconds(10);
  private static final File NULL = new File("/dev/null");

  private final @Nullable NativeFiles files;
  private final @Nullable WitnessPage page;
  private final ProtectionState state;
  private final ProgramFiles programs = new ProgramFiles();
  private LimitTrial trial = LimitTrial.NONE;

  /**
   * A witness for one launch, or the reason why there is none.
   *
   * @param program the file that the child runs, where it was looked at
   * @param tree where there is none, the variable that marks the child and its descendants all the
   *     same
   */
  record Preload(
      Optional<WitnessPage.Slot> slot,
      ProtectionState state,
      String library,
      Optional<ProgramFile> program,
      Optional<String> tree) {
    static Preload none(String why) {
      return none(ProtectionState.inactive(why));
    }

    static Preload none(ProtectionState why) {
      return new Preload(Optional.empty(), why, "", Optional.empty(), Optional.empty());
    }

    private Preload into(ProgramFile file) {
      return new Preload(slot, state, library, Optional.of(file), tree);
    }

    /** Returns one that marks the tree in any case. */
    Preload marking() {
      long number = ThreadLocalRandom.current().nextLong();
      String name = TREE + ProcessHandle.current().pid() + "_" + Long.toHexString(number);
      return slot.isPresent()
          ? this
          : new Preload(slot, state, library, program, Optional.of(name));
    }

    /**
     * Returns {@code NAME=VALUE}, which nobody else has in his environment, if it marks the tree.
     */
    Optional<String> mark() {
      return slot.map(one -> WitnessPage.VARIABLE + "=" + one.address())
          .or(() -> tree.map(name -> name + "=" + SET));
    }

    /**
     * Returns the variables that load it, in front of whatever is preloaded already: each calls the
     * next in line.
     */
    Map<String, String> variables(Map<String, String> environment) {
      if (slot.isEmpty()) {
        return tree.map(name -> Map.of(name, SET)).orElse(Map.of());
      }
      String before = environment.getOrDefault(PRELOAD, "");
      return Map.of(
          PRELOAD,
          before.isEmpty() ? library : library + ":" + before,
          WitnessPage.VARIABLE,
          slot.get().address());
    }

    /** Tells whether its program will load it, as far as its file says. */
    boolean willAttach() {
      return slot.isPresent()
          && program.filter(file -> file.linkage() == ProgramFile.Linkage.DYNAMIC).isPresent();
    }

    /** Tells whether the child itself has it, or why not: its file may say that it cannot. */
    ProtectionState stateInTheChild() {
      return program
          .filter(ProgramFile::ignoresPreloading)
          .map(file -> ProtectionState.inactive(file.whyUnwatched()))
          .orElse(state);
    }

    Optional<WitnessRecord> read() {
      return slot.map(WitnessPage.Slot::read);
    }

    /** Says after the end whether there really was a witness, or why not. */
    ProtectionState stateAtTheEnd(Optional<WitnessRecord> noted) {
      boolean unwatched = noted.filter(record -> !record.attached()).isPresent();
      return unwatched && program.isPresent()
          ? ProtectionState.inactive(program.get().whyUnwatched())
          : state;
    }

    void release() {
      slot.ifPresent(WitnessPage.Slot::release);
    }
  }

  private Witnesses(
      @Nullable NativeFiles files, @Nullable WitnessPage page, ProtectionState state) {
    this.files = files;
    this.page = page;
    this.state = state;
  }

  /**
   * Starts a child that does nothing, and looks whether a witness got into it.
   *
   * @throws LaunchException if this engine cannot start children here
   */
  static Witnesses probe(Engine engine) throws LaunchException {
    Witnesses hopeful;
    try {
      NativeFiles files = NativeFiles.locate();
      if (files.witness().toString().matches(".*[ :$].*")) {
        return none(
            files.witness()
                + " has a space, a colon or a dollar sign in it, which LD_PRELOAD cannot have");
      }
      ProtectionState state = ProtectionState.active("preloaded from " + files.witness());
      hopeful = new Witnesses(files, WitnessPage.create(), state);
    } catch (IOException | UncheckedIOException e) {
      return none(String.valueOf(e.getMessage()));
    }
    Preload preload = hopeful.take();
    try {
      preload.slot().ifPresent(WitnessPage.Slot::askForTrial);
      runProbe(engine, preload);
      boolean attached = preload.read().filter(WitnessRecord::attached).isPresent();
      hopeful.trial = preload.slot().map(WitnessPage.Slot::trial).orElse(LimitTrial.NONE);
      return attached
          ? hopeful
          : hopeful.given(
              "a probe child ran without it: LD_PRELOAD has no effect here, or this process is not dumpable (prctl(2))");
    } catch (LaunchException e) {
      Witnesses hopeless = hopeful.given("a probe child could not be started: " + e.getMessage());
      if (e.step() == LaunchStep.CLONE && !e.isRetryable()) {
        throw e; // the kernel has not what this engine needs
      }
      return hopeless;
    } finally {
      preload.release();
    }
  }

  private static void runProbe(Engine engine, Preload preload) throws LaunchException {
    Child child = launchIdle(engine, preload, ProcessBuilder.Redirect.from(NULL)).child();
    Elsewhere.completeAfter(child.end().copy(), null, PROBE_TIME).join();
    child.signal(Signal.KILL);
  }

  /** A child that does nothing by itself, and what was started. */
  record Idle(LaunchPlan plan, Child child) {}

  /**
   * Starts a program that does nothing. The JDK's own helper is dynamically linked, small, and
   * there wherever a JVM is; without arguments it ends at once.
   */
  static Idle launchIdle(Engine engine, Preload preload, ProcessBuilder.Redirect stdin)
      throws LaunchException {
    ProcessBuilder idle =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "lib", "jspawnhelper").toString())
            .redirectInput(stdin)
            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
            .redirectError(ProcessBuilder.Redirect.DISCARD);
    try {
      return launch(engine, preload, idle);
    } catch (LaunchException e) { // a run-time image may be without it
      return launch(engine, preload, idle.command("/bin/true"));
    }
  }

  private static Idle launch(Engine engine, Preload preload, ProcessBuilder idle)
      throws LaunchException {
    MemoryLimits limits = MemoryLimits.none().with(Protection.OOM_SCORE_ADJ, Requirement.OFF);
    LaunchPlan plan = LaunchPlan.of(idle, limits, LaunchOptions.defaults());
    Leaves.Lease none = Leaves.Lease.none("a child of memguard's own");
    return new Idle(plan, engine.launch(plan, preload, none, false));
  }

  private Witnesses given(String reason) {
    close();
    return none(reason);
  }

  static Witnesses none(String reason) {
    return new Witnesses(null, null, ProtectionState.inactive(reason));
  }

  /** Tells whether witnesses work here, or why not. */
  ProtectionState state() {
    return state;
  }

  /** Returns what resource limits stop here, as far as a witness could try. */
  LimitTrial trial() {
    return trial;
  }

  /** Says why that is not known, for where it is not. */
  String untried() {
    return state.active()
        ? "the probe child could not set it, or was short of memory without it as well"
        : state.reason();
  }

  /**
   * Prepares the witness of one launch. It steps aside where it would break the program.
   *
   * @throws LaunchException if it is required and cannot be had
   */
  Preload arm(LaunchPlan plan) throws LaunchException {
    MemoryLimits limits = plan.limits();
    Requirement wanted = limits.requirement(Protection.WITNESS);
    boolean memoryLimited = limits.armed(Rlimit.DATA) || limits.armed(Rlimit.AS);
    if (wanted == Requirement.OFF) {
      return Preload.none("switched off for this launch");
    }
    boolean raises = limits.requirement(Protection.WORKERS_FIRST) != Requirement.OFF;
    if (wanted == Requirement.PREFER && !memoryLimited && !raises) {
      return Preload.none("not needed: no memory limit is set");
    }
    Preload preload = state.active() ? takeFor(plan) : Preload.none(state);
    if (wanted == Requirement.REQUIRE && preload.slot().isEmpty()) {
      throw new LaunchException(
          LaunchStep.PREPARE,
          0,
          "the witness is required and cannot be had: " + preload.state(),
          "Mend that, or only prefer Protection.WITNESS.");
    }
    return preload;
  }

  private Preload takeFor(LaunchPlan plan) {
    if (ProgramFile.isSanitized(plan.environment().getOrDefault(PRELOAD, ""))) {
      return Preload.none("LD_PRELOAD has a sanitizer, which must come first");
    }
    ProgramFile file = fileOf(plan);
    return file.forbidsPreloading() ? Preload.none(file.whyUnwatched()) : take().into(file);
  }

  /** Returns what the file of the program to be launched says. */
  ProgramFile fileOf(LaunchPlan plan) {
    return programs.of(plan.program(), plan.directory());
  }

  /** Takes a witness for a child of memguard's own, or none where there are none. */
  Preload take() {
    if (files == null || page == null) {
      return Preload.none("there is no witness");
    }
    String library = files.witness().toString();
    return page.acquire()
        .map(
            slot ->
                new Preload(Optional.of(slot), state, library, Optional.empty(), Optional.empty()))
        .orElseGet(
            () -> Preload.none("all slots for witnesses are taken: too many children at a time"));
  }

  @Override
  public void close() {
    if (page != null) {
      page.close();
    }
  }
}
