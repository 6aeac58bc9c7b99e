//! The whole page.
use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, context};
use sha2::{Digest as _, Sha256};

use super::lanes::LaneRow;
use super::scale::{Scale, px};
use super::{lanes, summary, turns};
use crate::diff::{Parity, Run};
use antiphon_core::private_files;
use bundle::{BundleError, Reader};
use store::Verified;

/// Pixels of the axis's labels.
const AXIS: f64 = 26.0;

/// Pixels at both ends, for the labels there. The template's viewBox begins by as much to the left.
const MARGIN: f64 = 12.0;

const TEMPLATE: &str = include_str!("parity.html");
const STYLE: &str = include_str!("parity.css");
const SCRIPT: &str = include_str!("parity.js");

/// A report that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The bundle's tracks or timeline cannot be read.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The page could not be put together.
    #[error("the report's page cannot be rendered: {0}")]
    Render(#[from] minijinja::Error),
    /// The file cannot be written.
    #[error("cannot write the report {path}: {source}")]
    Write {
        /// Where.
        path: String,
        /// Why.
        source: std::io::Error,
    },
}

/// What a parity report is made of.
#[derive(Debug, Clone)]
pub struct ParityReport<'a> {
    /// The runs compared: the first is shown on the left and on the time axis.
    pub runs: (&'a Run, &'a Run),
    /// The comparison.
    pub parity: &'a Parity,
    /// The bundle, for waveforms; a comparison without one has a page without them.
    pub bundle: Option<&'a Reader>,
    /// What verifying the ledger's chain gave.
    pub chain: Option<&'a Verified>,
    /// What else a reader should know, such as that the transcripts were given by the demo's script.
    pub notes: Vec<String>,
}

impl ParityReport<'_> {
    /// The page.
    pub fn html(&self) -> Result<String, ReportError> {
        let (a, b) = self.runs;
        let last = a.turns.iter().chain(&b.turns).map(|turn| turn.closed_ms.unwrap_or(turn.began_ms)).max();
        let millis = match self.bundle {
            Some(bundle) => bundle
                .manifest()
                .ended
                .millis_since(bundle.manifest().started)
                .max(bundle.manifest().end_slot() * 20),
            None => last.unwrap_or(0) + 1_000,
        };
        let scale = Scale::new(millis);
        let rows: Vec<LaneRow> = self.bundle.map_or(Ok(Vec::new()), |bundle| lanes::rows(bundle, scale))?;
        let colours = match self.bundle {
            Some(bundle) => lanes::colours(bundle),
            None => by_order(a),
        };
        let top = rows.len() as f64 * lanes::ROW;
        let (bars, lines) = turns::bars(a, self.parity, scale, &colours, top + 6.0);
        let turns_height = lines.max(1) as f64 * turns::LINE + 12.0;
        let height = top + turns_height + AXIS;

        let mut environment = Environment::new();
        // The template's name ends in .html, which escapes already; said here so that renaming it changes nothing.
        environment.set_auto_escape_callback(|_| AutoEscape::Html);
        environment.add_template("parity.html", TEMPLATE)?;
        let started = self.bundle.map(|bundle| bundle.manifest().started.to_string());
        let page = environment.get_template("parity.html")?.render(context! {
            style => STYLE,
            script => SCRIPT,
            script_hash => script_hash(),
            session => a.session.to_string(),
            other_session => (a.session != b.session).then(|| b.session.to_string()),
            started => started.unwrap_or_else(|| a.started.to_string()),
            guild => self.bundle.map(|bundle| bundle.manifest().guild.to_string()),
            channel => self.bundle.map(|bundle| bundle.manifest().channel.to_string()),
            versions => Serde(self.bundle.map(|bundle| bundle.manifest().versions.clone())),
            a => Serde(&self.parity.a),
            b => Serde(&self.parity.b),
            notes => Serde(&self.notes),
            facts => Serde(summary::facts(self.parity, self.bundle, self.chain)),
            classes => Serde(self.parity.classes.iter().map(|(class, n)| (class.as_str(), *n)).collect::<BTreeMap<_, _>>()),
            fields => Serde(summary::fields(self.parity)),
            differing => self.parity.turns - self.parity.agreed,
            identity => Serde(&self.parity.identity),
            width => px(scale.width),
            full_width => px(scale.width + 2.0 * MARGIN),
            height => px(height),
            lanes_height => px(top),
            turns_height => px(turns_height),
            axis_y => px(top + turns_height),
            label_y => px(top + turns_height + 17.0),
            row_height => px(lanes::ROW),
            ticks => Serde(scale.ticks()),
            rows => Serde(rows),
            bars => Serde(bars),
            cards => Serde(turns::cards(a, b, self.parity, &colours)),
        })?;
        Ok(page)
    }

    /// Writes the page to a file, under another name until it is whole.
    pub fn write(&self, path: &Path) -> Result<(), ReportError> {
        let html = self.html()?;
        let write = || {
            if let Some(folder) = path.parent() {
                private_files::create_dir_all(folder)?;
            }
            let new = path.with_extension("html.new");
            private_files::write(&new, html)?;
            std::fs::rename(&new, path)
        };
        write().map_err(|source| ReportError::Write { path: path.display().to_string(), source })
    }
}

/// Colours when there are no tracks to take them from.
fn by_order(run: &Run) -> BTreeMap<antiphon_core::ids::UserId, String> {
    let mut colours = BTreeMap::new();
    for turn in &run.turns {
        let next = format!("s{}", colours.len() % lanes::COLOURS);
        colours.entry(turn.user).or_insert(next);
    }
    colours
}

/// The page's policy lets this one script run and no other: words that somebody said cannot become code.
fn script_hash() -> String {
    base64::engine::general_purpose::STANDARD.encode(Sha256::digest(SCRIPT))
}
