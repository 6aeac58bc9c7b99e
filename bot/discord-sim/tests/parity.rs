//! The parity matrix: the page is what the code says, and the router does what the page says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
use std::path::Path;

use discord_sim::{Cursor, Event, Sim, parity_page};

#[test]
fn the_page_is_what_the_code_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/discord-parity.md");
    if std::env::var_os("UPDATE_PAGES").is_some() {
        std::fs::write(&path, parity_page()).unwrap();
    }
    let page = std::fs::read_to_string(&path).unwrap();
    let hint = "the page is out of date: run UPDATE_PAGES=1 cargo test -p antiphon-discord-sim --test parity";
    assert!(page == parity_page(), "{hint}");
}

/// Method, path with samples in place of parameters, and the page's word.
fn routes() -> Vec<(String, String, String)> {
    let page = parity_page();
    let (_, routes) = page.split_once("## REST routes").unwrap();
    let row = |line: &str| {
        let mut cells = line.split('|').map(str::trim).skip(1);
        let (method, path) = cells.next()?.split_once(' ')?;
        let path = path.trim_matches('`');
        let sample =
            |segment: &str| if segment.starts_with('{') { "1".to_owned() } else { segment.to_owned() };
        let path: Vec<String> = path.split('/').map(sample).collect();
        Some((method.to_owned(), path.join("/"), cells.next()?.to_owned()))
    };
    routes.lines().filter(|line| line.contains("`/")).filter_map(row).collect()
}

#[tokio::test]
async fn the_router_does_what_the_page_says() {
    let sim = Sim::builder().start().await.unwrap();
    let client = reqwest::Client::new();
    let routes = routes();
    assert!(routes.len() > 200, "{}", routes.len());
    for (method, path, word) in routes {
        let cursor: Cursor = sim.events().cursor();
        let url = format!("{}/api/v10{path}", sim.http_url());
        let request = client.request(method.parse().unwrap(), url);
        let answer = request.header("authorization", sim.bot_token()).send().await.unwrap();
        let missing =
            sim.events().since(cursor).iter().any(|e| matches!(e.event, Event::RouteMissing { .. }));
        assert_eq!(missing, word == "refused", "{method} {path}: {word}");
        if missing {
            assert_eq!(answer.status(), 404, "{method} {path}");
        }
    }
}
