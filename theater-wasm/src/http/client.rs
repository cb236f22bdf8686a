//! Sending.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use theater_core::error::with_causes;
use theater_core::event::payload::HttpResponse;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::request::Request;
use crate::tls::{InvalidRoots, TlsRoots};

/// Bytes of the status line and the headers of a response.
const HEAD: usize = 64 << 10;

/// What a header of a response takes at most besides its name and value.
const ENTRY: u64 = 16;

/// What one request may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// From the wait for its turn to the last byte of the response.
    pub(crate) duration: Duration,
    /// Bytes of the response: headers and body.
    pub(crate) response: u64,
}

/// A request that got no response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    #[error("the request was given up because the actor is asked to end")]
    Ending,
    #[error(
        "there was no whole response within http-client.max_request_duration, which is {} ms", .limit.as_millis()
    )]
    Slow { limit: Duration },
    #[error("`{host}` has no address: {source}")]
    Resolve { host: String, source: io::Error },
    #[error("could not connect to `{authority}`: {source}")]
    Connect { authority: String, source: io::Error },
    #[error("no secure connection to `{authority}`: {source}")]
    Tls { authority: String, source: io::Error },
    #[error("`{authority}` did not answer as HTTP/1.1 has it: {message}")]
    Protocol { authority: String, message: String },
    #[error(
        "the response takes more than http-client.max_response_size or limits.message allow, which is {limit} bytes"
    )]
    TooLarge { limit: u64 },
}

/// Sends requests, for all actors of a runtime.
pub(crate) struct Client {
    tls: Connector,
    turns: Semaphore,
    /// The operating system's search for an address cannot be given up, so it has turns of its own.
    lookups: Arc<Semaphore>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("turns", &self.turns).finish_non_exhaustive()
    }
}

/// Makes connections secure.
#[derive(Clone)]
pub(crate) struct Connector(TlsConnector);

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").finish_non_exhaustive()
    }
}

impl Connector {
    /// One that trusts these.
    pub(crate) fn new(roots: &TlsRoots) -> Result<Self, InvalidRoots> {
        let TlsRoots::Pem(text) = roots else { return Ok(Self::mozilla()) };
        let mut store = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(text.as_bytes()) {
            store.add(certificate.map_err(|_| InvalidRoots)?).map_err(|_| InvalidRoots)?;
        }
        if store.is_empty() { Err(InvalidRoots) } else { Ok(Self::over(store)) }
    }

    /// One that trusts whom Mozilla trusts.
    pub(crate) fn mozilla() -> Self {
        Self::over(webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect())
    }

    fn over(roots: RootCertStore) -> Self {
        let config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("this provider has the versions that this library takes for safe")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self(TlsConnector::from(Arc::new(config)))
    }
}

impl Client {
    /// `at_once` is how many requests are under way at a time.
    pub(crate) fn new(tls: Connector, at_once: usize) -> Self {
        let at_once = at_once.clamp(1, Semaphore::MAX_PERMITS);
        Self { tls, turns: Semaphore::new(at_once), lookups: Arc::new(Semaphore::new(at_once)) }
    }

    /// Sends a request, and waits for the whole response. It is given up when the actor is asked to end.
    pub(crate) async fn send(
        &self,
        request: Request,
        bounds: Bounds,
        stop: &CancellationToken,
    ) -> Result<HttpResponse, HttpError> {
        let limit = bounds.duration;
        tokio::select! {
            biased;
            () = stop.cancelled() => Err(HttpError::Ending),
            sent = tokio::time::timeout(limit, self.exchange(request, bounds.response)) => {
                sent.unwrap_or(Err(HttpError::Slow { limit }))
            }
        }
    }

    async fn exchange(&self, request: Request, limit: u64) -> Result<HttpResponse, HttpError> {
        // An error means that the runtime is gone, which keeps this.
        let _turn = self.turns.acquire().await;
        let authority = request.authority.clone();
        let connect = |source| HttpError::Connect { authority: authority.clone(), source };
        let addresses = self.addresses(&request.host, request.port).await?;
        let stream = TcpStream::connect(&*addresses).await.map_err(connect)?;
        stream.set_nodelay(true).map_err(connect)?;
        if !request.tls {
            return speak(stream, request, limit).await;
        }
        let tls = |source| HttpError::Tls { authority: authority.clone(), source };
        let bare = request.host.trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(bare).map_err(|error| tls(io::Error::other(error)))?;
        let stream = self.tls.0.connect(name, stream).await.map_err(tls)?;
        speak(stream, request, limit).await
    }

    async fn addresses(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, HttpError> {
        let bare = host.trim_matches(['[', ']']);
        if let Ok(address) = bare.parse() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let name = bare.to_owned();
        let turn = Arc::clone(&self.lookups).acquire_owned().await;
        let search = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            std::net::ToSocketAddrs::to_socket_addrs(&(name, port)).map(Vec::from_iter)
        });
        let found = search.await.unwrap_or_else(|error| Err(io::Error::other(error)));
        let found = found.and_then(|found| match found.is_empty() {
            true => Err(io::ErrorKind::NotFound.into()),
            false => Ok(found),
        });
        found.map_err(|source| HttpError::Resolve { host: host.to_owned(), source })
    }
}

/// One request and its response over a connection that has nothing else to do.
async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request,
    limit: u64,
) -> Result<HttpResponse, HttpError> {
    let Request { authority, method, target, headers, body, .. } = request;
    let protocol = |error: hyper::Error| HttpError::Protocol {
        authority: authority.clone(),
        message: with_causes(&error),
    };
    let shaken = http1::Builder::new().max_buf_size(HEAD).handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = shaken.map_err(protocol)?;
    // Gone when this is: nothing is left of a request that is given up.
    let _driver = AbortOnDropHandle::new(tokio::spawn(connection));
    let mut message = hyper::Request::new(Full::new(body.unwrap_or_default()));
    *message.method_mut() = method;
    *message.uri_mut() = target;
    *message.headers_mut() = headers;
    let response = sender.send_request(message).await.map_err(protocol)?;
    let (head, body) = response.into_parts();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers: Vec<_> =
        head.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value.as_bytes()))).collect();
    let size = headers.iter().map(|(name, value)| (name.len() + value.len()) as u64 + ENTRY).sum();
    let room = limit.checked_sub(size).ok_or(HttpError::TooLarge { limit })?;
    let body = read(body, room, || HttpError::TooLarge { limit }, protocol).await?;
    Ok(HttpResponse { status: head.status.as_u16(), headers, body: Some(body.into()) })
}

/// A body of at most `room` bytes, whatever was announced.
async fn read(
    mut body: Incoming,
    room: u64,
    too_large: impl Fn() -> HttpError,
    protocol: impl Fn(hyper::Error) -> HttpError,
) -> Result<Vec<u8>, HttpError> {
    if body.size_hint().lower() > room {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        // Trailers are passed over.
        let Ok(data) = frame.map_err(&protocol)?.into_data() else { continue };
        if (bytes.len() + data.len()) as u64 > room {
            return Err(too_large());
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}
