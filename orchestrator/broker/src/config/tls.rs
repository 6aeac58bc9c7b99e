//! TLS: which certificates are trusted, and the client's own. Certificates are always checked; there is no way around it.
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

/// Files and names for TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// The CA that signed the server's certificate (PEM); the machine's own trust when none is named.
    pub ca: Option<PathBuf>,
    /// Our own certificate (PEM), for servers that ask for one.
    pub certificate: Option<PathBuf>,
    /// Its key (PEM).
    pub key: Option<PathBuf>,
    /// The name in the server's certificate, when it is not the one in the URL.
    pub server_name: Option<String>,
}

impl TlsFiles {
    /// The first setting that is given, by its name.
    pub(crate) fn first_set(&self) -> Option<&'static str> {
        [
            ("redis.tls_ca", self.ca.is_some()),
            ("redis.tls_certificate", self.certificate.is_some()),
            ("redis.tls_key", self.key.is_some()),
            ("redis.tls_server_name", self.server_name.is_some()),
        ]
        .into_iter()
        .find_map(|(name, set)| set.then_some(name))
    }
}

/// What a connection over TLS needs.
#[derive(Clone)]
pub(crate) struct Tls {
    pub(crate) connector: TlsConnector,
    name: Option<ServerName<'static>>,
    /// The same as the client of clusters takes it.
    pub(crate) certificates: redis::TlsCertificates,
}

impl Tls {
    /// Reads the files. An error says which is wrong, and why.
    pub(crate) fn load(files: &TlsFiles) -> Result<Self, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        // The client of clusters takes the process's own; another part may have named it before.
        let _named_before = rustls::crypto::CryptoProvider::install_default((*provider).clone());
        let mut roots = RootCertStore::empty();
        let root_cert = match &files.ca {
            Some(path) => {
                let pem = read(path, "redis.tls_ca")?;
                for certificate in certificates(&pem, path, "redis.tls_ca")? {
                    roots.add(certificate).map_err(|error| {
                        format!("redis.tls_ca: {} cannot be trusted: {error}", path.display())
                    })?;
                }
                Some(pem)
            }
            None => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                None
            }
        };
        if roots.is_empty() {
            return Err("this machine trusts no CA at all: name one with redis.tls_ca".into());
        }
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots);
        let (config, client_tls) = match (&files.certificate, &files.key) {
            (Some(certificate), Some(key)) => {
                let client_cert = read(certificate, "redis.tls_certificate")?;
                let client_key = read(key, "redis.tls_key")?;
                let chain = certificates(&client_cert, certificate, "redis.tls_certificate")?;
                let secret = PrivateKeyDer::from_pem_slice(&client_key)
                    .map_err(|error| format!("redis.tls_key: {} holds no key: {error}", key.display()))?;
                let config = config.with_client_auth_cert(chain, secret).map_err(|error| {
                    format!("redis.tls_certificate and redis.tls_key do not fit together: {error}")
                })?;
                (config, Some(redis::ClientTlsConfig { client_cert, client_key }))
            }
            (None, None) => (config.with_no_client_auth(), None),
            (Some(_), None) => {
                return Err("redis.tls_certificate needs its key: name it with redis.tls_key".into());
            }
            (None, Some(_)) => {
                return Err("redis.tls_key needs its certificate: name it with redis.tls_certificate".into());
            }
        };
        let name = match &files.server_name {
            Some(name) => Some(
                ServerName::try_from(name.clone())
                    .map_err(|_| format!("redis.tls_server_name: {name:?} is no host name"))?,
            ),
            None => None,
        };
        let certificates = redis::TlsCertificates { client_tls, root_cert };
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), name, certificates })
    }

    /// The name that a server's certificate must hold.
    pub(crate) fn name(&self, host: &str) -> Result<ServerName<'static>, String> {
        match &self.name {
            Some(name) => Ok(name.clone()),
            None => ServerName::try_from(host.to_owned()).map_err(|_| format!("{host:?} is no host name")),
        }
    }
}

fn read(path: &Path, setting: &str) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("{setting}: {} cannot be read: {error}", path.display()))
}

fn certificates(pem: &[u8], path: &Path, setting: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(format!("{setting}: {} holds no certificate (PEM)", path.display())),
        Err(error) => Err(format!("{setting}: {} is no PEM file: {error}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_unusable_file_is_named_with_its_setting() {
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().join("text");
        std::fs::write(&text, "no certificate").unwrap();
        let some = |path: &Path| Some(path.to_owned());
        let missing = folder.path().join("missing");
        for (files, word) in [
            (TlsFiles { ca: some(&missing), ..TlsFiles::default() }, "missing"),
            (TlsFiles { ca: some(&text), ..TlsFiles::default() }, "holds no certificate"),
            (TlsFiles { certificate: some(&text), ..TlsFiles::default() }, "redis.tls_key"),
            (TlsFiles { key: some(&text), ..TlsFiles::default() }, "redis.tls_certificate"),
        ] {
            let error = Tls::load(&files).err().unwrap_or_default();
            assert!(error.contains(word), "{error}");
        }
    }
}
