package io.memguard;

import io.memguard.HeadroomGuard.Ward;
import io.memguard.HeadroomGuard.Weight;
import io.memguard.platform.procfs.ProcessTrees;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Tells what children and their descendants hold, when somebody has to be chosen: what they have
 * resident, which is read in well under a millisecond. That counts twice what processes share; to
 * tell it apart takes the kernel a millisecond for 100 MiB, and there is no time for that.
 *
 * <p>It belongs to one thread.
 */
final class WardScales implements HeadroomGuard.Scales {
  private final ProcessTrees trees = new ProcessTrees();
  private final Map<Ward, ProcessTrees.Tree> followed = new HashMap<>();

  @Override
  public Map<Ward, Weight> weigh(Collection<Ward> wards) {
    List<Ward> gone = followed.keySet().stream().filter(ward -> !wards.contains(ward)).toList();
    gone.forEach(ward -> trees.forget(followed.remove(ward)));
    wards.forEach(ward -> followed.computeIfAbsent(ward, this::follow));
    trees.look();
    Map<Ward, Weight> weights = new HashMap<>();
    followed.forEach(
        (ward, tree) -> weights.put(ward, new Weight(tree.residentBytes(), tree.members())));
    return weights;
  }

  private ProcessTrees.Tree follow(Ward ward) {
    return trees.follow(ward.hasEnded() ? ProcessTrees.NO_PID : ward.pid(), ward.mark());
  }
}
