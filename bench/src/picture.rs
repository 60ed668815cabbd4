//! The picture of a run: bars, in SVG.

use crate::rows::{Finding, OURS};
use crate::table::{Comparison, short};
use std::fmt::Write;

const WIDTH: usize = 860;
const NAME_WIDTH: usize = 200;
const BAR_WIDTH: f64 = 440.0;
const BAR: usize = 22;
const HEAD: usize = 44;

/// A panel for each comparison that has a figure; each has a scale of its own.
pub fn draw(findings: &[Finding]) -> String {
    let panels: Vec<&Comparison> = findings
        .iter()
        .flat_map(|f| &f.comparisons)
        .filter(|c| c.standings.iter().any(|s| !s.rounds.is_empty()))
        .collect();
    let mut body = String::new();
    let mut y = 16;
    for panel in panels {
        y = draw_panel(&mut body, panel, y);
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{y}\" viewBox=\"0 0 {WIDTH} {y}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n{body}</svg>\n"
    )
}

fn draw_panel(body: &mut String, panel: &Comparison, top: usize) -> usize {
    let quantity = panel.quantity;
    let spreads: Vec<_> = panel.standings.iter().map(|s| quantity.spread(s)).collect();
    let most = spreads.iter().flatten().map(|s| s.max).fold(f64::MIN_POSITIVE, f64::max);
    let beside_peers = panel.standings.iter().any(|s| s.name == OURS);
    let better = if quantity.less_is_better { "less is better" } else { "more is better" };
    let _ = writeln!(
        body,
        "<text x=\"16\" y=\"{}\" fill=\"#111111\" font-weight=\"bold\">{}</text>\
         <text x=\"16\" y=\"{}\" fill=\"#555555\" font-size=\"11\">{}, {better}; the thin line goes from the least to the most</text>",
        top + 14,
        escape(&panel.what),
        top + 30,
        quantity.unit,
    );
    let mut y = top + HEAD;
    for (n, (standing, spread)) in panel.standings.iter().zip(&spreads).enumerate() {
        let middle = y + BAR / 2;
        let _ = write!(
            body,
            "<text x=\"{NAME_WIDTH}\" y=\"{}\" text-anchor=\"end\" fill=\"#111111\">{}</text>",
            middle + 4,
            escape(&standing.name)
        );
        match spread {
            Some(s) => {
                let x = |value: f64| NAME_WIDTH as f64 + 10.0 + value / most * BAR_WIDTH;
                let colour = if n == 0 || !beside_peers { "#1a6fb5" } else { "#a9b3bd" };
                let _ = writeln!(
                    body,
                    "<rect x=\"{}\" y=\"{}\" width=\"{:.1}\" height=\"{}\" fill=\"{colour}\"/>\
                     <line x1=\"{:.1}\" y1=\"{middle}\" x2=\"{:.1}\" y2=\"{middle}\" stroke=\"#111111\"/>\
                     <text x=\"{:.1}\" y=\"{}\" fill=\"#111111\">{} {}</text>",
                    NAME_WIDTH + 10,
                    y + 2,
                    (x(s.median) - x(0.0)).max(1.0),
                    BAR - 4,
                    x(s.min),
                    x(s.max),
                    x(s.max) + 8.0,
                    middle + 4,
                    short(s.median),
                    quantity.unit,
                );
            }
            None => {
                let _ = writeln!(
                    body,
                    "<text x=\"{}\" y=\"{}\" fill=\"#777777\">not run here</text>",
                    NAME_WIDTH + 10,
                    middle + 4
                );
            }
        }
        y += BAR;
    }
    y + 20
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
