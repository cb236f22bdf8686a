//! A small server of HTTP for tests, with TLS or without.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

#[path = "../tls/mod.rs"]
mod tls;

/// Whatever a connection is made of.
pub(crate) trait Stream: Read + Write {}

impl<T: Read + Write> Stream for T {}

/// Serves until the process ends: a few threads that wait.
pub(crate) struct Server {
    pub(crate) port: u16,
    /// In PEM; empty without TLS.
    pub(crate) certificate: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// `answer` gets each request, head and body, and writes what it likes.
    pub(crate) fn plain(answer: impl Fn(&str, &mut dyn Stream) + Send + Sync + 'static) -> Self {
        Self::start(None, String::new(), answer)
    }

    /// The same over TLS, with a certificate for `localhost`.
    pub(crate) fn tls(answer: impl Fn(&str, &mut dyn Stream) + Send + Sync + 'static) -> Self {
        let (config, certificate) = tls::for_localhost();
        Self::start(Some(config), certificate, answer)
    }

    fn start(
        tls: Option<Arc<ServerConfig>>,
        certificate: String,
        answer: impl Fn(&str, &mut dyn Stream) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let (answer, shared) = (Arc::new(answer), Arc::clone(&requests));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, requests, tls) = (Arc::clone(&answer), Arc::clone(&shared), tls.clone());
                std::thread::spawn(move || match tls {
                    None => serve(stream, &*answer, &requests),
                    Some(config) => {
                        let connection = ServerConnection::new(config).expect("a configuration that works");
                        serve(StreamOwned::new(connection, stream), &*answer, &requests);
                    }
                });
            }
        });
        Self { port, certificate, requests }
    }

    /// What was asked so far, head and body.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// One request. A client that goes away is none of the server's business.
fn serve(
    mut stream: impl Stream,
    answer: &(dyn Fn(&str, &mut dyn Stream) + Send + Sync),
    requests: &Mutex<Vec<String>>,
) {
    let mut bytes = Vec::new();
    let mut part = [0; 4_096];
    let whole = loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.to_lowercase();
            let length = length.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
            if body.len() >= length.and_then(|length| length.parse().ok()).unwrap_or(0) {
                break text;
            }
        }
        match stream.read(&mut part) {
            Ok(length) if length > 0 => bytes.extend_from_slice(&part[..length]),
            _ => return,
        }
    };
    requests.lock().unwrap_or_else(PoisonError::into_inner).push(whole.clone());
    answer(&whole, &mut stream);
    let _ = stream.flush();
}

/// Writes until the other side goes away, or a minute is over.
pub(crate) fn without_end(stream: &mut dyn Stream, part: &[u8], pause: Duration) {
    let rounds = Duration::from_secs(60).as_millis() / pause.as_millis().max(1);
    for _ in 0..rounds {
        if stream.write_all(part).and_then(|()| stream.flush()).is_err() {
            return;
        }
        std::thread::sleep(pause);
    }
}

/// Whether the other side has gone, within ten seconds.
pub(crate) fn is_gone(stream: &TcpStream) -> bool {
    let timeout = stream.set_read_timeout(Some(Duration::from_secs(10)));
    timeout.is_ok() && matches!((&mut &*stream).read(&mut [0; 16]), Ok(0))
}
