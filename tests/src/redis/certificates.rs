//! A CA of one's own, a server's certificate and a client's, made for one test.
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};

/// Certificates in a folder, as redis-server and clients take them.
#[derive(Debug)]
pub struct Certificates {
    folder: tempfile::TempDir,
}

impl Certificates {
    /// Makes a CA, and certificates for a server at 127.0.0.1 and `localhost`, and for a client.
    pub fn make() -> Self {
        Self::make_for(&["127.0.0.1", "localhost"])
    }

    /// The same for a server of these names.
    pub fn make_for(names: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, pem: String| std::fs::write(folder.path().join(name), pem).unwrap();
        let mut about = CertificateParams::new(Vec::new()).unwrap();
        about.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // A certificate whose issuer has the same name is taken for self-signed.
        about.distinguished_name.push(DnType::CommonName, "a CA for tests");
        let ca = CertifiedIssuer::self_signed(about, KeyPair::generate().unwrap()).unwrap();
        write("ca.pem", ca.pem());
        for (name, names) in [("server", names), ("client", &["client"])] {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let mut about = CertificateParams::new(names).unwrap();
            about.distinguished_name.push(DnType::CommonName, name);
            // Replicas and Sentinels are clients of each other with the same certificate.
            about.extended_key_usages =
                vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
            let key = KeyPair::generate().unwrap();
            write(&format!("{name}.pem"), about.signed_by(&key, &ca).unwrap().pem());
            write(&format!("{name}.key"), key.serialize_pem());
        }
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The CA.
    pub fn ca(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// The client's certificate and key.
    pub fn client(&self) -> (PathBuf, PathBuf) {
        (self.path("client.pem"), self.path("client.key"))
    }

    /// Settings of a redis-server or Sentinel that speaks TLS alone, on this port.
    pub fn settings(&self, port: u16) -> Vec<String> {
        let text = |path: &Path| path.display().to_string();
        [
            ("--port", "0".to_owned()),
            ("--tls-port", port.to_string()),
            ("--tls-cert-file", text(&self.path("server.pem"))),
            ("--tls-key-file", text(&self.path("server.key"))),
            ("--tls-ca-cert-file", text(&self.ca())),
            ("--tls-replication", "yes".to_owned()),
            ("--tls-cluster", "yes".to_owned()),
            ("--tls-auth-clients", "yes".to_owned()),
        ]
        .into_iter()
        .flat_map(|(name, value)| [name.to_owned(), value])
        .collect()
    }

    /// What `redis-cli` needs to speak to it.
    pub fn cli(&self) -> Vec<String> {
        let (certificate, key) = self.client();
        let ca = self.ca();
        [
            "--tls",
            "--cacert",
            &ca.display().to_string(),
            "--cert",
            &certificate.display().to_string(),
            "--key",
        ]
        .into_iter()
        .map(str::to_owned)
        .chain([key.display().to_string()])
        .collect()
    }
}
