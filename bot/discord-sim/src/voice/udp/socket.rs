//! The loop around one UDP socket: receives, lets the relay decide, sends at once or later.
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::{Instant, sleep_until};

use super::relay::{Outgoing, Relay};
use crate::hub::Hub;
use crate::trace::DropReason;

/// How many delayed packets may wait.
const MAX_DELAYED: usize = 16_384;
/// The largest datagram that is read.
const MAX_DATAGRAM: usize = 2048;

/// When, a number that keeps the order of equals, where to, what.
type Delayed = Reverse<(Instant, u64, SocketAddr, Vec<u8>)>;

/// Serves a socket until the simulation stops.
pub(crate) async fn run(hub: Arc<Hub>, socket: Arc<UdpSocket>, relay: Arc<Mutex<Relay>>) {
    let mut delayed: BinaryHeap<Delayed> = BinaryHeap::new();
    let mut buffer = vec![0; MAX_DATAGRAM];
    let mut out = Vec::new();
    let mut count = 0;
    loop {
        let next = delayed.peek().map(|Reverse((at, ..))| *at);
        tokio::select! {
            received = socket.recv_from(&mut buffer) => {
                // An error here comes of an earlier packet that found no receiver; it is no reason to stop.
                let Ok((len, from)) = received else { continue };
                let event = lock(&relay).datagram(from, &buffer[..len], &hub.faults, &mut out);
                if let Some(event) = event {
                    hub.events.push(event);
                }
            }
            () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {
                let now = Instant::now();
                while delayed.peek().is_some_and(|Reverse((at, ..))| *at <= now) {
                    if let Some(Reverse((_, _, to, packet))) = delayed.pop() {
                        send(&socket, &relay, to, &packet).await;
                    }
                }
            }
        }
        for Outgoing { to, packet, after } in out.drain(..) {
            if after == Duration::ZERO {
                send(&socket, &relay, to, &packet).await;
            } else if delayed.len() < MAX_DELAYED {
                count += 1;
                delayed.push(Reverse((Instant::now() + after, count, to, packet)));
            } else {
                lock(&relay).stats.drop(DropReason::QueueFull);
            }
        }
    }
}

async fn send(socket: &UdpSocket, relay: &Mutex<Relay>, to: SocketAddr, packet: &[u8]) {
    if socket.send_to(packet, to).await.is_err() {
        lock(relay).stats.drop(DropReason::SendFailed);
    }
}

fn lock(relay: &Mutex<Relay>) -> std::sync::MutexGuard<'_, Relay> {
    relay.lock().unwrap_or_else(PoisonError::into_inner)
}
