//! A small HTTPS server with a certificate of its own.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::{ServerConnection, StreamOwned};

#[path = "../tls/mod.rs"]
mod tls;

/// What is answered.
pub(crate) enum Answer {
    Content(String),
    Status(u16),
    Redirect(String),
    /// No length, and no end.
    Endless,
    /// Nothing for a minute.
    Slow,
    /// A byte now and then.
    Drip,
}

/// Serves until it is dropped with the process: a few threads that wait.
pub(crate) struct Server {
    pub(crate) port: u16,
    /// In PEM.
    pub(crate) certificate: String,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    requests: Mutex<Vec<String>>,
}

impl Server {
    pub(crate) fn start(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        let (config, certificate) = tls::for_localhost();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let seen = Arc::<Seen>::default();
        let (answer, shared) = (Arc::new(answer), Arc::clone(&seen));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                shared.connections.fetch_add(1, Ordering::Relaxed);
                let connection =
                    ServerConnection::new(Arc::clone(&config)).expect("a configuration that works");
                let (answer, seen) = (Arc::clone(&answer), Arc::clone(&shared));
                // A client that goes away is none of our business.
                std::thread::spawn(move || {
                    drop(serve(StreamOwned::new(connection, stream), &*answer, &seen))
                });
            }
        });
        Self { port, certificate, seen }
    }

    pub(crate) fn authority(&self) -> String {
        format!("localhost:{}", self.port)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.authority())
    }

    pub(crate) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::Relaxed)
    }

    /// The paths that were asked for.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.seen.requests.lock().expect("nobody panicked with it").clone()
    }
}

fn serve(
    mut stream: StreamOwned<ServerConnection, TcpStream>,
    answer: &(impl Fn(&str) -> Answer + ?Sized),
    seen: &Seen,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte)? == 0 {
            return Ok(());
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default();
    seen.requests.lock().expect("nobody panicked with it").push(path.to_owned());
    let begin = "HTTP/1.1 200 OK\r\nConnection: close\r\n";
    match answer(path) {
        Answer::Content(content) => {
            write!(stream, "{begin}Content-Length: {}\r\n\r\n{content}", content.len())?;
        }
        Answer::Status(status) => {
            write!(stream, "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")?;
        }
        Answer::Redirect(to) => {
            let head = "HTTP/1.1 302 Found\r\nConnection: close\r\nContent-Length: 0\r\n";
            write!(stream, "{head}Location: {to}\r\n\r\n")?;
        }
        Answer::Endless => {
            write!(stream, "{begin}\r\n")?;
            loop {
                stream.write_all(&[b'x'; 1_000])?;
            }
        }
        Answer::Slow => {
            stream.flush()?;
            std::thread::sleep(Duration::from_secs(60));
        }
        Answer::Drip => {
            write!(stream, "{begin}Content-Length: 100000\r\n\r\n")?;
            loop {
                stream.write_all(b"x")?;
                stream.flush()?;
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    }
    stream.conn.send_close_notify();
    stream.flush()
}
