package io.memguard.cli;

import java.awt.BasicStroke;
import java.awt.Color;
import java.awt.Graphics2D;
import java.awt.geom.Ellipse2D;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.OptionalLong;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;
import java.util.regex.Pattern;
import org.knowm.xchart.AnnotationText;
import org.knowm.xchart.ChartEncoder;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.style.Styler;
import org.knowm.xchart.style.markers.Marker;
import org.knowm.xchart.style.markers.SeriesMarkers;

/**
 * The command's memory over time, with its limits, and what happened marked. The colours are Okabe
 * and Ito's, which nearly everybody can tell apart; lines and marks differ in form as well.
 *
 * @see <a href="https://jfly.uni-koeln.de/color/">Color Universal Design</a>
 */
final class Plot {
  private static final Color BLUE = new Color(0x0072b2);
  private static final Color SKY = new Color(0x56b4e9);
  private static final Color VERMILLION = new Color(0xd55e00);
  private static final Color ORANGE = new Color(0xe69f00);
  private static final Color PURPLE = new Color(0xcc79a7);
  private static final float[] DASHES = {8, 4};
  private static final float[] DOTS = {2, 3};
  private static final int WIDTH = 1000;
  private static final int HEIGHT = 450;
  private static final int LEGEND_ROW = 20;
  private static final int LONGEST_NAME = 60;
  private static final double MIB = 1 << 20;
  private static final double LEAST = 4;
  private static final double ABOVE = 1.15;
  private static final double NEAR = 0.02;
  private static final double UP = 0.045;
  private static final float RING_WIDTH = 2;
  private static final double RING_RADIUS = 0.8;

  /** What led to the end is often where the end is: it is to be seen inside. */
  private static final Marker RING =
      new Marker() {
        @Override
        public void paint(Graphics2D graphics, double x, double y, int size) {
          graphics.setStroke(new BasicStroke(RING_WIDTH));
          double radius = RING_RADIUS * size;
          graphics.draw(new Ellipse2D.Double(x - radius, y - radius, 2 * radius, 2 * radius));
        }
      };

  private static final Pattern MORE_DIGITS_THAN_SEEN = Pattern.compile("(\\.\\d)\\d+");

  private final History history;
  private final List<String> names = new ArrayList<>();
  private final XYChart chart;
  private final double end;
  private final double top;

  private Plot(History history, String title) {
    this.history = history;
    this.end = history.attempts().stream().mapToDouble(History.Attempt::ended).max().orElse(0);
    this.top = top();
    int rows = 2 + history.marks().size();
    this.chart =
        new XYChartBuilder()
            .width(WIDTH)
            .height(HEIGHT + LEGEND_ROW * rows)
            .title(title)
            .xAxisTitle("seconds")
            .yAxisTitle("MiB")
            .build();
  }

  /**
   * Draws.
   *
   * @param command what was run
   * @param end how it ended
   * @param format {@code svg} or {@code png}
   * @return the file's content
   */
  static byte[] draw(History history, String command, String end, String format)
      throws IOException {
    System.setProperty("java.awt.headless", "true");
    Plot plot = new Plot(history, cut(command) + " — " + end);
    plot.style();
    plot.lines();
    plot.marks();
    byte[] drawn = ChartEncoder.getBytes(plot.chart, format);
    return format.equals("svg") ? plot.readable(drawn) : drawn;
  }

  /**
   * XChart draws words as shapes: who reads the file, or has it read out, gets them as text too.
   */
  private byte[] readable(byte[] drawn) {
    StringBuilder words = new StringBuilder();
    names.forEach(name -> words.append(name).append('\n'));
    String said = "<title>" + xml(chart.getTitle()) + "</title>\n<desc>" + xml(words) + "</desc>\n";
    String all =
        MORE_DIGITS_THAN_SEEN.matcher(new String(drawn, StandardCharsets.UTF_8)).replaceAll("$1");
    int inside = all.indexOf('>', all.indexOf("<svg")) + 1;
    return (all.substring(0, inside) + "\n" + said + all.substring(inside))
        .getBytes(StandardCharsets.UTF_8);
  }

  private static String xml(CharSequence text) {
    return text.toString().replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;");
  }

  private static String cut(String command) {
    String clean = command.replaceAll("[\\p{Cntrl}\\s]+", " ");
    return clean.length() <= LONGEST_NAME ? clean : clean.substring(0, LONGEST_NAME - 1) + "…";
  }

  private double top() {
    double most = LEAST;
    for (History.Attempt one : history.attempts()) {
      most = Math.max(most, Math.max(one.together().orElse(0), one.own().orElse(0)) / MIB);
    }
    for (History.Sample one : history.samples()) {
      most = Math.max(most, Math.max(one.bytes(), one.ownBytes()) / MIB);
    }
    for (History.Mark one : history.marks()) {
      most = Math.max(most, one.bytes() / MIB);
    }
    return most * ABOVE;
  }

  private void style() {
    chart.getStyler().setChartBackgroundColor(Color.WHITE);
    chart.getStyler().setLegendPosition(Styler.LegendPosition.OutsideS);
    chart.getStyler().setLegendLayout(Styler.LegendLayout.Vertical);
    chart.getStyler().setLegendBorderColor(Color.WHITE);
    chart.getStyler().setYAxisMin(0.0);
    chart.getStyler().setYAxisMax(top);
    chart.getStyler().setXAxisDecimalPattern("0.###");
    chart.getStyler().setXAxisMin(0.0);
    chart.getStyler().setXAxisMax(Math.max(end, NEAR) * (1 + NEAR));
  }

  private void lines() {
    line("all of it together", BLUE, History.Sample::bytes);
    if (history.attempts().stream().anyMatch(one -> one.own().isPresent())) {
      line("of the largest process, what its limit counts", SKY, History.Sample::ownBytes);
    }
    limit("limit of all together", History.Attempt::together, VERMILLION, DASHES);
    limit("limit of each process", History.Attempt::own, ORANGE, DOTS);
  }

  /**
   * From nothing when an attempt begins to what was seen last when it ends; then there is a gap.
   */
  private void line(String name, Color colour, ToDoubleFunction<History.Sample> value) {
    Line line = new Line();
    for (History.Attempt attempt : history.attempts()) {
      line.gap(attempt.began());
      line.add(attempt.began(), 0);
      line.follow(
          history.samples().stream().filter(one -> one.attempt() == attempt.number()).toList(),
          value,
          attempt.ended(),
          top / HEIGHT);
    }
    draw(line, name).setLineColor(colour).setLineWidth(colour.equals(BLUE) ? 2 : 1);
  }

  private void limit(
      String name, Function<History.Attempt, OptionalLong> value, Color colour, float[] dashes) {
    Line line = new Line();
    for (History.Attempt attempt : history.attempts()) {
      OptionalLong limit = value.apply(attempt);
      if (limit.isPresent()) {
        line.gap(attempt.began());
        line.add(attempt.began(), limit.getAsLong() / MIB);
        line.add(attempt.ended(), limit.getAsLong() / MIB);
      }
    }
    if (!line.seconds.isEmpty()) {
      draw(line, name)
          .setLineColor(colour)
          .setLineStyle(
              new BasicStroke(2, BasicStroke.CAP_BUTT, BasicStroke.JOIN_BEVEL, 1, dashes, 0));
    }
  }

  /** Each has a number where it happened, and its words below: words would hide each other. */
  private void marks() {
    List<History.Mark> marks = new ArrayList<>(history.marks());
    marks.sort(Comparator.comparingDouble(History.Mark::at));
    double at = 0;
    double height = 0;
    StringBuilder numbers = new StringBuilder();
    for (int i = 0; i < marks.size(); i++) {
      History.Mark mark = marks.get(i);
      double mib = mark.bytes() / MIB;
      Line line = new Line();
      line.add(mark.at(), mib);
      draw(line, String.format(Locale.ROOT, "%d: %.2f s, %s", i + 1, mark.at(), words(mark)))
          .setXYSeriesRenderStyle(XYSeries.XYSeriesRenderStyle.Scatter)
          .setMarker(marker(mark.kind()))
          .setMarkerColor(colour(mark.kind()));
      if (!numbers.isEmpty() && mark.at() - at > NEAR * end) {
        number(numbers, at, height);
      }
      if (numbers.isEmpty()) {
        at = mark.at();
        height = mib;
      }
      height = Math.max(height, mib);
      numbers.append(numbers.isEmpty() ? "" : ",").append(i + 1);
    }
    if (!numbers.isEmpty()) {
      number(numbers, at, height);
    }
    if (history.untold() > 0) {
      Line line = new Line();
      line.add(end, Double.NaN);
      draw(line, "and " + history.untold() + " more");
    }
  }

  private String words(History.Mark mark) {
    return mark.kind() == History.Kind.ENDED && history.attempts().size() > 1
        ? "attempt " + mark.attempt() + ": " + mark.text()
        : mark.text();
  }

  private XYSeries draw(Line line, String name) {
    names.add(name);
    XYSeries series = chart.addSeries(name, line.seconds, line.mib);
    series.setMarker(SeriesMarkers.NONE);
    return series;
  }

  private void number(StringBuilder numbers, double at, double height) {
    chart.addAnnotation(new AnnotationText(numbers.toString(), at, height + UP * top, false));
    numbers.setLength(0);
  }

  private static Marker marker(History.Kind kind) {
    return switch (kind) {
      case REFUSED -> SeriesMarkers.TRIANGLE_UP;
      case WARNED -> SeriesMarkers.SQUARE;
      case KILLED -> SeriesMarkers.CROSS;
      case PEAK -> SeriesMarkers.DIAMOND;
      case ENDED -> RING;
    };
  }

  private static Color colour(History.Kind kind) {
    return switch (kind) {
      case REFUSED -> VERMILLION;
      case WARNED -> ORANGE;
      case KILLED -> Color.BLACK;
      case PEAK -> PURPLE;
      case ENDED -> Color.DARK_GRAY;
    };
  }

  private record Line(List<Double> seconds, List<Double> mib) {
    Line() {
      this(new ArrayList<>(), new ArrayList<>());
    }

    void add(double at, double value) {
      seconds.add(at);
      mib.add(value);
    }

    /**
     * Adds what was seen until the end, but for what lies level between others.
     *
     * @param least in MiB: who changes less is level
     */
    void follow(
        List<History.Sample> seen,
        ToDoubleFunction<History.Sample> value,
        double end,
        double least) {
      double drawn = 0;
      for (int i = 0; i < seen.size(); i++) {
        double now = value.applyAsDouble(seen.get(i)) / MIB;
        if (i == 0 || Math.abs(now - drawn) >= least) {
          if (i > 0) {
            add(Math.min(seen.get(i - 1).at(), end), drawn); // level up to here
          }
          add(Math.min(seen.get(i).at(), end), now);
          drawn = now;
        }
      }
      add(end, drawn);
    }

    void gap(double at) {
      if (!seconds.isEmpty()) {
        add(at, Double.NaN);
      }
    }
  }
}
