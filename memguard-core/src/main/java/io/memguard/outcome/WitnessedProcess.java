package io.memguard.outcome;

import io.memguard.limits.Rlimit;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * What the preloaded observer ({@link io.memguard.limits.Protection#WITNESS}) noted of one process.
 * Sizes are in bytes.
 *
 * @param pid the process, as it sees itself: in a pid namespace of its own that is another number
 *     (pid_namespaces(7))
 * @param name what it is called, the first 15 bytes of its program's file name as a rule
 * @param programs how many programs it has been one after the other, each watched; 0 for the fork
 *     of one that never became another program
 * @param refusals how many of its requests for memory failed with ENOMEM
 * @param threadRefusals how many threads it could not start, for memory or for their number
 * @param spawnRefusals how many processes it could not start
 * @param largestBytes the largest request for memory that was refused, or empty if none was
 * @param last what it was refused last: of memory, or a thread; if there is no such thing, anything
 *     else; empty if nothing, or nothing that could be read
 * @param peakRssBytes the largest resident set that was seen, or empty if nobody looked
 */
public record WitnessedProcess(
    int pid,
    String name,
    int programs,
    long refusals,
    long threadRefusals,
    long spawnRefusals,
    OptionalLong largestBytes,
    Optional<Refusal> last,
    OptionalLong peakRssBytes) {

  /**
   * Tells whether it was refused anything.
   *
   * @return true if it was
   */
  public boolean sawRefusal() {
    return refusals > 0 || threadRefusals > 0 || spawnRefusals > 0 || last.isPresent();
  }

  /**
   * Tells whether its resource limits on memory were not what refused it: it had room for its last
   * request, and for the largest. The kernel also refuses memory to a process with {@code
   * vm.max_map_count} mappings, where it does not overcommit, and by brk(2) where the addresses are
   * taken.
   *
   * @return true if so; false if that is not known
   */
  public boolean hadRoom() {
    return last.filter(Refusal::isMeasured).isPresent()
        && !exceeded(Rlimit.DATA)
        && !exceeded(Rlimit.AS);
  }

  /**
   * Tells whether a resource limit had no room for its last request, or for the largest.
   *
   * @param resource {@link Rlimit#DATA} or {@link Rlimit#AS}
   * @return true if so; false also if that is not known
   */
  public boolean exceeded(Rlimit resource) {
    return last.filter(
            refusal ->
                refusal.exceeds(resource, refusal.bytes())
                    || refusal.exceeds(resource, largestBytes.orElse(0)))
        .isPresent();
  }
}
