//! Strokes: the few SVG elements that drawings are made of.
use std::fmt::Write as _;

use super::text::{escape, fit, width};

/// What a lane's name may take.
pub(super) const NAMES: f64 = 128.0;

/// An SVG document being written.
#[derive(Debug, Default)]
pub(super) struct Canvas {
    pub(super) out: String,
}

impl Canvas {
    /// A rectangle with something to read when pointed at.
    pub(super) fn rect(&mut self, class: &str, x: f64, y: f64, w: f64, h: f64, title: &str) {
        let title =
            if title.is_empty() { String::new() } else { format!("<title>{}</title>", escape(title)) };
        let _ = writeln!(
            self.out,
            r#"<rect class="{class}" x="{x:.1}" y="{y:.1}" width="{:.1}" height="{h:.1}">{title}</rect>"#,
            w.max(0.8)
        );
    }

    pub(super) fn line(&mut self, class: &str, x: f64, from: f64, to: f64) {
        let _ = writeln!(
            self.out,
            r#"<line class="{class}" x1="{x:.1}" x2="{x:.1}" y1="{from:.1}" y2="{to:.1}"/>"#
        );
    }

    pub(super) fn path(&mut self, class: &str, path: &str) {
        let _ = writeln!(self.out, r#"<path class="{class}" d="{path}"/>"#);
    }

    pub(super) fn text(&mut self, class: &str, x: f64, y: f64, text: &str) {
        let _ = writeln!(self.out, r#"<text class="{class}" x="{x:.1}" y="{y:.1}">{}</text>"#, escape(text));
    }

    /// A text with the whole of it to read when pointed at.
    pub(super) fn titled(&mut self, class: &str, x: f64, y: f64, text: &str, title: &str) {
        let _ = writeln!(
            self.out,
            r#"<text class="{class}" x="{x:.1}" y="{y:.1}">{}<title>{}</title></text>"#,
            escape(text),
            escape(title)
        );
    }

    /// A small diamond.
    pub(super) fn diamond(&mut self, class: &str, x: f64, y: f64, r: f64, title: &str) {
        let _ = writeln!(
            self.out,
            r#"<path class="{class}" d="M{:.1} {y:.1}L{x:.1} {:.1}L{:.1} {y:.1}L{x:.1} {:.1}Z"><title>{}</title></path>"#,
            x - r,
            y - r,
            x + r,
            y + r,
            escape(title)
        );
    }
}

/// Rows of words under each other: each word goes to the first row in which it does not touch the one before it.
#[derive(Debug)]
pub(super) struct Rows {
    ends: Vec<f64>,
    size: f64,
}

impl Rows {
    pub(super) fn new(rows: usize, size: f64) -> Self {
        Self { ends: vec![f64::NEG_INFINITY; rows], size }
    }

    /// Where a text goes that belongs to `x`: its row, its place, and as much of it as there is room for before `until`, and
    /// no more than `most` pixels. At the page's right edge a text moves left. None when every row is taken.
    pub(super) fn place(
        &mut self,
        x: f64,
        text: &str,
        until: f64,
        most: f64,
    ) -> Option<(usize, f64, String)> {
        let wide = width(text, self.size).min(most);
        let left = if x + wide > until { (until - wide).max(0.0) } else { x };
        let row = self.ends.iter().position(|end| *end <= left)?;
        let text = fit(text, self.size, wide + 0.1)?;
        self.ends[row] = left + width(&text, self.size) + 14.0;
        Some((row, left, text))
    }
}
