//! Sentinels: who the primary is, and being signals at once when another becomes it.
use std::sync::Arc;
use std::time::Duration;

use antiphon_core::backoff::Backoff;
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use redis::{FromRedisValue as _, Value};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::dial::{DialError, Dialer, Place};
use super::signal::Signal;
use crate::config::Node;

/// How long a Sentinel may take to answer. One that is stopped would otherwise hold up every failover.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(500);
/// A Sentinel that announced nothing for so long is asked whether it is still there.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(2);
/// Waits between attempts to listen to a Sentinel.
const RECONNECT_BACKOFF: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
/// What Sentinels announce of which we take note:
/// <https://redis.io/docs/latest/operate/oss_and_stack/management/sentinel/#pubsub-messages>.
const CHANNELS: &[&str] =
    &["+switch-master", "+promoted-slave", "-failover-abort-no-good-slave", "+slave", "-sdown"];

/// The Sentinels of one service.
#[derive(Clone)]
pub(crate) struct Sentinels {
    nodes: Vec<Node>,
    service: String,
    dialer: Dialer,
}

/// What one Sentinel says of the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct View {
    /// Who the primary is.
    pub(crate) primary: Node,
    /// The configuration that says so; a higher one is newer.
    pub(crate) epoch: u64,
    /// A failover is under way, and no new primary is known yet.
    pub(crate) undecided: bool,
    /// All that it says of the primary, by name.
    pub(crate) fields: Vec<(String, String)>,
}

impl View {
    pub(crate) fn field(&self, name: &str) -> &str {
        self.fields.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str())
    }
}

impl Sentinels {
    pub(crate) fn new(nodes: Vec<Node>, service: String, dialer: Dialer) -> Self {
        let timeout = dialer.timeout.min(ANSWER_TIMEOUT);
        Self { nodes, service, dialer: Dialer { timeout, ..dialer } }
    }

    pub(crate) fn service(&self) -> &str {
        &self.service
    }

    /// What each Sentinel says, in the order of the URL.
    pub(crate) async fn views(&self) -> Vec<(Node, Result<View, String>)> {
        let asking = self.nodes.iter().map(|node| async move {
            let view = tokio::time::timeout(ANSWER_TIMEOUT, self.view(node)).await;
            (node.clone(), view.unwrap_or_else(|_| Err("it does not answer".into())))
        });
        join_all(asking).await
    }

    async fn view(&self, node: &Node) -> Result<View, String> {
        let name = |error: DialError| error.to_string();
        let (mut connection, _driver) =
            self.dialer.connection(&Place::Tcp(node.clone())).await.map_err(name)?;
        let mut pipe = redis::pipe();
        pipe.cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(&self.service);
        pipe.cmd("SENTINEL").arg("MASTER").arg(&self.service);
        let asked = connection.send_packed_commands(&pipe, 0, 2).await;
        let answers = asked.map_err(|error| error.to_string())?;
        let [address, about] = answers.as_slice() else { return Err("it answers strangely".into()) };
        if matches!(address, Value::Nil) {
            return Err(format!("it knows no service {:?}", self.service));
        }
        if let Value::ServerError(error) = about {
            return Err(error.to_string());
        }
        read(address, about).ok_or_else(|| "it answers strangely: is it a Sentinel?".to_owned())
    }

    /// Who the primary is, by the newest configuration among the Sentinels that answer.
    pub(crate) async fn primary(&self) -> Result<Node, String> {
        choose(&self.views().await, &self.service)
    }

    /// Whether most of all Sentinels hold this for the primary, and none knows of a failover under way.
    pub(crate) async fn hold(&self, place: Option<&Place>) -> bool {
        let views: Vec<View> = self.views().await.into_iter().filter_map(|(_, view)| view.ok()).collect();
        let agreeing = views.iter().filter(|view| place == Some(&Place::Tcp(view.primary.clone()))).count();
        agreeing * 2 > self.nodes.len() && !views.iter().any(|view| view.undecided)
    }

    /// Replicas that are up and follow their primary.
    pub(crate) async fn replicas(&self) -> Vec<Node> {
        let asking = self.nodes.iter().map(|node| async move {
            let (mut connection, _driver) = self.dialer.connection(&Place::Tcp(node.clone())).await.ok()?;
            let mut asked = redis::cmd("SENTINEL");
            asked.arg("REPLICAS").arg(&self.service);
            let answer = connection.send_packed_command(&asked).await.ok()?;
            Some(read_replicas(&answer))
        });
        let asking = tokio::time::timeout(ANSWER_TIMEOUT, join_all(asking)).await;
        asking.unwrap_or_default().into_iter().flatten().max_by_key(Vec::len).unwrap_or_default()
    }

    /// What a Sentinel answers to a command of its own.
    pub(crate) async fn command(&self, node: &Node, words: &[&str]) -> Result<String, String> {
        let asking = async {
            let (mut connection, _driver) = self.dialer.connection(&Place::Tcp(node.clone())).await?;
            let mut asked = redis::cmd("SENTINEL");
            asked.arg(words);
            let answer = connection.send_packed_command(&asked).await?.extract_error()?;
            Ok::<_, DialError>(String::from_redis_value(answer).map_err(redis::RedisError::from)?)
        };
        match tokio::time::timeout(ANSWER_TIMEOUT, asking).await {
            Ok(answer) => answer.map_err(|error| error.to_string()),
            Err(_) => Err("it does not answer".into()),
        }
    }

    /// Listens to every Sentinel: each announces only what it does itself. Ends when what is given back is dropped.
    pub(crate) fn listen(&self, signals: &mpsc::Sender<Signal>) -> JoinSet<()> {
        let mut listening = JoinSet::new();
        for node in &self.nodes {
            listening.spawn(Arc::new(self.clone()).listen_to(node.clone(), signals.clone()));
        }
        listening
    }

    async fn listen_to(self: Arc<Self>, node: Node, signals: mpsc::Sender<Signal>) {
        let mut backoff = RECONNECT_BACKOFF;
        loop {
            if let Err(error) = self.follow(&node, &signals, &mut backoff).await {
                tracing::debug!(sentinel = %node, %error, "a Sentinel cannot be listened to");
                metrics::counter!("antiphon_redis_errors_total", "where" => "sentinel").increment(1);
            }
            tokio::time::sleep(backoff.next(rand::random())).await;
        }
    }

    async fn follow(
        &self,
        node: &Node,
        signals: &mpsc::Sender<Signal>,
        backoff: &mut Backoff,
    ) -> Result<(), DialError> {
        let mut pubsub = self.dialer.pubsub(&Place::Tcp(node.clone())).await?;
        pubsub.subscribe(CHANNELS).await?;
        backoff.reset();
        // What was announced before is to be asked for. When the channel is full, the supervisor looks already.
        let _full = signals.try_send(Signal::Recheck);
        let (mut sink, mut messages) = pubsub.split();
        loop {
            let message = tokio::select! {
                message = messages.next() => match message {
                    Some(message) => message,
                    None => return Ok(()),
                },
                // A machine that has died closes no connection: it would be listened to for ever.
                () = tokio::time::sleep(SILENCE_TIMEOUT) => {
                    let asked = tokio::time::timeout(ANSWER_TIMEOUT, sink.ping::<Value>()).await;
                    asked.map_err(|_| DialError::Late(ANSWER_TIMEOUT))??;
                    continue;
                }
            };
            let payload: String = message.get_payload().unwrap_or_default();
            let signal = if message.get_channel_name() == "+switch-master" {
                match switched(&payload, &self.service) {
                    Some(node) => Signal::Moved(node),
                    None => continue,
                }
            } else {
                Signal::Recheck
            };
            let _full = signals.try_send(signal);
        }
    }
}

/// `<service> <old ip> <old port> <new ip> <new port>`.
fn switched(payload: &str, service: &str) -> Option<Node> {
    let words: Vec<&str> = payload.split(' ').collect();
    match words.as_slice() {
        [name, _, _, host, port] if *name == service => {
            Some(Node { host: (*host).to_owned(), port: port.parse().ok()? })
        }
        _ => None,
    }
}

fn choose(views: &[(Node, Result<View, String>)], service: &str) -> Result<Node, String> {
    if let Some((sentinel, _)) = views.iter().find(|(_, view)| view.as_ref().is_ok_and(|view| view.undecided))
    {
        return Err(format!("a failover of {service} is under way, says the Sentinel at {sentinel}"));
    }
    let newest = views.iter().filter_map(|(_, view)| view.as_ref().ok()).max_by_key(|view| view.epoch);
    newest.map(|view| view.primary.clone()).ok_or_else(|| {
        let each = views.iter().filter_map(|(node, view)| Some(format!("{node}: {}", view.as_ref().err()?)));
        format!("no Sentinel names the primary of {service} ({})", each.collect::<Vec<_>>().join("; "))
    })
}

fn read(address: &Value, about: &Value) -> Option<View> {
    let (host, port): (String, u16) = redis::from_redis_value(address.clone()).ok()?;
    let fields = pairs(about)?;
    let field = |name: &str| fields.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value);
    let still = field("ip") == host && field("port") == port.to_string();
    Some(View {
        primary: Node { host, port },
        epoch: field("config-epoch").parse().unwrap_or(0),
        undecided: still && field("flags").split(',').any(|flag| flag == "failover_in_progress"),
        fields,
    })
}

fn pairs(value: &Value) -> Option<Vec<(String, String)>> {
    if let Value::Map(map) = value {
        let text = |value: &Value| String::from_redis_value_ref(value).ok();
        return map.iter().map(|(name, value)| Some((text(name)?, text(value)?))).collect();
    }
    let flat: Vec<String> = redis::from_redis_value(value.clone()).ok()?;
    Some(flat.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect())
}

fn read_replicas(answer: &Value) -> Vec<Node> {
    let Value::Array(replicas) = answer else { return Vec::new() };
    let each = replicas.iter().filter_map(|replica| {
        let fields = pairs(replica)?;
        let field =
            |name: &str| fields.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value);
        let down = field("flags").split(',').any(|flag| matches!(flag, "s_down" | "o_down" | "disconnected"));
        if down || field("master-link-status") != "ok" {
            return None;
        }
        Some(Node { host: field("ip").to_owned(), port: field("port").parse().ok()? })
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(port: u16) -> Node {
        Node { host: "10.0.0.1".into(), port }
    }

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn view(primary: u16, known: u16, epoch: &str, flags: &str) -> View {
        let address = Value::Array(vec![bulk("10.0.0.1"), bulk(&primary.to_string())]);
        let port = known.to_string();
        let about = ["ip", "10.0.0.1", "port", &port, "flags", flags, "config-epoch", epoch];
        read(&address, &Value::Array(about.iter().map(|text| bulk(text)).collect())).unwrap()
    }

    #[test]
    fn the_newest_configuration_names_the_primary() {
        let views = [
            (node(1), Ok(view(7, 7, "3", "master"))),
            (node(2), Ok(view(8, 8, "4", "master"))),
            (node(3), Err("refused".to_owned())),
        ];
        assert_eq!(choose(&views, "main"), Ok(node(8)));
    }

    #[test]
    fn no_primary_is_named_during_an_undecided_failover() {
        let during = view(7, 7, "3", "master,failover_in_progress");
        assert!(during.undecided);
        let views = [(node(1), Ok(during)), (node(2), Ok(view(7, 7, "3", "master")))];
        assert!(choose(&views, "main").unwrap_err().contains("under way"));
        // Once one is promoted, its Sentinel says so while it still tidies up.
        let after = view(8, 7, "4", "master,failover_in_progress");
        assert!(!after.undecided);
        let views = [(node(1), Ok(after)), (node(2), Ok(view(7, 7, "3", "master")))];
        assert_eq!(choose(&views, "main"), Ok(node(8)));
    }

    #[test]
    fn sentinels_that_all_fail_are_each_named_with_their_reason() {
        let views = [(node(1), Err("refused".to_owned())), (node(2), Err("silent".to_owned()))];
        let why = choose(&views, "main").unwrap_err();
        assert!(why.contains("10.0.0.1:1: refused") && why.contains("10.0.0.1:2: silent"), "{why}");
    }

    #[test]
    fn an_announcement_names_the_new_primary_of_its_own_service() {
        assert_eq!(switched("main 10.0.0.9 1 10.0.0.1 7", "main"), Some(node(7)));
        assert_eq!(switched("other 10.0.0.9 1 10.0.0.1 7", "main"), None);
        assert_eq!(switched("main 10.0.0.9 1 10.0.0.1 x", "main"), None);
        assert_eq!(switched("", "main"), None);
    }

    #[test]
    fn replicas_down_or_out_of_touch_are_left_out() {
        let replica = |port: &str, flags: &str, link: &str| {
            let fields = ["ip", "10.0.0.1", "port", port, "flags", flags, "master-link-status", link];
            Value::Array(fields.iter().map(|text| bulk(text)).collect())
        };
        let all = Value::Array(vec![
            replica("1", "slave", "ok"),
            replica("2", "s_down,slave", "ok"),
            replica("3", "slave", "err"),
        ]);
        assert_eq!(read_replicas(&all), [node(1)]);
    }
}
