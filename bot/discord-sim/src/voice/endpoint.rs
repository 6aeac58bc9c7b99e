//! One voice server: a TLS port for the voice gateway, and a UDP port for audio, both on the loopback.
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::ServerConfig;
use tokio::net::{TcpListener, UdpSocket};
use tokio_rustls::TlsAcceptor;

use super::connection;
use super::udp::{self, Relay};
use crate::error::StartError;
use crate::hub::Hub;

/// A voice server's addresses and its relay.
#[derive(Debug)]
pub(crate) struct Endpoint {
    gateway: SocketAddr,
    udp: SocketAddr,
    relay: Arc<Mutex<Relay>>,
}

/// A voice server that is bound and not yet served.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) endpoint: Arc<Endpoint>,
    listener: TcpListener,
    socket: UdpSocket,
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

impl Bound {
    /// Serves both ports until the simulation stops.
    pub(crate) fn serve(self, hub: &Arc<Hub>, tls: Arc<ServerConfig>) {
        let Self { endpoint, listener, socket } = self;
        hub.spawn(udp::run(hub.clone(), Arc::new(socket), endpoint.relay.clone()));
        let acceptor = TlsAcceptor::from(tls);
        let tasks = hub.clone();
        let hub = hub.clone();
        tasks.spawn(async move {
            loop {
                // Out of file descriptors, most likely; the next connection may fare better.
                let Ok((stream, _)) = listener.accept().await else {
                    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                    continue;
                };
                let served = connection::serve(hub.clone(), endpoint.clone(), acceptor.clone(), stream);
                hub.spawn(served);
            }
        });
    }
}
