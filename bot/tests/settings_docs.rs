//! `docs/configuration.md` holds the table that the program prints.
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
