//! `docs/configuration.md` and `docs/commands.md` hold the tables that the program makes.
#[test]
fn the_configuration_reference_is_the_programs_own_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md");
    let docs = std::fs::read_to_string(path).unwrap();
    let table = antiphon::cli::settings_markdown();
    assert!(
        docs.contains(&table),
        "docs/configuration.md is not what `antiphon settings --markdown` prints: put this in its place\n{table}"
    );
}

#[test]
fn the_command_reference_is_what_is_declared_to_discord() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/commands.md");
    let docs = std::fs::read_to_string(path).unwrap();
    let table = antiphon::discord::reference();
    assert!(
        docs.contains(&table),
        "docs/commands.md is not what is declared to Discord: put this in its place\n{table}"
    );
}
