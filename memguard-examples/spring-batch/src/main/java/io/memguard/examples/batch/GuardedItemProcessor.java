package io.memguard.examples.batch;

import io.memguard.MemoryGuard;
import io.memguard.limits.LaunchOptions;
import io.memguard.limits.MemoryLimits;
import io.memguard.outcome.Outcome;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;
import org.springframework.batch.infrastructure.item.ItemProcessor;

/**
 * Runs a command for each item. An item that is processed again after it was refused memory gets
 * more; whether it is, the step's retry policy says, by the types of memguard's exceptions.
 *
 * <p>Safe for steps that process items concurrently.
 *
 * @param <I> items; equal ones are the same
 */
public final class GuardedItemProcessor<I>
    implements ItemProcessor<I, GuardedItemProcessor.Processed<I>> {
  private final MemoryGuard guard;
  private final Function<I, List<String>> command;
  private final Growth growth;
  private final LaunchOptions options;

  /** The limits that were tried of items that are not done, and last the one for the next try. */
  private final Map<I, List<Long>> limits = new ConcurrentHashMap<>();

  /**
   * An item that is done.
   *
   * @param <I> the item's type
   * @param item the item
   * @param output what its command printed
   * @param limits what its attempts could use, in bytes, oldest first
   */
  public record Processed<I>(I item, String output, List<Long> limits) {}

  /**
   * Makes a processor.
   *
   * @param guard what starts the commands
   * @param command makes the command for an item
   * @param growth what each attempt may use
   * @param options how each attempt lives
   */
  public GuardedItemProcessor(
      MemoryGuard guard, Function<I, List<String>> command, Growth growth, LaunchOptions options) {
    this.guard = guard;
    this.command = command;
    this.growth = growth;
    this.options = options;
  }

  /**
   * Runs the item's command.
   *
   * @throws io.memguard.outcome.ChildProcessException if it did not succeed
   * @throws IOException if it could not be started, or there is no room for what it prints
   */
  @Override
  public Processed<I> process(I item) throws IOException, InterruptedException {
    List<Long> tried = limits.getOrDefault(item, List.of(growth.firstBytes()));
    long limit = tried.get(tried.size() - 1);
    Path output = Files.createTempFile("item-", ".out");
    try {
      Outcome outcome =
          guard.run(
              new ProcessBuilder(command.apply(item)).redirectOutput(output.toFile()),
              MemoryLimits.of(limit),
              options);
      if (outcome instanceof Outcome.OutOfMemory memory) {
        List<Long> longer = new ArrayList<>(tried);
        longer.add(growth.next(memory, limit).orElse(limit));
        limits.put(item, List.copyOf(longer));
      }
      outcome.orThrow();
      limits.remove(item);
      String printed = new String(Files.readAllBytes(output), StandardCharsets.UTF_8);
      return new Processed<>(item, printed.strip(), tried);
    } finally {
      Files.deleteIfExists(output);
    }
  }

  /**
   * Forgets an item that is not processed again.
   *
   * @param item the item
   * @return what its attempts could use, in bytes, oldest first
   */
  public List<Long> forget(I item) {
    List<Long> tried = limits.remove(item);
    return tried == null ? List.of(growth.firstBytes()) : tried.subList(0, tried.size() - 1);
  }
}
