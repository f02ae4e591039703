//! The figures as bars: SVG by hand, for two kinds of bars need no library.

use std::fmt::Write as _;

use super::mark::Marks;
use super::report::Report;

const WIDTH: f64 = 760.0;
/// Where the bars begin, and how long the longest is.
const BARS: (f64, f64) = (190.0, 430.0);
const ROW: f64 = 22.0;

/// Who a bar belongs to, and its color.
const RIVALS: [(&str, &str); 3] = [
    ("ours", "#1f6feb"),
    ("limit", "#8b949e"),
    ("peer", "#d29922"),
];

/// The chart as SVG: for each workload the messages in a second, in bars to one scale.
pub(super) fn draw(report: &Report) -> String {
    let mut body = String::new();
    let mut y = 34.0;
    for contest in &report.contests {
        let marks = [&contest.ours, &contest.limit, &contest.peer];
        let longest = marks.iter().map(|marks| rate(marks)).fold(0.0, f64::max);
        text(&mut body, 16.0, y + 15.0, "bold", contest.name);
        for ((who, color), marks) in RIVALS.into_iter().zip(marks) {
            if marks.is_empty() {
                continue;
            }
            let length = (BARS.1 * rate(marks) / longest).max(1.0);
            text(&mut body, 130.0, y + 15.0, "normal", who);
            // A string takes whatever is written to it.
            let _ = writeln!(
                body,
                r#"<rect x="{}" y="{y}" width="{length:.1}" height="16" rx="2" fill="{color}"/>"#,
                BARS.0
            );
            let label = format!("{:.0}/s", rate(marks));
            text(&mut body, BARS.0 + length + 6.0, y + 13.0, "normal", &label);
            y += ROW;
        }
        y += 12.0;
    }
    let mut head = String::new();
    text(
        &mut head,
        16.0,
        20.0,
        "bold",
        "Messages confirmed in a second",
    );
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{y}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n{head}{body}</svg>\n"
    )
}

fn rate(marks: &Marks) -> f64 {
    if marks.is_empty() {
        return 0.0;
    }
    marks.messages() as f64 / marks.wall()
}

/// `said` is ours: it has nothing that XML would want escaped.
fn text(svg: &mut String, x: f64, y: f64, weight: &str, said: &str) {
    let _ = writeln!(
        svg,
        r##"<text x="{x:.1}" y="{y}" font-weight="{weight}" fill="#1f2328">{said}</text>"##
    );
}
