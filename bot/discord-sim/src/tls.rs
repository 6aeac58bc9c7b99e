//! The certificate authority. Voice clients insist on `wss`, so the voice gateway has a leaf for
//! `localhost` and `127.0.0.1`, signed by an authority that clients must trust (`SSL_CERT_FILE` and the like).
//! All simulations of one process share it, because that variable names one file for the whole process.
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::error::StartError;

/// A certificate authority with one server certificate.
#[derive(Clone, Debug)]
pub(crate) struct Authority {
    pub(crate) pem: String,
    pub(crate) server: Arc<ServerConfig>,
}

impl Authority {
    /// The process's authority, made at the first call.
    pub(crate) fn of_process() -> Result<Self, StartError> {
        static SHARED: Mutex<Option<Authority>> = Mutex::new(None);
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        match &*shared {
            Some(authority) => Ok(authority.clone()),
            None => Ok(shared.insert(Self::new()?).clone()),
        }
    }

    fn new() -> Result<Self, StartError> {
        let mut ca = CertificateParams::new(Vec::new())?;
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.distinguished_name.push(DnType::CommonName, "Antiphon simulated Discord");
        ca.key_usages =
            vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let ca_key = KeyPair::generate()?;
        let ca_cert = ca.self_signed(&ca_key)?;
        let issuer = Issuer::new(ca, ca_key);

        let mut leaf = CertificateParams::new(vec!["localhost".to_owned()])?;
        leaf.subject_alt_names.push(SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        leaf.distinguished_name.push(DnType::CommonName, "localhost");
        leaf.use_authority_key_identifier_extension = true;
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let leaf_key = KeyPair::generate()?;
        let leaf_cert = leaf.signed_by(&leaf_key, &issuer)?;

        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(
                vec![leaf_cert.der().clone(), ca_cert.der().clone()],
                PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(leaf_key.serialize_der())),
            )?;
        Ok(Self { pem: ca_cert.pem(), server: Arc::new(server) })
    }

    /// Writes the authority's certificate where `SSL_CERT_FILE` can name it.
    pub(crate) fn write(&self, path: Option<&Path>) -> Result<PathBuf, StartError> {
        let path = match path {
            Some(path) => path.to_owned(),
            None => std::env::temp_dir().join(format!("discord-sim-ca-{}.pem", std::process::id())),
        };
        // Written next to it and renamed: another simulation's clients may be reading it.
        let temporary = path.with_extension(format!("{:08x}.tmp", rand::random::<u32>()));
        std::fs::write(&temporary, &self.pem)
            .and_then(|()| std::fs::rename(&temporary, &path))
            .map_err(|source| StartError::WriteCa { path: path.clone(), source })?;
        Ok(path)
    }
}
