//! One voice server's addresses: a TLS port for the voice gateway, and a UDP port for audio, both on the loopback.
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::{TcpListener, UdpSocket};

use super::udp::Relay;
use crate::error::StartError;

/// A voice server's addresses and its relay.
#[derive(Debug)]
pub(crate) struct Endpoint {
    gateway: SocketAddr,
    udp: SocketAddr,
    pub(super) relay: Arc<Mutex<Relay>>,
}

/// A voice server that is bound and not yet served.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) endpoint: Arc<Endpoint>,
    pub(super) listener: TcpListener,
    pub(super) socket: UdpSocket,
}

impl Endpoint {
    /// Binds both ports.
    pub(crate) async fn bind() -> Result<Bound, StartError> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let failed = |source| StartError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let socket = UdpSocket::bind(address).await.map_err(failed)?;
        let endpoint = Self {
            gateway: listener.local_addr().map_err(failed)?,
            udp: socket.local_addr().map_err(failed)?,
            relay: Arc::default(),
        };
        Ok(Bound { endpoint: Arc::new(endpoint), listener, socket })
    }

    /// `host:port`, as VOICE_SERVER_UPDATE names it.
    pub(crate) fn name(&self) -> String {
        format!("localhost:{}", self.gateway.port())
    }

    pub(crate) fn udp_port(&self) -> u16 {
        self.udp.port()
    }

    pub(crate) fn relay(&self) -> MutexGuard<'_, Relay> {
        self.relay.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
