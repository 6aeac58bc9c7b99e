//! URLs for messages and logs.

/// The URL without its password, for messages.
pub(super) fn redact(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    // The password ends at the last @ before the path, so that one with an @ in it is hidden as a whole.
    let authority = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(rest[authority..].find('@').map_or(authority, |_| rest.len()));
    let authority = match authority.rsplit_once('@') {
        Some((user, host)) => match user.split_once(':') {
            Some((user, _)) => format!("{user}:***@{host}"),
            None => format!("{user}@{host}"),
        },
        None => authority.to_owned(),
    };
    let path = match path.split_once('?') {
        Some((path, query)) => {
            let query: Vec<_> = query
                .split('&')
                .map(|pair| match pair.split_once('=') {
                    Some((key, _)) if key.contains("password") => format!("{key}=***"),
                    _ => pair.to_owned(),
                })
                .collect();
            format!("{path}?{}", query.join("&"))
        }
        None => path.to_owned(),
    };
    format!("{scheme}://{authority}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        for (url, shown) in [
            ("postgres://bot:s3cret@db.example:5432/antiphon", "postgres://bot:***@db.example:5432/antiphon"),
            (
                "postgres://bot:s3c@ret@db/antiphon?sslmode=disable",
                "postgres://bot:***@db/antiphon?sslmode=disable",
            ),
            (
                "postgres:///antiphon?host=/run/pg&password=s3cret",
                "postgres:///antiphon?host=/run/pg&password=***",
            ),
            ("postgres://bot@db/antiphon", "postgres://bot@db/antiphon"),
        ] {
            assert_eq!(redact(url), shown);
        }
        assert!(!redact("postgres://bot:s3/cret@db/antiphon").contains("cret"));
    }
}
