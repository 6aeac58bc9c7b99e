//! `unix:PATH` and `tcp:HOST:PORT`.
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where a mirror listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A socket file.
    Unix(PathBuf),
    /// A host and a port.
    Tcp(String),
}

/// An address that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// No `unix:` or `tcp:`.
    #[error("{0:?} is no address of a mirror: give unix:PATH or tcp:HOST:PORT")]
    Kind(String),
    #[error("unix: needs the path of a socket file, such as unix:/run/antiphon/mirror.sock")]
    Path,
    /// No host or port.
    #[error("{0:?} has no port: give tcp:HOST:PORT, such as tcp:127.0.0.1:9470")]
    Port(String),
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        match text.split_once(':') {
            Some(("unix", "")) => Err(AddressError::Path),
            Some(("unix", path)) => Ok(Address::Unix(path.into())),
            Some(("tcp", place)) => match place.rsplit_once(':') {
                Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
                    Ok(Address::Tcp(place.to_owned()))
                }
                _ => Err(AddressError::Port(text.to_owned())),
            },
            _ => Err(AddressError::Kind(text.to_owned())),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
            Address::Tcp(place) => write!(f, "tcp:{place}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_others_refused() {
        for text in ["unix:/run/a b.sock", "tcp:127.0.0.1:0", "tcp:[::1]:9470", "tcp:box:1"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        for text in ["", "unix:", "/run/a.sock", "tcp:box", "tcp::5", "tcp:box:99999", "http://box"] {
            assert!(text.parse::<Address>().unwrap_err().to_string().contains(':'), "{text}");
        }
    }
}
