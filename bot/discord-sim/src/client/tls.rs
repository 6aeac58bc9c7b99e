//! The websocket to a voice gateway: TLS that trusts one given authority and nothing from the environment.
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, client_async_tls_with_config};

use super::error::ClientError;

/// An open websocket.
pub(super) type Ws = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// How long TCP, TLS and the websocket handshake may take together.
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);

/// TLS that trusts the certificates in the PEM file `ca`, and no others.
pub(super) fn trusting(ca: &Path) -> Result<Arc<ClientConfig>, ClientError> {
    let unusable = |why: String| ClientError::Ca { path: ca.to_owned(), why };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca).map_err(|error| unusable(error.to_string()))? {
        let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
        roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(unusable("it holds no certificate".to_owned()));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Opens `wss://{endpoint}/?v=8` after `pause`.
pub(super) async fn dial(
    endpoint: String,
    tls: Arc<ClientConfig>,
    pause: Duration,
) -> Result<Ws, ClientError> {
    tokio::time::sleep(pause).await;
    let failed = |why: String| ClientError::Connect { endpoint: endpoint.clone(), why };
    let connect = async {
        let tcp = TcpStream::connect(&endpoint).await.map_err(|error| failed(error.to_string()))?;
        tcp.set_nodelay(true).map_err(|error| failed(error.to_string()))?;
        let url = format!("wss://{endpoint}/?v=8");
        client_async_tls_with_config(url, tcp, None, Some(Connector::Rustls(tls)))
            .await
            .map(|(ws, _response)| ws)
            .map_err(|error| failed(error.to_string()))
    };
    match tokio::time::timeout(DIAL_TIMEOUT, connect).await {
        Ok(result) => result,
        Err(_) => Err(failed(format!("no answer within {} s", DIAL_TIMEOUT.as_secs()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_or_empty_authority_is_named() {
        let missing = trusting(Path::new("/nowhere/ca.pem")).unwrap_err();
        assert!(missing.to_string().contains("/nowhere/ca.pem"), "{missing}");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "no certificate here").unwrap();
        let empty = trusting(file.path()).unwrap_err();
        assert!(empty.to_string().contains("holds no certificate"), "{empty}");
    }
}
