//! Each tenant's share over time as an SVG: a panel for each scenario and mode. Pure.

use std::fmt::Write;

use crate::reckon::Seen;
use crate::report::Report;

const PANEL: (f64, f64) = (300.0, 150.0);
const MARGIN: f64 = 34.0;
const COLUMNS: usize = 3;
const COLOURS: [&str; 8] =
    ["#1b6ca8", "#d1495b", "#2e933c", "#e29578", "#6a4c93", "#8d99ae", "#b08968", "#00798c"];

/// Draws it.
#[must_use]
pub fn draw(report: &Report) -> String {
    let rows = report.scenarios.len().div_ceil(COLUMNS);
    let (width, height) = (PANEL.0 + MARGIN, PANEL.1 + MARGIN);
    let size = (width * COLUMNS as f64 + MARGIN, height * rows as f64 + MARGIN);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" font-family=\"sans-serif\" font-size=\"10\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{MARGIN}\" y=\"14\">Share of a {}card's time, per 100 ms; dashed: what was asked for</text>\n",
        size.0,
        size.1,
        if report.simulated { "simulated " } else { "" }
    );
    for (i, seen) in report.scenarios.iter().enumerate() {
        let at = ((i % COLUMNS) as f64 * width + MARGIN, (i / COLUMNS) as f64 * height + MARGIN);
        let _ = writeln!(svg, "<g transform=\"translate({:.0} {:.0})\">", at.0, at.1);
        panel(&mut svg, seen);
        svg.push_str("</g>\n");
    }
    svg + "</svg>\n"
}

fn panel(svg: &mut String, seen: &Seen) {
    let (width, height) = PANEL;
    let _ = writeln!(
        svg,
        "<rect width=\"{width}\" height=\"{height}\" fill=\"none\" stroke=\"#999\"/>\n\
         <text y=\"-4\">{}, {}</text><text x=\"-22\" y=\"8\">100</text><text x=\"-10\" y=\"{height}\">0</text>",
        seen.name, seen.mode
    );
    let end = seen.samples.last().map_or(1, |sample| sample.at_ns.max(1)) as f64;
    for (i, tenant) in seen.tenants.iter().enumerate() {
        let colour = COLOURS[i % COLOURS.len()];
        let share = height - f64::from(tenant.share_percent) * height / 100.0;
        let points: Vec<String> = seen
            .samples
            .windows(2)
            .map(|pair| {
                let length = (pair[1].at_ns - pair[0].at_ns).max(1) as f64;
                let got = pair[1].got_ns[i].saturating_sub(pair[0].got_ns[i]) as f64 / length;
                let x = pair[1].at_ns as f64 * width / end;
                format!("{x:.1},{:.1}", height - got.min(1.0) * height)
            })
            .collect();
        let _ = writeln!(
            svg,
            "<line y1=\"{share:.1}\" x2=\"{width}\" y2=\"{share:.1}\" stroke=\"{colour}\" stroke-dasharray=\"3 3\" opacity=\"0.5\"/>\n\
             <polyline fill=\"none\" stroke=\"{colour}\" points=\"{}\"/>",
            points.join(" ")
        );
    }
}
