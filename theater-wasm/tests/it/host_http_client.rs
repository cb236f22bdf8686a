//! `theater:simple/http-client`.

use std::io::Read;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use theater_chain::MemoryStore;
use theater_core::event::payload::{self, HostCall, decode};
use theater_core::{ActorId, ActorRuntime, Authority, EventKind, ExitReason, SpawnRequest, StopMode};
use theater_wasm::{RuntimeBuilder, TlsRoots, WasmRuntime};

use crate::host_support::*;
use crate::http_server::*;
use crate::support::*;

/// A manifest of `fetcher.wasm` with this grant, and what else it needs.
fn fetcher(settings: &str, more: &str) -> String {
    format!(
        "name = \"fetcher\"\ncomponent = \"fetcher.wasm\"\nhandlers = [\n{{ type = \"message-server\" }},\n{{ type = \"http-client\", {settings} }}]\n{more}\n"
    )
}

fn to(host: &str) -> String {
    format!("allowed_hosts = [\"{host}\"]")
}

fn runtime(settings: &str, more: &str) -> RuntimeBuilder {
    builder(source(&[("fetcher.toml", &fetcher(settings, more))]))
}

async fn started(builder: RuntimeBuilder) -> (WasmRuntime, ActorId) {
    let runtime = builder.build().expect("a runtime");
    let id = runtime.spawn(SpawnRequest::new(None, "fetcher.toml")).await.expect("it starts").id;
    (runtime, id)
}

/// A server of several answers, and an actor that may ask it.
async fn with_server(settings: &str, more: &str) -> (Server, WasmRuntime, ActorId) {
    let server = Server::plain(|request, stream| {
        let path = request.split(' ').nth(1).unwrap_or_default();
        let _ = match path {
            "/hello" => {
                stream.write_all(b"HTTP/1.1 200 OK\r\nX-One: 1\r\nx-one: 2\r\nContent-Length: 5\r\n\r\nhello")
            }
            "/chunks" => stream.write_all(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
            ),
            "/moved" => {
                stream.write_all(b"HTTP/1.1 302 Found\r\nLocation: /hello\r\nContent-Length: 0\r\n\r\n")
            }
            "/broken" => stream.write_all(b"HTTP/1.1 500 Broken\r\nContent-Length: 3\r\n\r\nno!"),
            "/nothing" => stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n"),
            "/large" => stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\nx"),
            "/garbage" => stream.write_all(b"220 mail.example ready\r\n\r\n"),
            "/short" => stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"),
            "/endless" => {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
                without_end(stream, &[b'x'; 10_000], Duration::from_millis(1));
                Ok(())
            }
            "/headers" => {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
                without_end(
                    stream,
                    format!("x: {}\r\n", "y".repeat(10_000)).as_bytes(),
                    Duration::from_millis(1),
                );
                Ok(())
            }
            "/drip" => {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
                without_end(stream, b"x", Duration::from_millis(50));
                Ok(())
            }
            "/silent" => {
                std::thread::sleep(Duration::from_secs(30));
                Ok(())
            }
            _ => stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
        };
    });
    let settings = format!("{}, {settings}", to(&format!("localhost:{}", server.port)));
    let (runtime, id) = started(self::runtime(settings.trim_end_matches([',', ' ']), more)).await;
    (server, runtime, id)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_sent_as_it_was_given_and_the_whole_response_comes_back() {
    let (server, runtime, id) = with_server("", "").await;
    let url = |path: &str| format!("http://localhost:{}{path}", server.port);
    let answer = ask(&runtime, id, &format!("POST {}\nX-Key: secret\n\nbody", url("/hello?q=1"))).await;
    assert!(answer.starts_with("404\n"), "{answer}");
    let sent = &server.requests()[0];
    assert!(sent.starts_with("POST /hello?q=1 HTTP/1.1\r\n"), "{sent}");
    let lower = sent.to_lowercase();
    for line in [
        &format!("\r\nhost: localhost:{}\r\n", server.port),
        "\r\nx-key: secret\r\n",
        "\r\ncontent-length: 4\r\n",
    ] {
        assert!(lower.contains(line), "{sent}");
    }
    assert!(sent.ends_with("\r\n\r\nbody"), "{sent}");
    for (path, expected) in [
        ("/hello", "200\nx-one: 1\nx-one: 2\ncontent-length: 5\n\nhello"),
        ("/chunks", "200\ntransfer-encoding: chunked\n\nabc"),
        ("/broken", "500\ncontent-length: 3\n\nno!"),
        ("/nothing", "204\n\n"),
    ] {
        assert_eq!(ask(&runtime, id, &format!("GET {}", url(path))).await, expected, "{path}");
    }
    assert!(!server.requests()[1].to_lowercase().contains("content-length"), "a GET has no body");
    runtime.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_answered_and_not_followed() {
    let (server, runtime, id) = with_server("", "").await;
    let answer = ask(&runtime, id, &format!("GET http://localhost:{}/moved", server.port)).await;
    assert_eq!(answer, "302\nlocation: /hello\ncontent-length: 0\n\n");
    assert_eq!(server.requests().len(), 1);
    runtime.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_or_port_that_is_not_allowed_and_a_request_that_would_be_two_reach_nobody() {
    let (server, runtime, id) = with_server("", "").await;
    let (port, other) = (server.port, server.port ^ 1);
    for (request, expected) in [
        (
            format!("GET http://127.0.0.1:{port}/"),
            format!("host `127.0.0.1:{port}` is not allowed; add \"127.0.0.1:{port}\""),
        ),
        (format!("GET http://localhost:{other}/"), format!("host `localhost:{other}` is not allowed")),
        ("GET http://localhost/".to_owned(), "host `localhost` is not allowed".to_owned()),
        (format!("GET http://localhost:{port}@evil.example/"), "names and passwords".to_owned()),
        (format!("GET ftp://localhost:{port}/"), "must begin with".to_owned()),
        (format!("CONNECT http://localhost:{port}/"), "not the method".to_owned()),
        (format!("GET\\r\\nX: y http://localhost:{port}/"), "not the method".to_owned()),
        (format!("GET http://localhost:{port}/a\\r\\nX:y"), "no such form".to_owned()),
        (format!("GET http://localhost:{port}/\nA: x\\r\\nHost: evil"), "line break".to_owned()),
        (format!("GET http://localhost:{port}/\nA\\r\\nB: x"), "not the name".to_owned()),
        (format!("GET http://localhost:{port}/\nHost: evil"), "header `Host`".to_owned()),
        (
            format!("POST http://localhost:{port}/\nTransfer-Encoding: chunked\n\nx"),
            "is the runtime's".to_owned(),
        ),
        (format!("POST http://localhost:{port}/\nContent-Length: 100\n\nx"), "that of the body".to_owned()),
    ] {
        let answer = ask(&runtime, id, &request).await;
        assert!(answer.starts_with("error: ") && answer.contains(&expected), "{request}: {answer}");
    }
    assert!(server.requests().is_empty(), "{:?}", server.requests());
    runtime.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_is_cut_off_with_an_error_whatever_was_announced() {
    let (server, runtime, id) = with_server("max_request_size = 2000, max_response_size = 20000", "").await;
    let url = |path: &str| format!("http://localhost:{}{path}", server.port);
    let begun = Instant::now();
    for path in ["/large", "/endless"] {
        let answer = ask(&runtime, id, &format!("GET {}", url(path))).await;
        assert!(
            answer
                .contains("more than http-client.max_response_size or limits.message allow, which is 20000"),
            "{answer}"
        );
    }
    let answer = ask(&runtime, id, &format!("GET {}", url("/headers"))).await;
    assert!(answer.contains("did not answer as HTTP/1.1 has it"), "{answer}");
    let before = server.requests().len();
    let answer = ask(&runtime, id, &format!("POST {}\n\n{}", url("/hello"), "x".repeat(2_000))).await;
    assert!(
        answer.contains("more than http-client.max_request_size or limits.message allow, which is 2000"),
        "{answer}"
    );
    assert_eq!(server.requests().len(), before);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    runtime.kill().await;
    // Without settings the limit of messages is the bound.
    let (server, runtime, id) = with_server("", "limits = { message = \"4KiB\" }").await;
    let answer = ask(&runtime, id, &format!("GET http://localhost:{}/endless", server.port)).await;
    assert!(answer.contains("which is 4096 bytes"), "{answer}");
    runtime.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_too_long_is_given_up_on_and_who_does_not_answer_is_told() {
    let (server, runtime, id) = with_server("max_request_duration = 500", "").await;
    let url = |path: &str| format!("http://localhost:{}{path}", server.port);
    for path in ["/silent", "/drip"] {
        let begun = Instant::now();
        let answer = ask(&runtime, id, &format!("GET {}", url(path))).await;
        assert!(
            answer.contains("within http-client.max_request_duration, which is 500 ms"),
            "{path}: {answer}"
        );
        assert!(begun.elapsed() < Duration::from_secs(10), "{path}: {:?}", begun.elapsed());
    }
    for path in ["/garbage", "/short"] {
        let answer = ask(&runtime, id, &format!("GET {}", url(path))).await;
        assert!(answer.contains("did not answer as HTTP/1.1 has it"), "{path}: {answer}");
    }
    runtime.kill().await;
    let free = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
    let hosts = format!("allowed_hosts = [\"127.0.0.1:{free}\", \"nowhere.invalid\"]");
    let (runtime, id) = started(self::runtime(&hosts, "")).await;
    let answer = ask(&runtime, id, &format!("GET http://127.0.0.1:{free}/")).await;
    assert!(
        answer.contains(&format!("could not connect to `127.0.0.1:{free}`: Connection refused")),
        "{answer}"
    );
    let answer = ask(&runtime, id, "GET http://nowhere.invalid/").await;
    assert!(answer.contains("`nowhere.invalid` has no address"), "{answer}");
    runtime.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_stop_nor_kill_waits_for_the_other_side_and_the_connection_is_closed_at_once() {
    for mode in [StopMode::Graceful(Duration::from_secs(60)), StopMode::Kill] {
        // A host that takes the request and says nothing.
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (runtime, id) = started(self::runtime(&to(&format!("127.0.0.1:{port}")), "")).await;
        runtime.send(id, format!("GET http://127.0.0.1:{port}/")).await.expect("it is in the mailbox");
        let accepted = tokio::task::spawn_blocking(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            let read = stream.read(&mut [0; 4_096]).expect("a request");
            assert!(read > 0);
            stream
        });
        let stream = accepted.await.expect("a connection");
        let begun = Instant::now();
        runtime.stop(Authority::Operator, id, mode).await.expect("it ends");
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
        let expected = if mode == StopMode::Kill { ExitReason::Killed } else { ExitReason::Stopped };
        assert_eq!(exit_of(&runtime, id).await, expected);
        assert!(tokio::task::spawn_blocking(move || is_gone(&stream)).await.expect("an answer"));
        runtime.kill().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn https_needs_a_certificate_that_is_trusted_and_is_the_hosts() {
    let server = Server::tls(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret");
    });
    let hosts = format!("allowed_hosts = [\"localhost:{0}\", \"127.0.0.1:{0}\"]", server.port);
    let trusted = TlsRoots::Pem(server.certificate.clone());
    let (runtime, id) = started(self::runtime(&hosts, "").http_roots(&trusted).expect("a certificate")).await;
    let get = |host: &str| format!("GET https://{host}:{}/", server.port);
    assert_eq!(ask(&runtime, id, &get("localhost")).await, "200\ncontent-length: 6\n\nsecret");
    let answer = ask(&runtime, id, &get("127.0.0.1")).await;
    assert!(answer.contains("no secure connection to `127.0.0.1:"), "it is not for this name: {answer}");
    runtime.kill().await;
    let (runtime, id) = started(self::runtime(&hosts, "")).await;
    let answer = ask(&runtime, id, &get("localhost")).await;
    assert!(answer.contains("no secure connection") && answer.contains("certificate"), "{answer}");
    runtime.kill().await;
    assert!(self::runtime(&hosts, "").http_roots(&TlsRoots::Pem("none".to_owned())).is_err());
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recorded_response_is_given_again_and_nothing_is_sent() {
    let (server, runtime, id) = {
        let chains = Arc::new(MemoryStore::new());
        let server = Server::plain(|_, stream| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nX: y\r\nContent-Length: 5\r\n\r\nhello");
        });
        let hosts = to(&format!("localhost:{}", server.port));
        let (runtime, id) = started(self::runtime(&hosts, "").chain_store(chains.clone())).await;
        let request = format!("PUT http://localhost:{}/a?token=1\nX-Key: secret\n\nbody", server.port);
        let answer = ask(&runtime, id, &request).await;
        assert_eq!(
            ask(&runtime, id, &request.replace("localhost", "evil.example")).await.get(..6),
            Some("error:")
        );
        assert_eq!(ask(&runtime, id, &request).await, answer);
        let records: Vec<HostCall> = events(&runtime, id)
            .await
            .iter()
            .filter(|event| event.header.kind == EventKind::SEND_HTTP)
            .map(|event| decode(&event.payload).expect("a record"))
            .collect();
        let (HostCall::Called { subject, data: Some(call) }, HostCall::Answered { data: Some(outcome), .. }) =
            (&records[0], &records[1])
        else {
            panic!("{records:?}")
        };
        assert_eq!(subject.as_deref(), Some(&*format!("PUT http://localhost:{}/a", server.port)));
        let call: payload::HttpRequest = decode(call).expect("a request");
        let header = ("X-Key".to_owned(), "secret".to_owned());
        assert_eq!((call.headers, call.body.as_deref()), (vec![header], Some(&b"body"[..])));
        assert!(call.uri.ends_with("/a?token=1"));
        let outcome: payload::HttpResponse = decode(outcome).expect("a response");
        assert_eq!((outcome.status, outcome.body.as_deref()), (200, Some(&b"hello"[..])));
        assert_eq!(records.len(), 6);
        runtime.shutdown().await;
        (server, self::runtime(&hosts, "").chain_store(chains).build().expect("a runtime"), id)
    };
    let asked = server.requests().len();
    let rerun = runtime.rerun(id, "fetcher.toml").await.unwrap_or_else(|error| {
        panic!("{}", theater_core::error::with_causes(&error));
    });
    assert_eq!((rerun.calls, rerun.failed, rerun.host_records), (4, 0, 6));
    assert_eq!((server.requests().len(), asked), (2, 2), "nobody was asked again");
    runtime.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_may_ask_no_other_host_than_its_parent() {
    let desk = "name = \"desk\"\ncomponent = \"supervisor.wasm\"\nhandlers = [{ type = \"message-server\" }, { type = \"supervisor\" }, \
                { type = \"http-client\", allowed_hosts = [\"example.org\"] }]";
    let manifests = [
        ("desk.toml", desk),
        ("same.toml", &*fetcher("allowed_hosts = [\"EXAMPLE.org\"]", "")),
        ("more.toml", &*fetcher("allowed_hosts = [\"example.org\", \"evil.example\"]", "")),
        ("port.toml", &*fetcher("allowed_hosts = [\"example.org:8080\"]", "")),
    ];
    let runtime = builder(source(&manifests)).build().expect("a runtime");
    let desk = root(&runtime, "desk.toml").await;
    spawn_child(&runtime, desk, "same.toml").await;
    for (manifest, host) in [("more.toml", "evil.example"), ("port.toml", "example.org:8080")] {
        let answer = ask(&runtime, desk, &format!("spawn {manifest} x")).await;
        assert!(answer.contains(&format!("host `{host}` is not the parent's to give")), "{answer}");
    }
    runtime.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_beyond_the_bound_of_the_runtime_wait_their_turn_and_no_longer_than_their_time() {
    let (server, runtime, first) = {
        let server = Server::plain(|_, _| std::thread::sleep(Duration::from_secs(3)));
        let settings = format!("{}, max_request_duration = 600", to(&format!("localhost:{}", server.port)));
        let builder = self::runtime(&settings, "").config(|config| config.http_calls = 1);
        let (runtime, id) = started(builder).await;
        (server, runtime, id)
    };
    let second = runtime.spawn(SpawnRequest::new(None, "fetcher.toml")).await.expect("it starts").id;
    let request = format!("GET http://localhost:{}/", server.port);
    let begun = Instant::now();
    let (one, two) = tokio::join!(ask(&runtime, first, &request), ask(&runtime, second, &request));
    for answer in [one, two] {
        assert!(answer.contains("max_request_duration, which is 600 ms"), "{answer}");
    }
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    runtime.kill().await;
}
