package io.memguard.examples.images;

import io.memguard.examples.images.MemoryRecord.Point;
import io.memguard.limits.MemorySize;
import java.awt.BasicStroke;
import java.awt.Color;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import org.knowm.xchart.ChartEncoder;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.style.Styler;
import org.knowm.xchart.style.markers.SeriesMarkers;

/**
 * The memory of each worker over time. A place in the pool has a colour; the workers that follow
 * each other there make its line, which is broken where one ends.
 */
record MemoryPlot(XYChart chart) {
  private static final Color[] PLACES = {
    new Color(0x1f77b4), new Color(0x2ca02c), new Color(0x9467bd), new Color(0x8c564b)
  };
  private static final Color[] LIMITS = {new Color(0xff7f0e), new Color(0xbcbd22)};
  private static final Color DEATH = new Color(0xd62728);
  private static final double MIB = 1 << 20;
  private static final long STEP = 8 << 20;

  private static final Pattern MORE_DIGITS_THAN_SEEN = Pattern.compile("(\\.\\d)\\d+");

  /** Makes a plot, with a line at each of the limits. */
  static MemoryPlot of(String title, MemoryRecord record, String... limits) {
    XYChart chart =
        new XYChartBuilder()
            .width(1000)
            .height(450)
            .title(title + ": memory of each worker")
            .xAxisTitle("seconds")
            .yAxisTitle("resident, MiB")
            .build();
    chart.getStyler().setLegendPosition(Styler.LegendPosition.OutsideE);
    chart.getStyler().setChartBackgroundColor(Color.WHITE);
    chart.getStyler().setYAxisMin(0.0);
    chart.getStyler().setXAxisMin(0.0);
    List<List<Point>> lives = record.lives();
    double end = lives.stream().flatMap(List::stream).mapToDouble(Point::seconds).max().orElse(1);
    List<Line> places = places(lives);
    for (int i = 0; i < places.size(); i++) {
      Line line = places.get(i);
      XYSeries series = chart.addSeries("worker " + (i + 1), line.seconds, line.mib);
      series.setMarker(SeriesMarkers.NONE).setLineColor(PLACES[i % PLACES.length]).setLineWidth(1);
    }
    for (int i = 0; i < limits.length; i++) {
      double mib = MemorySize.parse(limits[i]) / MIB;
      XYSeries series =
          chart.addSeries("limit " + limits[i], new double[] {0, end}, new double[] {mib, mib});
      series.setMarker(SeriesMarkers.NONE).setLineColor(LIMITS[i % LIMITS.length]);
      series.setLineStyle(
          new BasicStroke(
              1, BasicStroke.CAP_BUTT, BasicStroke.JOIN_BEVEL, 1, new float[] {6, 4}, 0));
    }
    Line deaths = new Line();
    record.deaths().forEach(deaths::add);
    if (!deaths.seconds.isEmpty()) {
      XYSeries series = chart.addSeries("a worker dies", deaths.seconds, deaths.mib);
      series.setXYSeriesRenderStyle(XYSeries.XYSeriesRenderStyle.Scatter);
      series.setMarker(SeriesMarkers.CROSS).setMarkerColor(DEATH);
    }
    return new MemoryPlot(chart);
  }

  private record Line(List<Double> seconds, List<Double> mib) {
    Line() {
      this(new ArrayList<>(), new ArrayList<>());
    }

    void add(Point point) {
      seconds.add(point.seconds());
      mib.add(point.bytes() / MIB);
    }

    /** Leaves out what is hardly different from what is drawn before it. */
    void follow(List<Point> life) {
      Point drawn = life.get(0);
      add(drawn);
      for (int i = 1; i < life.size(); i++) {
        Point point = life.get(i);
        if (Math.abs(point.bytes() - drawn.bytes()) >= STEP || i == life.size() - 1) {
          if (!life.get(i - 1).equals(drawn)) {
            add(life.get(i - 1)); // the line is level up to here
          }
          add(point);
          drawn = point;
        }
      }
    }

    double end() {
      return seconds.isEmpty() ? Double.NEGATIVE_INFINITY : seconds.get(seconds.size() - 1);
    }
  }

  /** A worker follows, where it can, one that has ended. */
  private static List<Line> places(List<List<Point>> lives) {
    List<Line> places = new ArrayList<>();
    for (List<Point> life : lives) {
      double start = life.get(0).seconds();
      Line place = places.stream().filter(line -> line.end() < start).findFirst().orElse(null);
      if (place == null) {
        place = new Line();
        places.add(place);
      } else {
        place.seconds.add(start);
        place.mib.add(Double.NaN); // a gap
      }
      place.follow(life);
    }
    return places;
  }

  /** Writes it as .svg and as .png. */
  void save(Path name) throws IOException {
    ChartEncoder.saveChart(chart, name + ".png", "png");
    String drawing = new String(ChartEncoder.getBytes(chart, "svg"), StandardCharsets.UTF_8);
    String rounded = MORE_DIGITS_THAN_SEEN.matcher(drawing).replaceAll("$1");
    Files.writeString(Path.of(name + ".svg"), rounded);
  }
}
