//! TLS: certificates are always checked, and what is wrong with them is said.

use std::time::Duration;

use broker::{RedisConfig, RedisError, RedisHandle, TlsFiles};
use rig::redis::Certificates;
use rig::redis::node::{Node, free_port};

struct Secure {
    server: Node,
    certificates: Certificates,
    _folder: tempfile::TempDir,
}

fn start(certificates: Certificates) -> Secure {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let mut arguments = certificates.settings(port);
    arguments.extend(["--save", "", "--appendonly", "no"].map(str::to_owned));
    let place = folder.path().to_owned();
    let server = Node::start("redis-server", arguments, place, port, certificates.cli());
    Secure { server, certificates, _folder: folder }
}

fn config(port: u16, tls: TlsFiles) -> RedisConfig {
    RedisConfig {
        connect_timeout: Duration::from_secs(2),
        tls,
        ..RedisConfig::from_url(Some(format!("rediss://127.0.0.1:{port}")), true)
    }
}

impl Secure {
    fn files(&self) -> TlsFiles {
        let (certificate, key) = self.certificates.client();
        let ca = Some(self.certificates.ca());
        TlsFiles { ca, certificate: Some(certificate), key: Some(key), server_name: None }
    }

    async fn open(&self, tls: TlsFiles) -> Result<RedisHandle, RedisError> {
        RedisHandle::open(config(self.server.port, tls)).await
    }
}

#[tokio::test]
async fn a_tls_server_needs_its_ca_and_our_certificate() {
    let secure = start(Certificates::make());
    let redis = secure.open(secure.files()).await.unwrap();
    let pong: String = redis::cmd("PING").query_async(&mut redis.connection()).await.unwrap();
    assert_eq!(pong, "PONG");
    for (what, less) in [
        ("the machine's own trust", TlsFiles { ca: None, ..secure.files() }),
        ("another CA", TlsFiles { ca: Some(Certificates::make().ca()), ..secure.files() }),
        ("no certificate of ours", TlsFiles { certificate: None, key: None, ..secure.files() }),
        ("another name", TlsFiles { server_name: Some("elsewhere.example".into()), ..secure.files() }),
    ] {
        let error = secure.open(less).await.unwrap_err();
        assert!(matches!(error, RedisError::Tls { .. }), "{what}: {error:?}");
        assert!(error.to_string().contains("redis.tls_ca"), "{what}: {error}");
    }
}

#[tokio::test]
async fn a_certificate_made_out_to_another_name_needs_that_name() {
    let secure = start(Certificates::make_for(&["redis.internal"]));
    let error = secure.open(secure.files()).await.unwrap_err();
    assert!(matches!(error, RedisError::Tls { .. }), "{error:?}");
    let named = TlsFiles { server_name: Some("redis.internal".into()), ..secure.files() };
    assert!(secure.open(named).await.is_ok());
}

#[tokio::test]
async fn neither_side_is_left_hanging_when_only_one_speaks_tls() {
    let secure = start(Certificates::make());
    let url = format!("redis://127.0.0.1:{}", secure.server.port);
    let plain =
        RedisConfig { connect_timeout: Duration::from_secs(2), ..RedisConfig::from_url(Some(url), false) };
    let error = RedisHandle::open(plain).await.unwrap_err();
    assert!(matches!(error, RedisError::Unreachable { .. }), "{error:?}");
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let arguments = ["--port", &port.to_string(), "--save", ""].map(str::to_owned).to_vec();
    let _plain = Node::start("redis-server", arguments, folder.path().to_owned(), port, Vec::new());
    let error = RedisHandle::open(config(port, secure.files())).await.unwrap_err();
    assert!(error.to_string().contains("does this port speak TLS?"), "{error:?}");
}

#[tokio::test]
async fn nothing_in_a_url_turns_the_checking_of_certificates_off() {
    for url in ["rediss://db/#insecure", "rediss://db/?insecure=true", "rediss+sentinel://db/main#insecure"] {
        let error = RedisHandle::open(RedisConfig::from_url(Some(url.into()), false)).await.unwrap_err();
        assert!(matches!(error, RedisError::Url { .. }), "{url}: {error:?}");
    }
}
