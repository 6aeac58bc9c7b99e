//! What a process knows of its hot keys, and what it does about them.
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use antiphon_core::time::{Clock as _, Timestamp, WallClock};

use super::sketch::Estimate;
use super::window::Window;

/// Accesses within a minute beyond which a key is hot.
pub const HOT_PER_MINUTE: u64 = 1_000;
/// Counters of each sketch: whatever has more than a 256th of all accesses is seen.
const COUNTERS: usize = 256;
/// How long a local copy of a hot key serves: an answer is never older.
const COPY_LIFE_MS: u64 = 100;
/// Bound on local copies.
const MAX_COPIES: usize = 256;
/// Bound on bytes of a value that is copied.
const MAX_COPY_BYTES: usize = 64 << 10;
/// An alert for a key is not repeated within this time.
const ALERT_INTERVAL_MS: u64 = 300_000;

/// Counts accesses; answers for keys that are hot out of a local copy.
#[derive(Debug)]
pub struct HotKeys {
    inner: Mutex<Inner>,
    clock: WallClock,
}

#[derive(Debug)]
struct Inner {
    window: Window,
    copies: HashMap<String, (u64, redis::Value)>,
    alerted: HashMap<String, u64>,
}

impl Default for HotKeys {
    fn default() -> Self {
        let window = Window::new(COUNTERS);
        let inner = Inner { window, copies: HashMap::new(), alerted: HashMap::new() };
        Self { inner: Mutex::new(inner), clock: WallClock::default() }
    }
}

impl HotKeys {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Counts that a panic elsewhere left are counts all the same.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A key is accessed. Gives whether it is hot.
    pub fn touch(&self, key: &str) -> bool {
        self.touch_at(key, self.clock.now())
    }

    fn touch_at(&self, key: &str, now: Timestamp) -> bool {
        let now_ms = now.as_millis();
        let mut inner = self.lock();
        inner.window.see(key, now_ms);
        let often = inner.window.at_least(key, now_ms);
        let hot = often > HOT_PER_MINUTE;
        if hot && inner.alert(key, now_ms) {
            tracing::warn!(
                key,
                per_minute = often,
                "a Redis key is hot; reads of it are answered locally for {COPY_LIFE_MS} ms at a time"
            );
            metrics::counter!("antiphon_redis_hot_keys_total").increment(1);
        }
        hot
    }

    /// Reads a key: with `ask`, or out of a local copy when the key is hot. A copy is never older than its lifetime.
    pub async fn read<E>(
        &self,
        key: &str,
        ask: impl Future<Output = Result<redis::Value, E>>,
    ) -> Result<redis::Value, E> {
        let hot = self.touch(key);
        if hot && let Some(value) = self.lock().copy(key, self.clock.now().as_millis()) {
            metrics::counter!("antiphon_redis_hot_reads_total", "from" => "copy").increment(1);
            return Ok(value);
        }
        // Its age counts from the question, not from the answer.
        let asked = self.clock.now().as_millis();
        let value = ask.await?;
        if hot {
            metrics::counter!("antiphon_redis_hot_reads_total", "from" => "redis").increment(1);
            self.lock().keep(key, &value, asked);
        }
        Ok(value)
    }

    /// This process changed a key: its copy no longer serves.
    pub fn changed(&self, key: &str) {
        self.lock().copies.remove(key);
    }

    /// The keys most accessed within the last minute; also set as gauges.
    pub fn top(&self, most: usize) -> Vec<Estimate> {
        let now_ms = self.clock.now().as_millis();
        let mut inner = self.lock();
        let top = inner.window.top(most, now_ms);
        let hot = top.iter().filter(|estimate| estimate.at_least > HOT_PER_MINUTE).count();
        #[expect(clippy::cast_precision_loss, reason = "a gauge")]
        metrics::gauge!("antiphon_redis_hot_keys").set(hot as f64);
        top
    }
}

impl Inner {
    fn alert(&mut self, key: &str, now_ms: u64) -> bool {
        if self.alerted.get(key).is_some_and(|last| now_ms < last + ALERT_INTERVAL_MS) {
            return false;
        }
        self.alerted.retain(|_, last| now_ms < *last + ALERT_INTERVAL_MS);
        // The gauge reports many keys at once.
        if self.alerted.len() >= MAX_COPIES {
            return false;
        }
        self.alerted.insert(key.to_owned(), now_ms);
        true
    }

    fn copy(&self, key: &str, now_ms: u64) -> Option<redis::Value> {
        let (asked, value) = self.copies.get(key)?;
        // A clock that was set back makes a copy too old, not young for ever.
        (*asked <= now_ms && now_ms < asked + COPY_LIFE_MS).then(|| value.clone())
    }

    fn keep(&mut self, key: &str, value: &redis::Value, asked: u64) {
        if size(value) > MAX_COPY_BYTES {
            return;
        }
        if self.copies.len() >= MAX_COPIES && !self.copies.contains_key(key) {
            self.copies.retain(|_, (at, _)| asked < *at + COPY_LIFE_MS);
            if self.copies.len() >= MAX_COPIES {
                return;
            }
        }
        self.copies.insert(key.to_owned(), (asked, value.clone()));
    }
}

/// Bytes of a value, about.
fn size(value: &redis::Value) -> usize {
    match value {
        redis::Value::BulkString(bytes) => bytes.len(),
        redis::Value::SimpleString(text) => text.len(),
        redis::Value::Array(values) | redis::Value::Set(values) => {
            values.iter().map(|value| size(value) + 16).sum()
        }
        redis::Value::Map(pairs) => pairs.iter().map(|(key, value)| size(key) + size(value) + 32).sum(),
        _ => 16,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::convert::Infallible;

    use super::*;

    async fn ask(keys: &HotKeys, key: &str, asked: &Cell<i64>) -> redis::Value {
        let asking = async {
            asked.set(asked.get() + 1);
            Ok::<_, Infallible>(redis::Value::Int(asked.get()))
        };
        keys.read(key, asking).await.unwrap()
    }

    #[tokio::test]
    async fn a_hot_key_is_answered_locally_until_it_changes() {
        let keys = HotKeys::default();
        let asked = Cell::new(0);
        for expected in 1..=1_000 {
            assert_eq!(
                ask(&keys, "k", &asked).await,
                redis::Value::Int(expected),
                "not hot: asked each time"
            );
        }
        // Hot from here on. However slow the machine is, an answer comes from Redis or from a copy that young.
        let first = ask(&keys, "k", &asked).await;
        assert_eq!(first, redis::Value::Int(1_001));
        keys.lock().copies.insert("k".into(), (keys.clock.now().as_millis() + 60_000, redis::Value::Nil));
        assert_eq!(ask(&keys, "k", &asked).await, redis::Value::Int(1_002), "a copy from the future is none");
        let now = keys.clock.now().as_millis();
        keys.lock().copies.insert("k".into(), (now - COPY_LIFE_MS - 1, redis::Value::Nil));
        assert_eq!(ask(&keys, "k", &asked).await, redis::Value::Int(1_003), "nor one that is too old");
        assert!(keys.lock().copies.contains_key("k"));
        keys.changed("k");
        assert!(keys.lock().copies.is_empty());
        let top = keys.top(10);
        assert_eq!((top.len(), top[0].name.as_ref()), (1, "k"));
    }

    #[test]
    fn copies_serve_for_their_lifetime_and_alerts_do_not_repeat() {
        let keys = HotKeys::default();
        let mut inner = keys.lock();
        inner.keep("k", &redis::Value::Int(1), 1_000);
        assert_eq!(inner.copy("k", 1_099), Some(redis::Value::Int(1)));
        assert_eq!(inner.copy("k", 1_100), None);
        assert_eq!(inner.copy("k", 999), None);
        inner.keep("big", &redis::Value::BulkString(vec![0; MAX_COPY_BYTES + 1]), 1_000);
        assert_eq!(inner.copy("big", 1_000), None);
        for other in 0..2 * MAX_COPIES {
            inner.keep(&other.to_string(), &redis::Value::Nil, 1_000);
        }
        assert_eq!(inner.copies.len(), MAX_COPIES);
        assert!(
            inner.alert("k", 0)
                && !inner.alert("k", ALERT_INTERVAL_MS - 1)
                && inner.alert("k", ALERT_INTERVAL_MS)
        );
    }

    #[test]
    fn more_than_a_thousand_a_minute_is_hot() {
        let keys = HotKeys::default();
        let at = |n: u64| Timestamp::from_millis(600_000 + n * 59);
        let hot: Vec<bool> = (0..1_001).map(|n| keys.touch_at("k", at(n))).collect();
        assert_eq!(hot.iter().filter(|hot| **hot).count(), 1);
        assert!(hot[1_000]);
        assert!(!keys.touch_at("k", Timestamp::from_millis(900_000)));
    }
}
