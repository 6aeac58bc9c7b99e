//! The migrations in `migrations/`, compiled in. Listed here rather than found by sqlx's macro, which would have sqlx
//! built a second time, for the compiler.
use std::borrow::Cow;
use std::sync::LazyLock;

use sqlx::SqlStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

/// Version, description and SQL. A released migration is never changed: its checksum is in people's databases.
type Listed = (i64, &'static str, &'static str);

pub(crate) static POSTGRES: LazyLock<Migrator> = LazyLock::new(|| migrator(&POSTGRES_LIST));
pub(crate) static SQLITE: LazyLock<Migrator> = LazyLock::new(|| migrator(&SQLITE_LIST));

const POSTGRES_LIST: [Listed; 1] =
    [(1, "ledger", include_str!("../../../migrations/postgres/0001_ledger.sql"))];
const SQLITE_LIST: [Listed; 1] = [(1, "ledger", include_str!("../../../migrations/sqlite/0001_ledger.sql"))];

fn migrator(list: &'static [Listed]) -> Migrator {
    let listed = list.iter().map(|(version, description, sql)| {
        let description = Cow::Borrowed(*description);
        Migration::new(*version, description, MigrationType::Simple, SqlStr::from_static(sql), false)
    });
    Migrator::with_migrations(listed.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_in_the_migrations_folder_is_listed() {
        for (kind, list) in [("postgres", &POSTGRES_LIST), ("sqlite", &SQLITE_LIST)] {
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations").join(kind);
            let mut files: Vec<String> = std::fs::read_dir(folder)
                .unwrap()
                .map(|file| file.unwrap().file_name().into_string().unwrap())
                .collect();
            files.sort();
            let names: Vec<String> =
                list.iter().map(|(version, name, _)| format!("{version:04}_{name}.sql")).collect();
            assert_eq!(files, names, "{kind}");
        }
    }
}
