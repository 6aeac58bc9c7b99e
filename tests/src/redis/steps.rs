//! Stands between clients and a server, and lets their commands through one at a time, each after the answer to the one
//! before: so that a test can look at the server between every two commands of an operation.
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

/// A command that waits to be let through.
struct Step {
    words: Vec<String>,
    go: oneshot::Sender<()>,
}

type Stepping = Arc<Mutex<Option<mpsc::Sender<Step>>>>;

/// A server behind a gate. Clients use [`Self::url`]; ended on drop.
#[derive(Debug)]
pub struct Gate {
    folder: tempfile::TempDir,
    stepping: Stepping,
    _tasks: JoinSet<()>,
}

impl Gate {
    /// Puts a gate before the server on this socket. Until [`Self::step`] it stands open.
    pub fn before(server: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(socket(&folder)).unwrap();
        let stepping = Stepping::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, server.to_owned(), stepping.clone()));
        Self { folder, stepping, _tasks: tasks }
    }

    /// The URL for clients whose commands are to be let through one at a time.
    pub fn url(&self) -> String {
        format!("redis+unix://{}", socket(&self.folder).display())
    }

    /// Runs an operation; `between` runs before each command that any client of this gate sends meanwhile, with the words of
    /// that command, and while no command of theirs is under way.
    pub async fn step<T>(
        &self,
        operation: impl Future<Output = T>,
        mut between: impl AsyncFnMut(&[String]),
    ) -> T {
        let (sender, mut steps) = mpsc::channel(1);
        *self.stepping.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        let mut operation = std::pin::pin!(operation);
        let result = loop {
            tokio::select! {
                biased;
                result = &mut operation => break result,
                Some(step) = steps.recv() => {
                    between(&step.words).await;
                    // A client that has hung up needs no leave.
                    let _ = step.go.send(());
                }
            }
        };
        *self.stepping.lock().unwrap_or_else(PoisonError::into_inner) = None;
        result
    }
}

fn socket(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("gate.sock")
}

async fn accept(listener: UnixListener, server: PathBuf, stepping: Stepping) {
    let mut clients = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let (server, stepping) = (server.clone(), stepping.clone());
        clients.spawn(async move {
            // Ends when either side hangs up.
            let _ = serve(client, &server, &stepping).await;
        });
    }
}

async fn serve(client: UnixStream, server: &Path, stepping: &Stepping) -> std::io::Result<()> {
    let mut client = BufReader::new(client);
    let mut server = BufReader::new(UnixStream::connect(server).await?);
    loop {
        let (command, words) = frame(&mut client).await?;
        let steps = stepping.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(steps) = steps {
            let (go, gone) = oneshot::channel();
            // An operation that has ended meanwhile lets everything through.
            if steps.send(Step { words, go }).await.is_ok() {
                let _ = gone.await;
            }
        }
        server.get_mut().write_all(&command).await?;
        let (reply, _) = frame(&mut server).await?;
        client.get_mut().write_all(&reply).await?;
    }
}

/// One command or reply (RESP2), as it is and by its words.
async fn frame(stream: &mut BufReader<UnixStream>) -> std::io::Result<(Vec<u8>, Vec<String>)> {
    let (mut raw, mut words, mut open) = (Vec::new(), Vec::new(), 1_usize);
    while open > 0 {
        let start = raw.len();
        if stream.read_until(b'\n', &mut raw).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        open -= 1;
        let line = String::from_utf8_lossy(&raw[start..]).trim_end().to_owned();
        let length = || line[1..].parse::<usize>().unwrap_or(0);
        match line.as_bytes().first() {
            Some(b'*') => open += length(),
            Some(b'$') if line != "$-1" => {
                let from = raw.len();
                raw.resize(from + length() + 2, 0);
                stream.read_exact(&mut raw[from..]).await?;
                words.push(String::from_utf8_lossy(&raw[from..raw.len() - 2]).into_owned());
            }
            _ => {}
        }
    }
    Ok((raw, words))
}
