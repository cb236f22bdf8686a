//! Listening on the control socket. Whatever clients do, the app does not notice: their number, their lines and what they ask at once
//! are bounded, and one that does not read its answers is left.

pub(crate) use super::answer::Control;
#[cfg(unix)]
pub(crate) use unix::Server;

#[cfg(not(unix))]
pub(crate) use nowhere::Server;

#[cfg(unix)]
mod unix {
    use std::fs::{self, Permissions};
    use std::io;
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
    use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
    use tokio::net::{UnixListener, UnixStream};
    use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
    use tokio::task::{JoinHandle, JoinSet};

    use super::Control;
    use crate::control;
    use crate::control::protocol::{MAX_LINE, Outcome, Refusal, RefusalKind, Request, Response, VERSION};
    use crate::data::open::OpenStore;

    /// Clients at once.
    const CLIENTS: usize = 16;
    /// Requests of one client at once.
    const AT_ONCE: usize = 16;
    /// Bytes of lines that are being read or answered at once, of all clients.
    const BYTES: usize = 4 * MAX_LINE;
    /// How long a client may leave an answer unread.
    const UNREAD: Duration = Duration::from_secs(10);
    /// How long a client may say nothing while nothing is answered.
    const IDLE: Duration = Duration::from_secs(300);
    /// How long a line may take to come.
    const LINE: Duration = Duration::from_secs(30);

    /// Listens until it is dropped.
    #[derive(Debug)]
    pub(crate) struct Server {
        path: PathBuf,
        task: JoinHandle<()>,
    }

    impl Drop for Server {
        fn drop(&mut self) {
            self.task.abort();
            // The next process replaces it, if it stays.
            let _ = fs::remove_file(&self.path);
        }
    }

    impl Server {
        /// Begins to listen in the data folder; not at all for a store in memory.
        ///
        /// # Errors
        /// Why there is no socket.
        pub(crate) fn start(data: &OpenStore, control: &Control) -> Result<Option<Self>, String> {
            let Some(folder) = data.folder() else { return Ok(None) };
            let path = control::path(folder);
            control::check(&path)?;
            let refused = |error: io::Error| format!("no control socket {}: {error}", path.display());
            let listener = bind(&path).map_err(refused)?;
            let task = tokio::spawn(listen(listener, control.clone()));
            Ok(Some(Self { path, task }))
        }
    }

    /// The store's lock says that nobody else lives here, so a socket that is there is of a process that has ended. Nobody else can
    /// connect at any moment: the socket takes its name when its mode is set.
    fn bind(path: &std::path::Path) -> io::Result<UnixListener> {
        let new = path.with_extension("new");
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&new)?;
        fs::set_permissions(&new, Permissions::from_mode(0o600))?;
        fs::rename(&new, path)?;
        Ok(listener)
    }

    async fn listen(listener: UnixListener, control: Control) {
        let clients = Arc::new(Semaphore::new(CLIENTS));
        let bytes = Arc::new(Semaphore::new(BYTES));
        let turned_away = Arc::new(Semaphore::new(CLIENTS));
        loop {
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Too many open files, for example: others may close theirs.
                    tracing::warn!(%error, "the control socket takes no clients for a moment");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            match Arc::clone(&clients).try_acquire_owned() {
                Ok(place) => drop(tokio::spawn(serve(stream, control.clone(), Arc::clone(&bytes), place))),
                // Beyond that they are left without a word.
                Err(_) => {
                    if let Ok(place) = Arc::clone(&turned_away).try_acquire_owned() {
                        tokio::spawn(turn_away(stream, place));
                    }
                }
            }
        }
    }

    async fn turn_away(mut stream: UnixStream, _place: OwnedSemaphorePermit) {
        let refusal = Refusal::new(RefusalKind::Busy, "too many clients; try again");
        let line = line(None, Err(refusal));
        let tell = async {
            stream.write_all(&line).await?;
            stream.shutdown().await?;
            // What it has said and nobody reads would take the answer away from it.
            let mut unread = [0; 4096];
            while stream.read(&mut unread).await? > 0 {}
            io::Result::Ok(())
        };
        // It may be gone already.
        let _ = tokio::time::timeout(Duration::from_secs(1), tell).await;
    }

    /// Reads requests and answers them, each as soon as it can be.
    async fn serve(
        stream: UnixStream,
        control: Control,
        bytes: Arc<Semaphore>,
        _place: OwnedSemaphorePermit,
    ) {
        let (read, write) = stream.into_split();
        let (answers, to_write) = mpsc::channel(AT_ONCE);
        let reading = read_requests(BufReader::new(read), control, bytes, answers);
        // Whichever side ends takes the other along, and what is still being answered.
        tokio::select! {
            () = reading => {}
            () = write_answers(write, to_write) => {}
        }
    }

    async fn write_answers(mut write: OwnedWriteHalf, mut answers: mpsc::Receiver<Vec<u8>>) {
        while let Some(line) = answers.recv().await {
            match tokio::time::timeout(UNREAD, write.write_all(&line)).await {
                Ok(Ok(())) => {}
                _ => return,
            }
        }
    }

    async fn read_requests(
        mut read: BufReader<OwnedReadHalf>,
        control: Control,
        bytes: Arc<Semaphore>,
        answers: mpsc::Sender<Vec<u8>>,
    ) {
        let at_once = Arc::new(Semaphore::new(AT_ONCE));
        let mut tasks = JoinSet::new();
        loop {
            while tasks.try_join_next().is_some() {}
            let Ok(place) = Arc::clone(&at_once).acquire_owned().await else { return };
            let (line_read, held) = match next_line(&mut read, &bytes).await {
                Next::Line(line, held) => (line, held),
                Next::Nothing => break,
                Next::Refused(refusal) => {
                    let _ = answers.send(line(None, Err(refusal))).await;
                    break;
                }
            };
            let (control, answers) = (control.clone(), answers.clone());
            tasks.spawn(async move {
                let answer = answer(&line_read, &control).await;
                drop((line_read, held));
                // The client may have gone.
                let _ = answers.send(answer).await;
                drop(place);
            });
        }
        // What is still being answered is told before the client is left.
        while tasks.join_next().await.is_some() {}
        drop(answers);
        std::future::pending::<()>().await;
    }

    enum Next {
        Line(Vec<u8>, OwnedSemaphorePermit),
        Nothing,
        Refused(Refusal),
    }

    async fn next_line(read: &mut BufReader<OwnedReadHalf>, bytes: &Arc<Semaphore>) -> Next {
        // Nothing is held for a client that says nothing.
        match tokio::time::timeout(IDLE, read.fill_buf()).await {
            Ok(Ok(available)) if !available.is_empty() => {}
            _ => return Next::Nothing,
        }
        let most = u32::try_from(MAX_LINE).unwrap_or(u32::MAX);
        let Ok(mut held) = Arc::clone(bytes).acquire_many_owned(most).await else { return Next::Nothing };
        let mut line = Vec::new();
        let mut bounded = read.take(MAX_LINE as u64 + 1);
        match tokio::time::timeout(LINE, bounded.read_until(b'\n', &mut line)).await {
            Ok(Ok(_)) if line.last() == Some(&b'\n') => {
                // Only as much as it needs while it is answered.
                drop(held.split(held.num_permits().saturating_sub(line.len())));
                Next::Line(line, held)
            }
            Ok(Ok(_)) if line.len() > MAX_LINE => Next::Refused(Refusal::new(
                RefusalKind::BadRequest,
                format!("the line is longer than {MAX_LINE} bytes"),
            )),
            _ => Next::Nothing,
        }
    }

    async fn answer(request: &[u8], control: &Control) -> Vec<u8> {
        let request = match serde_json::from_slice::<Request>(request) {
            Ok(request) if request.v == VERSION => request,
            Ok(request) => {
                let text = format!("version {}, this app speaks version {VERSION}", request.v);
                return line(Some(request.id), Err(Refusal::new(RefusalKind::BadRequest, text)));
            }
            Err(error) => {
                let text = format!("not a request: {error}");
                return line(id_of(request), Err(Refusal::new(RefusalKind::BadRequest, text)));
            }
        };
        line(Some(request.id), control.answer(request.operation).await)
    }

    /// The id of a request that is otherwise not understood.
    fn id_of(request: &[u8]) -> Option<u64> {
        serde_json::from_slice::<serde_json::Value>(request).ok()?.get("id")?.as_u64()
    }

    fn line(id: Option<u64>, outcome: Result<control::protocol::Answer, Refusal>) -> Vec<u8> {
        let outcome = match outcome {
            Ok(answer) => Outcome::Ok(answer),
            Err(refusal) => Outcome::Error(refusal),
        };
        crate::output::json_line(&Response { v: VERSION, id, outcome }).into_bytes()
    }
}

#[cfg(not(unix))]
mod nowhere {
    use super::Control;
    use crate::data::open::OpenStore;

    /// This system has no such sockets.
    #[derive(Debug)]
    pub(crate) struct Server;

    impl Server {
        /// Nothing.
        pub(crate) fn start(_: &OpenStore, _: &Control) -> Result<Option<Self>, String> {
            Ok(None)
        }
    }
}
