//! `/bundles/{guild}/{session}`: a bundle by a signed link. Whoever has no right to know learns nothing: a link that was
//! not signed here looks the same whether its bundle is there or not.
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio_util::io::ReaderStream;

use super::links::{Format, Grant, Refused};
use crate::app::App;

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
    State(app): State<Arc<App>>,
    Path((guild, session)): Path<(String, String)>,
    Query(signed): Query<Signed>,
) -> Response {
    let (response, result) = match grant(&app, &guild, &session, &signed) {
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

async fn send(app: &App, grant: &Grant) -> (Response, &'static str) {
    let Grant { guild, session, format: Format::Archive, .. } = *grant;
    // Archives are packed anew for each download: a few at a time.
    let Ok(_packing) = app.packing().try_acquire() else {
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
            let body = Body::from_stream(ReaderStream::new(tokio::fs::File::from_std(packed.file)));
            let mut response = body.into_response();
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/zstd"));
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(packed.size));
            if let Ok(name) = HeaderValue::from_str(&format!("attachment; filename=\"{}\"", packed.name)) {
                headers.insert(header::CONTENT_DISPOSITION, name);
            }
            keep_private(&mut response);
            (response, "sent")
        }
        Err(why) => (page(StatusCode::GONE, "This recording cannot be had any more", &why), "gone"),
    }
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
