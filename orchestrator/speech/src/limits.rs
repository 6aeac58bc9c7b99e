//! How long work may take and how it is stopped: for async callers, and for C code that polls from a blocking thread.
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::provider::SpeechError;

/// A deadline, and a way to cancel earlier.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    /// The instant after which the result is no longer wanted.
    pub deadline: Option<Instant>,
    /// Cancelled when the result is not wanted any more.
    pub cancel: CancellationToken,
}

impl Limits {
    /// Gives up `allowed` from now.
    pub fn within(allowed: Duration) -> Self {
        Self { deadline: Instant::now().checked_add(allowed), cancel: CancellationToken::new() }
    }

    /// The same with this cancellation.
    #[must_use]
    pub fn cancelled_by(mut self, cancel: CancellationToken) -> Self {
        self.cancel = cancel;
        self
    }

    /// Waits for `work` within these limits.
    pub async fn run<T>(
        &self,
        provider: &str,
        work: impl Future<Output = Result<T, SpeechError>>,
    ) -> Result<T, SpeechError> {
        let deadline = async {
            match self.deadline {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(SpeechError::Cancelled { provider: provider.into() }),
            () = deadline => Err(SpeechError::Timeout { provider: provider.into() }),
            done = work => done,
        }
    }

    fn expired(&self) -> bool {
        self.deadline.is_some_and(|at| Instant::now() >= at)
    }
}

/// Polled by a blocking thread: whether to stop. Also set when the caller no longer waits.
#[derive(Debug, Clone)]
pub struct Abort(Limits);

impl Abort {
    /// Never asks to stop.
    #[cfg(feature = "piper")]
    pub(crate) fn never() -> Self {
        Self(Limits::default())
    }

    /// Why to stop, if so.
    pub fn check(&self, provider: &str) -> Result<(), SpeechError> {
        if self.0.cancel.is_cancelled() {
            Err(SpeechError::Cancelled { provider: provider.into() })
        } else if self.0.expired() {
            Err(SpeechError::Timeout { provider: provider.into() })
        } else {
            Ok(())
        }
    }

    pub fn is_set(&self) -> bool {
        self.0.cancel.is_cancelled() || self.0.expired()
    }

    /// Waits, on the blocking thread, for something async.
    pub fn wait<T>(
        &self,
        provider: &str,
        work: impl Future<Output = Result<T, SpeechError>>,
    ) -> Result<T, SpeechError> {
        tokio::runtime::Handle::current().block_on(self.0.run(provider, work))
    }
}

/// Runs `work` on a blocking thread once `permits` has room, within `limits`.
///
/// The caller is released at once when a limit is reached; the thread, which may need a while to notice, keeps its
/// permit until it is really done, so that no more than the permitted number ever run.
pub async fn run_blocking<T: Send + 'static>(
    provider: &str,
    limits: &Limits,
    permits: Arc<Semaphore>,
    work: impl FnOnce(&Abort) -> Result<T, SpeechError> + Send + 'static,
) -> Result<T, SpeechError> {
    let abandoned = limits.cancel.child_token();
    let abort = Abort(Limits { deadline: limits.deadline, cancel: abandoned.clone() });
    let _abandon = abandoned.drop_guard();
    limits
        .run(provider, async {
            let permit = permits
                .acquire_owned()
                .await
                .map_err(|_| SpeechError::Cancelled { provider: provider.into() })?;
            let name = provider.to_owned();
            let task = tokio::task::spawn_blocking(move || {
                let _permit = permit;
                abort.check(&name)?;
                work(&abort)
            });
            match task.await {
                Ok(done) => done,
                Err(error) => Err(SpeechError::failed(provider, format!("its thread died ({error})"))),
            }
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_deadline_releases_the_caller_and_stops_the_thread() {
        let permits = Arc::new(Semaphore::new(1));
        let limits = Limits::within(Duration::from_millis(20));
        let (stopped, has_stopped) = tokio::sync::oneshot::channel();
        let out: Result<(), _> = run_blocking("slow", &limits, permits.clone(), move |abort| {
            while !abort.is_set() {
                std::thread::yield_now();
            }
            let _ = stopped.send(());
            abort.check("slow")
        })
        .await;
        assert_eq!(out, Err(SpeechError::Timeout { provider: "slow".into() }));
        has_stopped.await.unwrap();
        // The permit comes back when the thread is done, not before.
        let _permit = permits.acquire().await.unwrap();
    }

    #[tokio::test]
    async fn dropping_the_future_stops_the_thread() {
        let permits = Arc::new(Semaphore::new(1));
        let (started, has_started) = tokio::sync::oneshot::channel();
        let inner = permits.clone();
        let task = tokio::spawn(async move {
            run_blocking("slow", &Limits::default(), inner, move |abort| {
                let _ = started.send(());
                while !abort.is_set() {
                    std::thread::yield_now();
                }
                abort.check("slow")
            })
            .await
        });
        has_started.await.unwrap();
        task.abort();
        let _permit = permits.acquire().await.unwrap();
    }

    #[tokio::test]
    async fn cancelled_work_never_starts() {
        let cancel = CancellationToken::new();
        cancel.cancel();
        let limits = Limits::default().cancelled_by(cancel);
        let out = run_blocking("x", &limits, Arc::new(Semaphore::new(1)), |_| Ok(1)).await;
        assert_eq!(out, Err(SpeechError::Cancelled { provider: "x".into() }));
    }

    #[tokio::test]
    async fn a_panicking_engine_returns_its_permit() {
        let permits = Arc::new(Semaphore::new(1));
        let out: Result<(), _> =
            run_blocking("x", &Limits::default(), permits.clone(), |_| panic!("boom")).await;
        assert!(matches!(out, Err(SpeechError::Failed { .. })));
        assert_eq!(permits.available_permits(), 1);
    }
}
