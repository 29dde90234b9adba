package io.memguard.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.memguard.Capabilities;
import io.memguard.doctor.Assessment;
import io.memguard.doctor.Cgroups;
import io.memguard.doctor.Surroundings;
import io.memguard.doctor.SystemdUnit;
import io.memguard.limits.EffectiveLimit;
import io.memguard.limits.Protection;
import io.memguard.limits.ProtectionState;
import java.util.Locale;
import java.util.OptionalLong;

/**
 * What {@code memguard doctor --json} writes. The names of its fields are a promise to users; what
 * is unknown, or not there, is absent. See docs/doctor.md.
 */
final class DoctorJson {
  private static final ObjectMapper MAPPER =
      new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);

  private DoctorJson() {}

  static String of(Capabilities here, Assessment assessment) {
    Surroundings around = here.surroundings();
    ObjectNode all = object();
    assess(all, assessment);
    ObjectNode engine = all.putObject("engine").put("kind", label(here.engine()));
    engine.put("reason", here.engineReason());
    if (!here.limitations().isEmpty()) {
      here.limitations().forEach(engine.putArray("limitations")::add);
    }
    ArrayNode places = all.putArray("places");
    around
        .places()
        .forEach(
            one -> places.addObject().put("place", one.place().label()).put("sign", one.sign()));
    all.set("cgroups", cgroups(around.cgroups()));
    ArrayNode limits = all.putArray("limits");
    here.limits().forEach(limit -> limits.add(limit(limit)));
    ObjectNode leaves = all.putObject("leaves").put("possible", around.leaves().possible());
    around.leaves().obstacle().ifPresent(what -> leaves.put("obstacle", label(what)));
    leaves.put("reason", around.leaves().reason());
    around.unit().ifPresent(unit -> all.set("systemdUnit", unit(unit)));
    ObjectNode protections = all.putObject("protections");
    for (Protection protection : Protection.values()) {
      ProtectionState state = here.protections().get(protection);
      if (state != null) {
        protections
            .putObject(protection.label())
            .put("active", state.active())
            .put("reason", state.reason());
      }
    }
    kernel(all, around);
    ArrayNode advice = all.putArray("jvmAdvice");
    here.advice().forEach(advice::add);
    try {
      return MAPPER.writeValueAsString(all) + "\n";
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("the report cannot be written as JSON", e);
    }
  }

  private static void assess(ObjectNode all, Assessment assessment) {
    all.put("verdict", assessment.verdict().label()).put("headline", assessment.headline());
    ArrayNode open = all.putArray("open");
    assessment.open().forEach(open::add);
    ArrayNode remedies = all.putArray("remedies");
    assessment
        .remedies()
        .forEach(
            remedy ->
                remedies
                    .addObject()
                    .put("who", remedy.who().label())
                    .put("what", remedy.what())
                    .put("then", remedy.then().label()));
  }

  private static ObjectNode cgroups(Cgroups cgroups) {
    ObjectNode node = object().put("version", cgroups.version().label());
    cgroups.mount().ifPresent(mount -> node.put("mount", mount));
    node.put("readOnly", cgroups.readOnly());
    ArrayNode levels = node.putArray("levels");
    for (Cgroups.Level level : cgroups.levels()) {
      ObjectNode one = levels.addObject().put("path", level.path());
      put(one, "maxBytes", level.maxBytes());
      put(one, "highBytes", level.highBytes());
      put(one, "swapBytes", level.swapBytes());
      put(one, "usedBytes", level.usedBytes());
      level.oomGroup().ifPresent(group -> one.put("oomGroup", group));
    }
    cgroups.hidden().ifPresent(why -> node.put("hidden", why));
    cgroups
        .groupKill()
        .ifPresent(
            kill -> {
              ObjectNode one = node.putObject("groupKill").put("cgroup", kill.cgroup());
              kill.limitOf().ifPresent(path -> one.put("limitOf", path));
              put(one, "limitBytes", kill.limitBytes());
            });
    return node;
  }

  private static ObjectNode limit(EffectiveLimit limit) {
    ObjectNode node =
        object()
            .put("kind", label(limit.kind()))
            .put("bytes", limit.bytes())
            .put("setBy", limit.setBy())
            .put("source", limit.source());
    limit.hiddenAncestors().ifPresent(why -> node.put("hiddenAncestors", why));
    return node;
  }

  private static ObjectNode unit(SystemdUnit unit) {
    ObjectNode node = object().put("name", unit.name()).put("ofUser", unit.ofUser());
    unit.oomPolicy().ifPresent(policy -> node.put("oomPolicy", policy));
    unit.delegated().ifPresent(yes -> node.put("delegated", yes));
    unit.unknown().ifPresent(why -> node.put("unknown", why));
    return node.put("endsTogether", unit.endsTogether());
  }

  private static void kernel(ObjectNode all, Surroundings around) {
    ObjectNode memory = all.putObject("memory");
    put(memory, "totalBytes", around.memory().total());
    put(memory, "availableBytes", around.memory().available());
    put(memory, "swapTotalBytes", around.memory().swapTotal());
    put(memory, "swapFreeBytes", around.memory().swapFree());
    around
        .overcommit()
        .ifPresent(
            how -> {
              ObjectNode node = all.putObject("overcommit").put("mode", how.mode());
              put(node, "limitBytes", how.limitBytes());
              put(node, "promisedBytes", how.promisedBytes());
              put(node, "headroomBytes", how.headroomBytes());
            });
    around
        .pressure()
        .ifPresent(
            now ->
                all.putObject("pressure")
                    .put("source", now.source())
                    .put("someAvg10", now.someAvg10())
                    .put("fullAvg10", now.fullAvg10()));
    all.put("oomScoreAdj", around.oomScoreAdj());
    around.qos().ifPresent(qos -> all.put("qos", label(qos)));
    all.put("seccompFilter", around.seccompFilter()).put("clone3", label(around.clone3()));
    ObjectNode log = all.putObject("kernelLog");
    log.put("readable", around.kernelLogObstacle().isEmpty());
    around.kernelLogObstacle().ifPresent(why -> log.put("reason", why));
  }

  private static ObjectNode object() {
    return JsonNodeFactory.instance.objectNode();
  }

  private static void put(ObjectNode node, String name, OptionalLong value) {
    value.ifPresent(number -> node.put(name, number));
  }

  private static String label(Enum<?> one) {
    return one.name().toLowerCase(Locale.ROOT).replace('_', '-');
  }
}
