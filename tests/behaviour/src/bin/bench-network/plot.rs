//! The result as a picture: a bar up to p50 and a line up to p99 of `docker run`, by containers started at once.

use std::fmt::Write;

use behaviour::quantile;

use crate::measure::Row;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 70.0;
const BOTTOM: f64 = 60.0;
const TOP: f64 = 70.0;
const BAR: f64 = 46.0;

/// Colour, legend and which rows.
type Series = (&'static str, &'static str, fn(&Row) -> bool);
const SERIES: [Series; 4] = [
    ("#8d99ae", "Docker's bridge driver", |row| row.driver == "bridge"),
    ("#2a9d8f", "kuryr", |row| row.driver == "kuryr" && row.latency == 0 && row.ports == 0),
    ("#e9c46a", "kuryr, 10,000 ports in the project", |row| row.ports > 0),
    ("#e76f51", "kuryr, 50 ms more per Neutron call", |row| row.driver == "kuryr" && row.latency > 0),
];

/// An SVG file.
pub(crate) fn draw(rows: &[Row]) -> String {
    let longest = rows.iter().map(|row| quantile(&row.runs, 0.99)).fold(1.0, f64::max);
    let step = [100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0, 10_000.0]
        .into_iter()
        .find(|step| longest / step <= 6.0)
        .unwrap_or(20_000.0);
    let most = (longest / step).ceil() * step;
    let y = |ms: f64| HEIGHT - BOTTOM - ms / most * (HEIGHT - BOTTOM - TOP);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n"
    );
    let text = |x: f64, y: f64, anchor: &str, words: &str| {
        format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>\n")
    };
    let mut at = 0.0;
    while at <= most {
        let _ = writeln!(
            svg,
            "<line x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{1:.1}\" y2=\"{1:.1}\" stroke=\"#ddd\"/>",
            WIDTH - 20.0,
            y(at)
        );
        svg.push_str(&text(LEFT - 8.0, y(at) + 4.0, "end", &format!("{:.2} s", at / 1000.0)));
        at += step;
    }
    let group = (WIDTH - LEFT - 20.0) / 3.0;
    for (index, at_once) in [1, 8, 32].into_iter().enumerate() {
        #[expect(clippy::cast_precision_loss, reason = "three groups")]
        let middle = LEFT + group * (index as f64 + 0.5);
        let bars: Vec<(&str, &Row)> = SERIES
            .iter()
            .filter_map(|(colour, _, is)| {
                Some((*colour, rows.iter().find(|r| is(r) && r.at_once == at_once)?))
            })
            .collect();
        #[expect(clippy::cast_precision_loss, reason = "four series")]
        let mut x = middle - BAR * bars.len() as f64 / 2.0;
        for (colour, row) in bars {
            let (p50, p99) = (quantile(&row.runs, 0.5), quantile(&row.runs, 0.99));
            let _ = writeln!(
                svg,
                "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{colour}\"/>\n<line \
                 x1=\"{5:.1}\" x2=\"{5:.1}\" y1=\"{1:.1}\" y2=\"{4:.1}\" stroke=\"#333\" stroke-width=\"1.5\"/>",
                x + 2.0,
                y(p50),
                BAR - 4.0,
                y(0.0) - y(p50),
                y(p99),
                x + BAR / 2.0
            );
            svg.push_str(&text(x + BAR / 2.0, y(p99) - 5.0, "middle", &format!("{:.2}", p50 / 1000.0)));
            x += BAR;
        }
        svg.push_str(&text(middle, HEIGHT - BOTTOM + 18.0, "middle", &format!("{at_once} at once")));
    }
    let title = "docker run: bar and number p50, line up to p99";
    svg.push_str(&text(LEFT, 20.0, "start", title));
    for (index, (colour, legend, _)) in SERIES.iter().enumerate() {
        #[expect(clippy::cast_precision_loss, reason = "four series")]
        let (column, line) = ((index % 2) as f64, (index / 2) as f64);
        let (x, y) = (LEFT + 300.0 * column, 30.0 + 18.0 * line);
        let _ = writeln!(svg, "<rect x=\"{x}\" y=\"{y}\" width=\"12\" height=\"12\" fill=\"{colour}\"/>");
        svg.push_str(&text(x + 18.0, y + 10.0, "start", legend));
    }
    svg.push_str(&text(WIDTH / 2.0, HEIGHT - 14.0, "middle", "containers started at the same time"));
    svg.push_str("</svg>\n");
    svg
}
