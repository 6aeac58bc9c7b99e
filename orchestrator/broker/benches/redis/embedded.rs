//! The embedded server compared with redis-server, with Redis' own benchmark.
use std::path::Path;

use redis_embedded::EmbeddedServer;

use crate::rig;

const TESTS: &str = "ping_mbulk,set,get,incr,lpush,rpop,sadd,hset,zadd,zpopmin,lrange_100,mset";

pub async fn measure(real: &Path) {
    let server = EmbeddedServer::start().await.unwrap();
    let socket = server.socket().to_owned();
    for (what, pipelined) in [("one at a time", "1"), ("sixteen in a pipeline", "16")] {
        let arguments = ["-n", "30000", "-P", pipelined, "-t", TESTS];
        let Some(theirs) = rig::redis_benchmark(real, &arguments) else {
            println!("embedded: not measured, redis-benchmark is not installed");
            return;
        };
        let (socket, arguments) = (socket.clone(), arguments);
        let ours = tokio::task::spawn_blocking(move || rig::redis_benchmark(&socket, &arguments));
        let ours = ours.await.unwrap().unwrap_or_default();
        let (mut product, mut count) = (1.0_f64, 0);
        for ((name, theirs), (_, ours)) in theirs.iter().zip(&ours) {
            println!(
                "embedded/{what}: {name}: {ours:.0}/s of redis-server's {theirs:.0} (ratio {:.2})",
                ours / theirs
            );
            product *= ours / theirs;
            count += 1;
        }
        println!(
            "embedded/{what}: geometric mean of {count} ratios: {:.2}",
            product.powf(1.0 / f64::from(count))
        );
    }
    server.shutdown().await;
}
