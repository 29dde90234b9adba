package io.memguard.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.outcome.Cause;
import io.memguard.outcome.Confidence;
import io.memguard.outcome.Preemption;
import io.memguard.outcome.Refusal;
import java.lang.reflect.AnnotatedParameterizedType;
import java.lang.reflect.AnnotatedType;
import java.lang.reflect.RecordComponent;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** {@code docs/report.md} has every field of the report, and none besides. */
class ReportPageTest {
  /** As the page's columns have it. */
  private record Field(String name, String type, boolean always) {}

  @Test
  void theTableIsTheReports() throws Exception {
    assertThat(table().map(row -> field(row))).containsExactlyElementsOf(fields("", Report.class));
  }

  @Test
  void theValuesAreAllThereAre() throws Exception {
    Map<String, List<String>> values =
        Map.of(
            "cause", labels(Cause.values(), Cause::label),
            "confidence", labels(Confidence.values(), Confidence::label),
            "preemption.limit", labels(Preemption.Limit.values(), Preemption.Limit::label),
            "preemption.source", labels(Preemption.Source.values(), Preemption.Source::label),
            "refusals[].last.kind", labels(Refusal.Kind.values(), Refusal.Kind::label));
    values.forEach(
        (name, all) ->
            assertThat(PageTable.code(row(name).get(2))).as(name).containsExactlyElementsOf(all));
  }

  private static <T> List<String> labels(T[] values, Function<T, String> label) {
    return Stream.of(values).map(label).toList();
  }

  private static Stream<List<String>> table() throws Exception {
    return PageTable.of("report.md", "## Fields").stream();
  }

  private static List<String> row(String name) {
    try {
      return table().filter(row -> field(row).name().equals(name)).findFirst().orElseThrow();
    } catch (Exception e) {
      throw new AssertionError(name, e);
    }
  }

  private static Field field(List<String> row) {
    assertThat(row).as("columns").hasSize(4);
    return new Field(PageTable.code(row.get(0)).get(0), row.get(1), row.get(3).equals("never"));
  }

  private static List<Field> fields(String prefix, Class<?> type) {
    List<Field> all = new ArrayList<>();
    for (RecordComponent component : type.getRecordComponents()) {
      String name = prefix + component.getName();
      boolean always = !component.getAnnotatedType().isAnnotationPresent(Nullable.class);
      all.add(new Field(name, jsonType(component.getType()), always));
      Class<?> element = elementOf(component.getAnnotatedType());
      if (element.isRecord()) {
        all.addAll(fields(name + "[].", element));
      } else if (component.getType().isRecord()) {
        all.addAll(fields(name + ".", component.getType()));
      }
    }
    return all;
  }

  /** Returns what a list is of; attempts are reports again. */
  private static Class<?> elementOf(AnnotatedType type) {
    return type instanceof AnnotatedParameterizedType list
            && list.getAnnotatedActualTypeArguments()[0].getType() instanceof Class<?> element
            && element != Report.class
        ? element
        : void.class;
  }

  private static String jsonType(Class<?> type) {
    if (type == String.class) {
      return "string";
    }
    if (type == Boolean.class || type == boolean.class) {
      return "boolean";
    }
    if (List.class.isAssignableFrom(type)) {
      return "array";
    }
    return Map.class.isAssignableFrom(type) || type.isRecord() ? "object" : "integer";
  }
}
