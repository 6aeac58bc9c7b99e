//! Real Redis servers for tests: one on a private socket, a primary with replicas and Sentinels over TLS, a Cluster.
pub mod certificates;
pub mod cluster;
pub mod node;
pub mod replicated;
mod server;
pub mod steps;

pub use certificates::Certificates;
pub use cluster::Cluster;
pub use node::Node;
pub use replicated::Replicated;
pub use server::Redis;
pub use steps::Gate;
