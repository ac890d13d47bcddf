//! The result as a picture: what mounts and unmounts consist of, with a cloud that answers at once and a slow one.

use std::fmt::Write;

use behaviour::quantile;

use crate::mounts::{LATENCIES, Timed};

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 380.0;
const LEFT: f64 = 70.0;
const BOTTOM: f64 = 74.0;
const TOP: f64 = 70.0;
const BAR: f64 = 56.0;

const OPERATIONS: [(&str, &str); 4] = [
    ("first_mount", "first mount"),
    ("later_mount", "later mount"),
    ("another_container", "another container"),
    ("last_unmount", "last unmount"),
];

/// Colour, legend and values.
type Part = (&'static str, &'static str, fn(&Timed) -> &[f64]);
const PARTS: [Part; 4] = [
    ("#e9c46a", "Cinder's answers", |t| &t.cloud),
    ("#8d99ae", "mkfs, fsck, blkid", |t| &t.programs),
    ("#264653", "device: proof of blankness, mount", |t| &t.device),
    ("#2a9d8f", "rest: kernel, journal, plugin", |t| &t.own),
];

/// An SVG file.
pub(crate) fn draw(mounts: &[Timed]) -> String {
    let height = |t: &Timed| PARTS.iter().map(|(.., values)| quantile(values(t), 0.5)).sum::<f64>();
    let longest = mounts.iter().map(height).fold(1.0, f64::max);
    let steps = [5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0];
    let step = steps.into_iter().find(|step| longest / step <= 6.0).unwrap_or(1000.0);
    let most = (longest / step).ceil() * step;
    let scale = (HEIGHT - BOTTOM - TOP) / most;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n"
    );
    let text = |x: f64, y: f64, anchor: &str, words: &str| {
        format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>\n")
    };
    let mut at = 0.0;
    while at <= most {
        let y = HEIGHT - BOTTOM - at * scale;
        let right = WIDTH - 20.0;
        let _ = writeln!(
            svg,
            "<line x1=\"{LEFT}\" x2=\"{right:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#ddd\"/>"
        );
        svg.push_str(&text(LEFT - 8.0, y + 4.0, "end", &format!("{at:.0} ms")));
        at += step;
    }
    let group = (WIDTH - LEFT - 20.0) / 4.0;
    let mut middle = LEFT + group / 2.0;
    for (operation, label) in OPERATIONS {
        let mut x = middle - BAR;
        for latency in LATENCIES {
            if let Some(timed) = mounts.iter().find(|t| t.operation == operation && t.latency == latency) {
                let mut y = HEIGHT - BOTTOM;
                for (colour, _, values) in PARTS {
                    let part = quantile(values(timed), 0.5) * scale;
                    y -= part;
                    let _ = writeln!(
                        svg,
                        "<rect x=\"{:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{part:.1}\" fill=\"{colour}\"/>",
                        x + 3.0,
                        BAR - 6.0
                    );
                }
                svg.push_str(&text(x + BAR / 2.0, y - 5.0, "middle", &format!("{:.0}", height(timed))));
            }
            let added = format!("+{latency} ms");
            svg.push_str(&text(x + BAR / 2.0, HEIGHT - BOTTOM + 16.0, "middle", &added));
            x += BAR;
        }
        svg.push_str(&text(middle, HEIGHT - BOTTOM + 34.0, "middle", label));
        middle += group;
    }
    svg.push_str(&text(LEFT, 20.0, "start", "Mount and Unmount of the plugin, p50 of each part"));
    let mut x = LEFT;
    for (colour, legend, _) in PARTS {
        let _ = writeln!(svg, "<rect x=\"{x}\" y=\"32\" width=\"12\" height=\"12\" fill=\"{colour}\"/>");
        svg.push_str(&text(x + 18.0, 42.0, "start", legend));
        x += 150.0;
    }
    let below = "added to each of Cinder's answers; ext4, 1 GiB";
    svg.push_str(&text(WIDTH / 2.0, HEIGHT - 14.0, "middle", below));
    svg.push_str("</svg>\n");
    svg
}
