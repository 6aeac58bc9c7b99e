//! Errors as people see them: `error:` with what is wrong, its causes, and `hint:` with how to fix it.
use std::fmt;
use std::io::Write;
use std::process::ExitCode;

use bundle::BundleError;

use super::style::{ERROR, HINT, WARNING};
use crate::app::BuildError;
use crate::discord::client::ConnectError;
use crate::http::ServeError;
use crate::mirror::ListenError;
use crate::settings::LoadError;

/// An error with the way to fix it.
#[derive(Debug)]
struct Hinted {
    message: String,
    hint: String,
}

impl fmt::Display for Hinted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Hinted {}

/// An error with the way to fix it.
pub(crate) fn hinted(message: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(Hinted { message: message.into(), hint: hint.into() })
}

/// Prints an error with its causes and hints, and gives the exit code of a failure.
pub fn fail(error: &anyhow::Error) -> ExitCode {
    // A standard error that is closed has no reader.
    let _closed = anstream::stderr().write_all(report(error).as_bytes());
    ExitCode::FAILURE
}

/// Prints a warning.
pub(crate) fn warn(text: impl AsRef<str>) {
    super::progress(format!("{WARNING}warning{WARNING:#}: {}", text.as_ref()));
}

fn report(error: &anyhow::Error) -> String {
    let mut said = error.to_string();
    let mut out = format!("{ERROR}error{ERROR:#}: {said}\n");
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        // Many errors name their cause themselves.
        if !said.contains(&cause) {
            out.push_str(&format!("  {ERROR}caused by{ERROR:#}: {cause}\n"));
        }
        said = cause;
    }
    let mut hints: Vec<String> = error.chain().filter_map(hint).collect();
    hints.dedup();
    for hint in hints {
        out.push_str(&format!("{HINT}hint{HINT:#}: {hint}\n"));
    }
    out
}

/// How to fix an error, where that is known and is not in its own words.
fn hint(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    if let Some(hinted) = error.downcast_ref::<Hinted>() {
        return Some(hinted.hint.clone());
    }
    if let Some(connect) = error.downcast_ref::<ConnectError>() {
        return connect.hint().map(str::to_owned);
    }
    if let Some(build) = error.downcast_ref::<BuildError>() {
        return build.hint().map(str::to_owned);
    }
    if let Some(listen) = error.downcast_ref::<ListenError>() {
        return listen.hint().map(str::to_owned);
    }
    if error.is::<ServeError>() {
        return Some("set ANTIPHON_HTTP to another address, or to `off`".to_owned());
    }
    if error.is::<LoadError>() {
        return Some("`antiphon settings` lists every setting with its variable".to_owned());
    }
    match error.downcast_ref::<BundleError>() {
        Some(BundleError::NotABundle(_)) => Some(BUNDLES.to_owned()),
        _ => None,
    }
}

/// Where bundles are found.
pub(crate) const BUNDLES: &str = "`antiphon bundle list` shows the recorded ones";

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    fn plain(error: &anyhow::Error) -> String {
        anstream::adapter::strip_str(&report(error)).to_string()
    }

    #[test]
    fn an_error_has_its_causes_and_hints_below_it() {
        let error = Err::<(), _>(hinted("the door is locked", "use the key")).context("the visit failed");
        assert_eq!(
            plain(&error.unwrap_err()),
            "error: the visit failed\n  caused by: the door is locked\nhint: use the key\n"
        );
    }

    #[test]
    fn a_cause_that_was_named_already_is_not_repeated() {
        let io = std::io::Error::other("no such luck");
        let error = BundleError::Io { doing: "read", path: "manifest.json".into(), source: io };
        assert_eq!(plain(&error.into()), "error: cannot read manifest.json: no such luck\n");
    }

    #[test]
    fn a_missing_token_is_an_error_with_a_hint() {
        let said = plain(&ConnectError::NoToken.into());
        assert!(
            said.starts_with("error: there is no Discord token\nhint: set ANTIPHON_DISCORD_TOKEN"),
            "{said}"
        );
    }
}
