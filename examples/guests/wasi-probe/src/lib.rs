//! Calls the functions of WASI 0.2 that a message names, and answers with what came back.
//!
//! A message has one call per line: a function and its arguments, separated by spaces. The answer has one line per call. The state is
//! the last answer, so that a state that differs shows that an answer did. `once` asks for random bytes when an instance is first
//! asked for them and keeps them, as libraries do with seeds. `file-` begins the functions of files.

mod files;

use std::cell::Cell;

use wasi::cli::{environment, exit, stderr, stdin, stdout, terminal_stdout};
use wasi::clocks::{monotonic_clock, wall_clock};
use wasi::filesystem::preopens;
use wasi::io::poll::{Pollable, poll};
use wasi::io::streams::OutputStream;
use wasi::random::{insecure, insecure_seed, random};
use wasi::sockets::network::IpAddressFamily;
use wasi::sockets::{instance_network, ip_name_lookup, tcp_create_socket, udp_create_socket};

wit_bindgen::generate!({ path: ["../../../wit", "wit"], world: "example:wasi-probe/probe", generate_all });

struct Probe;

export!(Probe);

guest_kit::answer_messages!(Probe, answer);

fn answer(message: &[u8]) -> Result<Vec<u8>, String> {
    let text = str::from_utf8(message).map_err(|_| "not text")?;
    let answers: Result<Vec<_>, _> = text.split('\n').map(call).collect();
    Ok(answers?.join("\n").into_bytes())
}

fn call(line: &str) -> Result<String, String> {
    let (function, rest) = line.split_once(' ').unwrap_or((line, ""));
    Ok(match function {
        "wall" => {
            let now = wall_clock::now();
            format!("{}.{:09}", now.seconds, now.nanoseconds)
        }
        "monotonic" => monotonic_clock::now().to_string(),
        "random" => hex(&random::get_random_bytes(number(rest)?)),
        "random-u64" => random::get_random_u64().to_string(),
        "insecure" => hex(&insecure::get_insecure_random_bytes(number(rest)?)),
        "insecure-u64" => insecure::get_insecure_random_u64().to_string(),
        "seed" => format!("{:?}", insecure_seed::insecure_seed()),
        "once" => once().to_string(),
        "sleep" => {
            monotonic_clock::subscribe_duration(millis(rest)?).block();
            "ok".to_owned()
        }
        "sleep-until" => {
            monotonic_clock::subscribe_instant(number(rest)?).block();
            "ok".to_owned()
        }
        // Sleeps until the clock says so, however often it is woken before.
        "sleep-on" => {
            let end = monotonic_clock::now() + millis(rest)?;
            let mut times = 0;
            while monotonic_clock::now() < end {
                monotonic_clock::subscribe_instant(end).block();
                times += 1;
            }
            times.to_string()
        }
        "poll" => {
            let waits: Result<Vec<_>, _> = rest.split(' ').map(wait).collect();
            let waits = waits?;
            format!("{:?}", poll(&waits.iter().collect::<Vec<_>>()))
        }
        "poll-nothing" => format!("{:?}", poll(&[])),
        "ready" => wait(rest)?.ready().to_string(),
        "waits" => {
            let waits: Result<Vec<_>, _> = (0..number::<u64>(rest)?).map(|_| wait("1000")).collect();
            waits?.len().to_string()
        }
        "print" => print(&stdout::get_stdout(), &format!("{rest}\n")),
        "print-on" => print(&stdout::get_stdout(), rest),
        "complain" => print(&stderr::get_stderr(), &format!("{rest}\n")),
        "print-zeroes" => {
            let written = stdout::get_stdout().write_zeroes(number(rest)?);
            format!("{written:?}")
        }
        "print-too-much" => {
            let stream = stdout::get_stdout();
            let allowed = stream.check_write().map_err(|error| format!("{error:?}"))?;
            format!("{:?}", stream.write(&vec![b'x'; allowed as usize + 1]))
        }
        "flood" => {
            let (stream, lines) = (stdout::get_stdout(), rest.repeat(4096 / rest.len().max(1)));
            let lines = lines.replace('_', "\n");
            loop {
                print(&stream, &lines);
            }
        }
        "input" => format!("{:?}", stdin::get_stdin().blocking_read(10).map_err(|error| error.to_string())),
        "variables" => {
            let all = environment::get_environment();
            all.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(",")
        }
        // What is the same everywhere and always.
        "world" => format!(
            "{:?} {:?} {:?} {} {} {:?}",
            environment::get_arguments(),
            environment::initial_cwd(),
            preopens::get_directories().len(),
            terminal_stdout::get_terminal_stdout().is_some(),
            monotonic_clock::resolution(),
            wall_clock::resolution(),
        ),
        "tcp" => refused(tcp_create_socket::create_tcp_socket(IpAddressFamily::Ipv4).err()),
        "udp" => refused(udp_create_socket::create_udp_socket(IpAddressFamily::Ipv6).err()),
        "lookup" => {
            let network = instance_network::instance_network();
            refused(ip_name_lookup::resolve_addresses(&network, rest).err())
        }
        "exit" => {
            exit::exit(if rest == "well" { Ok(()) } else { Err(()) });
            "it goes on".to_owned()
        }
        "fail" => return Err(rest.to_owned()),
        "crash" => panic!("told to crash"),
        "folders" => {
            let folders = preopens::get_directories();
            folders.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>().join(" ")
        }
        _ => match function.strip_prefix("file-") {
            Some(function) => files::call(function, rest)?,
            None => return Err(format!("no function {function}")),
        },
    })
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("not a number: {text}"))
}

/// Nanoseconds.
fn millis(text: &str) -> Result<u64, String> {
    Ok(number::<u64>(text)?.saturating_mul(1_000_000))
}

fn wait(text: &str) -> Result<Pollable, String> {
    if text == "output" {
        let stream = stdout::get_stdout();
        let wait = stream.subscribe();
        // It may not go before what waits for it.
        std::mem::forget(stream);
        return Ok(wait);
    }
    Ok(monotonic_clock::subscribe_duration(millis(text)?))
}

fn print(stream: &OutputStream, text: &str) -> String {
    let written = stream.blocking_write_and_flush(text.as_bytes());
    written.map_or_else(|error| format!("error: {error}"), |()| "ok".to_owned())
}

fn refused(error: Option<impl std::fmt::Debug>) -> String {
    error.map_or_else(|| "ok".to_owned(), |error| format!("refused: {error:?}"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn once() -> u64 {
    thread_local! {
        static KEPT: Cell<Option<u64>> = const { Cell::new(None) };
    }
    KEPT.with(|kept| {
        let value = kept.get().unwrap_or_else(random::get_random_u64);
        kept.set(Some(value));
        value
    })
}
