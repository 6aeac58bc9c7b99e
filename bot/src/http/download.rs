//! `/bundles/{guild}/{session}`: a bundle by a signed link. A caller without the right to know learns nothing: a link that was
//! not signed here looks the same whether its bundle is there or not.
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::file_body;
use crate::app::links::{Format, Grant, Refused};
use crate::app::{App, NotPacked};

/// The signed part of a link, as text: whatever cannot be read was not signed here.
#[derive(Debug, Deserialize)]
pub(super) struct Signed {
    #[serde(default)]
    format: String,
    #[serde(default)]
    expires: String,
    #[serde(default)]
    signature: String,
}

pub(super) async fn bundle(
    method: Method,
    State(app): State<Arc<App>>,
    Path((guild, session)): Path<(String, String)>,
    Query(signed): Query<Signed>,
) -> Response {
    let (response, result) = match grant(&app, &guild, &session, &signed) {
        // A HEAD request (previews, download managers) is answered without packing anything.
        Ok(grant) if method == Method::HEAD => (asked(&app, &grant).await, "asked"),
        Ok(grant) => send(&app, &grant).await,
        Err(Refused::Forged) => (
            page(
                StatusCode::FORBIDDEN,
                "This link is not valid",
                "Ask for a new one with /bundle export in Discord.",
            ),
            "forged",
        ),
        Err(Refused::Expired) => (
            page(
                StatusCode::GONE,
                "This link has expired",
                "Ask for a new one with /bundle export in Discord.",
            ),
            "expired",
        ),
    };
    metrics::counter!("antiphon_bundle_links_total", "result" => result).increment(1);
    response
}

fn grant(app: &App, guild: &str, session: &str, signed: &Signed) -> Result<Grant, Refused> {
    let links = app.links().ok_or(Refused::Forged)?;
    let grant = Grant {
        guild: guild.parse().map_err(|_| Refused::Forged)?,
        session: session.parse().map_err(|_| Refused::Forged)?,
        format: signed.format.parse().map_err(|()| Refused::Forged)?,
        expires: signed.expires.parse().map_err(|_| Refused::Forged)?,
    };
    links.check(&grant, &signed.signature, app.clock().now())?;
    Ok(grant)
}

/// How long a download waits for an earlier one to end.
const PLACE_TIMEOUT: Duration = Duration::from_secs(2);

async fn send(app: &App, grant: &Grant) -> (Response, &'static str) {
    let Grant { guild, session, format: Format::Archive, .. } = *grant;
    // Archives are packed for each download, and lie on the disk until they are sent: a few at a time.
    let Ok(Ok(place)) = tokio::time::timeout(PLACE_TIMEOUT, app.packing().acquire_owned()).await else {
        let busy = page(
            StatusCode::SERVICE_UNAVAILABLE,
            "Others are downloading at the moment",
            "Try this link again in a minute.",
        );
        return (busy, "busy");
    };
    match app.pack_bundle(guild, session).await {
        Ok(packed) => {
            app.audit(guild, "bundle_downloaded", "link", &session.to_string(), "archive");
            let mut response = file_body::body(packed.file, place, app.stopping()).into_response();
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, ARCHIVE);
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(packed.size));
            if let Ok(name) = HeaderValue::from_str(&format!("attachment; filename=\"{}\"", packed.name)) {
                headers.insert(header::CONTENT_DISPOSITION, name);
            }
            keep_private(&mut response);
            (response, "sent")
        }
        Err(why) => (not_packed(why), if why.passes() { "failed" } else { "gone" }),
    }
}

/// What an archive is.
const ARCHIVE: HeaderValue = HeaderValue::from_static("application/zstd");

/// The answer to HEAD.
async fn asked(app: &App, grant: &Grant) -> Response {
    if !app.has_bundle(grant.guild, grant.session).await {
        return not_packed(NotPacked::Unknown);
    }
    let mut response = [(header::CONTENT_TYPE, ARCHIVE)].into_response();
    keep_private(&mut response);
    response
}

fn not_packed(why: NotPacked) -> Response {
    let (status, title) = match why {
        NotPacked::Unknown | NotPacked::CutOff | NotPacked::Damaged => {
            (StatusCode::GONE, "This recording cannot be had any more")
        }
        NotPacked::NoRoom => (StatusCode::INSUFFICIENT_STORAGE, "This recording cannot be had at the moment"),
        NotPacked::Running | NotPacked::Failed => {
            (StatusCode::SERVICE_UNAVAILABLE, "This recording cannot be had at the moment")
        }
    };
    page(status, title, &why.to_string())
}

/// A page for people, without anything that came with the request.
fn page(status: StatusCode, title: &str, words: &str) -> Response {
    let html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title><h1>{title}</h1><p>{words}</p></html>\n"
    );
    let mut response = (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response();
    keep_private(&mut response);
    response
}

/// Neither caches nor search engines nor other sites get to know.
fn keep_private(response: &mut Response) {
    for (name, value) in [
        ("cache-control", "no-store"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("x-robots-tag", "noindex"),
        ("content-security-policy", "default-src 'none'"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
}
