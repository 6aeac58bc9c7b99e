//! Serves a voice server's two ports.
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio_rustls::TlsAcceptor;

use super::connection;
use super::endpoint::Bound;
use super::udp;
use crate::hub::Hub;

/// After a connection could not be accepted: out of file descriptors, most likely.
const RETRY_BACKOFF: Duration = Duration::from_millis(20);

/// Serves both ports until the simulation stops.
pub(crate) fn serve(bound: Bound, hub: &Arc<Hub>, tls: Arc<ServerConfig>) {
    let Bound { endpoint, listener, socket } = bound;
    hub.spawn(udp::run(hub.clone(), Arc::new(socket), endpoint.relay.clone()));
    let acceptor = TlsAcceptor::from(tls);
    let (tasks, hub) = (hub.clone(), hub.clone());
    tasks.spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(RETRY_BACKOFF).await;
                continue;
            };
            let served = connection::serve(hub.clone(), endpoint.clone(), acceptor.clone(), stream);
            hub.spawn(served);
        }
    });
}
