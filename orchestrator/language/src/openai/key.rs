//! The API key: read from the environment or a file, never printed.
use std::fmt;
use std::path::PathBuf;

/// A secret. Its `Debug` and `Display` show nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file named by the variable cannot be read.
    #[error("{variable} names {path}, which cannot be read: {source}")]
    File {
        /// The variable.
        variable: String,
        path: PathBuf,
        source: std::io::Error,
    },
    /// It could not be sent in a header.
    #[error("the key in {origin} holds characters that no key has (a line break or a control character?)")]
    Unusable {
        /// Where it came from.
        origin: String,
    },
}

impl ApiKey {
    /// A key as given; white space around it is dropped.
    pub fn new(secret: &str, origin: &str) -> Result<Self, KeyError> {
        let secret = secret.trim();
        if secret.chars().all(|c| c.is_ascii_graphic()) {
            Ok(Self(secret.to_owned()))
        } else {
            Err(KeyError::Unusable { origin: origin.to_owned() })
        }
    }

    /// The key in the variable `name`, or in the file named by `<name>_FILE` (as container secrets are given); none
    /// when neither is set, or it is empty. `lookup` is how variables are read.
    pub fn from_env(name: &str, lookup: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, KeyError> {
        let set = |name: &str| lookup(name).filter(|value| !value.trim().is_empty());
        if let Some(secret) = set(name) {
            return Self::new(&secret, name).map(Some);
        }
        let variable = format!("{name}_FILE");
        let Some(path) = set(&variable).map(PathBuf::from) else { return Ok(None) };
        let secret = std::fs::read_to_string(&path).map_err(|source| KeyError::File {
            variable,
            path: path.clone(),
            source,
        })?;
        if secret.trim().is_empty() {
            return Ok(None);
        }
        Self::new(&secret, &path.display().to_string()).map(Some)
    }

    /// The secret itself, for the header.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(***)")
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_comes_from_variable_or_file_and_is_hidden() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        std::fs::write(&path, "sk-file\n").unwrap();
        let file = path.display().to_string();
        let from = |pairs: &[(&str, &str)]| {
            let pairs: Vec<(String, String)> =
                pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
            ApiKey::from_env("LLM_KEY", move |name| {
                pairs.iter().find(|(k, _)| k == name).map(|(_, v)| v.clone())
            })
        };
        assert_eq!(from(&[("LLM_KEY", " sk-env ")]).unwrap().unwrap().reveal(), "sk-env");
        let key = from(&[("LLM_KEY", ""), ("LLM_KEY_FILE", &file)]).unwrap().unwrap();
        assert_eq!(key.reveal(), "sk-file");
        assert_eq!(format!("{key:?} {key}"), "ApiKey(***) ***");
        assert_eq!(from(&[]).unwrap(), None);
        let missing = from(&[("LLM_KEY_FILE", "/nowhere/key")]).unwrap_err().to_string();
        assert!(missing.starts_with("LLM_KEY_FILE names /nowhere/key"), "{missing}");
        let broken = from(&[("LLM_KEY", "two\nlines")]).unwrap_err().to_string();
        assert!(!broken.contains("two"), "{broken}");
    }
}
