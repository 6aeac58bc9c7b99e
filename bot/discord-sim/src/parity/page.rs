//! The parity matrix as a page.
use std::fmt::Display;

use super::status::Status;
use super::{documented, gateway, is_same_route, voice};
use crate::rest;

const HEAD: &str = "# What of Discord is simulated

This page is generated from the tables that the simulation is made of (`bot/discord-sim/src/parity/` and
`bot/discord-sim/src/rest/routes.rs`); a test compares the two. To write it again:
`UPDATE_PAGES=1 cargo test -p antiphon-discord-sim --test parity`.

| word | means |
| --- | --- |
| simulated | does what Discord does |
| accepted, without effect | is answered as Discord answers it, and changes nothing |
| refused | is answered with an error, logged and noted in the event log by name (`route_missing`, `not_simulated`), and ends a strict run (`SimBuilder::strict`) |
| absent | never comes; `Handle::close_voice` and `Handle::close_gateway` send any close code on purpose |
";

/// The page `docs/discord-parity.md`, in Markdown.
pub fn parity_page() -> String {
    let mut page = HEAD.to_owned();
    let mut section = |title: &str, head: &str, rows: Vec<String>| {
        let columns = head.matches('|').count() - 1;
        page.push_str(&format!("\n## {title}\n\n{head}\n|{}\n", " --- |".repeat(columns)));
        rows.iter().for_each(|row| page.push_str(row));
    };
    let opcodes = "| opcode | name | |";
    let codes = "| code | name | |";
    section("Gateway: opcodes", opcodes, gateway::OPCODES.iter().map(numbered).collect());
    section("Gateway: close codes", codes, gateway::CLOSE_CODES.iter().map(numbered).collect());
    section("Gateway: intents", "| bit | intent | |", gateway::INTENTS.iter().map(numbered).collect());
    section("Gateway: encoding and compression", "| what | |", encodings());
    section("Interactions", "| what | |", interactions());
    let event = |(name, status): &(&str, Status)| format!("| {name} | {} |\n", status.word());
    section("Gateway: events", "| event | |", gateway::EVENTS.iter().map(event).collect());
    section("Voice gateway: opcodes", opcodes, voice::OPCODES.iter().map(numbered).collect());
    section("Voice gateway: close codes", codes, voice::CLOSE_CODES.iter().map(numbered).collect());
    section("REST routes", "| route | |", routes());
    page
}

fn numbered<N: Display>((number, name, status): &(N, &str, Status)) -> String {
    format!("| {number} | {name} | {} |\n", status.word())
}

fn encodings() -> Vec<String> {
    let row = |what: &str, status: Status| format!("| {what} | {} |\n", status.word());
    vec![
        row("JSON, in text frames and, from clients, in binary ones", Status::Simulated),
        row("`compress=zlib-stream`", Status::Simulated),
        row("`compress=zstd-stream`", Status::Simulated),
        row("payload compression (`compress` of IDENTIFY)", Status::Simulated),
        row("ETF", Status::Refused),
        row("more than one shard", Status::Refused),
    ]
}

fn interactions() -> Vec<String> {
    let row = |(what, status): &(&str, Status)| format!("| {what} | {} |\n", status.word());
    [
        ("type 1, ping (HTTP only)", Status::Absent),
        ("type 2, command: chat, user, message", Status::Simulated),
        ("type 2, command: entry point of an activity", Status::Absent),
        ("type 3, component", Status::Simulated),
        ("type 4, autocompletion", Status::Simulated),
        ("type 5, modal submit", Status::Simulated),
        ("callback types 4 to 9", Status::Simulated),
        ("callback types 10 (premium required) and 12 (launch activity)", Status::Refused),
    ]
    .iter()
    .map(row)
    .collect()
}

fn routes() -> Vec<String> {
    let table = rest::table();
    let status = |documented: &super::Documented| {
        let found = table.iter().find(|route| is_same_route(route.method, route.path, documented));
        match found {
            Some(route) if route.has_effect => Status::Simulated,
            Some(_) => Status::Accepted,
            None => Status::Refused,
        }
    };
    documented()
        .map(|route| format!("| {} `{}` | {} |\n", route.method, route.path, status(&route).word()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Routes that are in use and that Discord's reference does not list.
    const UNDOCUMENTED: [(&str, &str); 1] = [("GET", "/guilds/{guild}/members/@me")];

    #[test]
    fn every_simulated_route_is_one_of_discords() {
        for route in rest::table() {
            let known = documented().any(|known| is_same_route(route.method, route.path, &known))
                || UNDOCUMENTED.contains(&(route.method, route.path));
            assert!(known, "{} {}", route.method, route.path);
        }
    }
}
