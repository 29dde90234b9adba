package io.memguard.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import javax.xml.parsers.DocumentBuilderFactory;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;

/**
 * A plot, read from its file: its words, and what is drawn in the colours of its limits and marks.
 *
 * @param words one for each line and mark, in the order in which they were drawn
 */
record Drawing(String title, List<String> words, List<Shape> shapes) {
  private static final Pattern NUMBER = Pattern.compile("-?\\d+(\\.\\d+)?");
  private static final Pattern COLOUR =
      Pattern.compile("(?:stroke|fill):rgb\\((\\d+),(\\d+),(\\d+)\\)");

  /** Two strokes, and nothing else. */
  private static final Pattern CROSS = Pattern.compile("M\\S+ L\\S+ M\\S+ L\\S+");

  /** The words of each line and mark are below. */
  private static final double LEGEND = 440;

  /** Something drawn, by the box around it. */
  record Shape(String colour, boolean cross, double left, double right, double top, double bottom) {
    double x() {
      return (left + right) / 2;
    }

    double y() {
      return (top + bottom) / 2;
    }
  }

  static Drawing read(Path file) throws Exception {
    DocumentBuilderFactory factory = DocumentBuilderFactory.newInstance();
    factory.setFeature("http://apache.org/xml/features/nonvalidating/load-external-dtd", false);
    Document document = factory.newDocumentBuilder().parse(file.toFile());
    List<Shape> shapes = new ArrayList<>();
    for (String tag : List.of("line", "path", "polygon", "circle", "ellipse")) {
      NodeList nodes = document.getElementsByTagName(tag);
      for (int i = 0; i < nodes.getLength(); i++) {
        shape((Element) nodes.item(i), shapes);
      }
    }
    return new Drawing(
        document.getElementsByTagName("title").item(0).getTextContent(),
        document.getElementsByTagName("desc").item(0).getTextContent().lines().toList(),
        shapes);
  }

  private static void shape(Element drawn, List<Shape> shapes) {
    List<MatchResult> colour = COLOUR.matcher(drawn.getAttribute("style")).results().toList();
    List<Double> x = new ArrayList<>();
    List<Double> y = new ArrayList<>();
    if (drawn.hasAttribute("d") || drawn.hasAttribute("points")) {
      String points = drawn.getAttribute("d") + drawn.getAttribute("points");
      List<MatchResult> numbers = NUMBER.matcher(points).results().toList();
      for (int i = 0; i + 1 < numbers.size(); i += 2) {
        x.add(Double.parseDouble(numbers.get(i).group()));
        y.add(Double.parseDouble(numbers.get(i + 1).group()));
      }
    } else {
      for (String name : List.of("x1", "x2", "cx")) {
        number(drawn, name, x);
      }
      for (String name : List.of("y1", "y2", "cy")) {
        number(drawn, name, y);
      }
    }
    if (!colour.isEmpty() && !x.isEmpty() && y.stream().allMatch(at -> at < LEGEND)) {
      MatchResult rgb = colour.get(0);
      shapes.add(
          new Shape(
              rgb.group(1) + "," + rgb.group(2) + "," + rgb.group(3),
              CROSS.matcher(drawn.getAttribute("d").strip()).matches(),
              x.stream().mapToDouble(at -> at).min().orElseThrow(),
              x.stream().mapToDouble(at -> at).max().orElseThrow(),
              y.stream().mapToDouble(at -> at).min().orElseThrow(),
              y.stream().mapToDouble(at -> at).max().orElseThrow()));
    }
  }

  private static void number(Element drawn, String name, List<Double> to) {
    if (drawn.hasAttribute(name)) {
      to.add(Double.parseDouble(drawn.getAttribute(name)));
    }
  }

  List<Shape> in(String colour) {
    return shapes.stream().filter(shape -> shape.colour.equals(colour)).toList();
  }

  List<Shape> crosses() {
    return shapes.stream().filter(Shape::cross).toList();
  }

  /** Returns when a mark says that it happened. */
  double seconds(int mark) {
    return words.stream()
        .filter(line -> line.startsWith(mark + ": "))
        .map(line -> Double.parseDouble(line.split(" ", -1)[1]))
        .findFirst()
        .orElseThrow();
  }
}
