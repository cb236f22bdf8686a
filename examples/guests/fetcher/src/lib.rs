//! Sends the request that a message has: in the first line the method and the address, then one header per line, and after an
//! empty line the body, if there is one.
//!
//! The answer is the response in the same form: the status, its headers, an empty line and the body; or `error: ` and why there
//! is none. The state is the last answer, so that a state that differs shows that an answer did.

use theater::simple::http_client::{HttpRequest, send_http};

wit_bindgen::generate!({
    inline: "
        package example:fetcher;

        world fetcher {
            include theater:simple/messenger;
            import theater:simple/http-client;
        }
    ",
    path: "../../../wit",
    generate_all,
});

struct Fetcher;

export!(Fetcher);

guest_kit::answer_messages!(Fetcher, answer);

fn answer(message: &[u8]) -> Result<Vec<u8>, String> {
    let text = str::from_utf8(message).map_err(|_| "not text")?;
    Ok(send(text).unwrap_or_else(|error| format!("error: {error}")).into_bytes())
}

/// In a header, `\r` and `\n` are line breaks: of those that mean harm.
fn send(text: &str) -> Result<String, String> {
    let (head, body) = match text.split_once("\n\n") {
        Some((head, body)) => (head, Some(body)),
        None => (text, None),
    };
    let mut lines = head.split('\n');
    let first = lines.next().unwrap_or_default();
    let (method, uri) = first.split_once(' ').ok_or("the first line is a method and an address")?;
    let plain = |text: &str| text.replace("\\r", "\r").replace("\\n", "\n");
    let header = |line: &str| {
        let (name, value) = line.split_once(": ").ok_or("a header is a name and a value")?;
        Ok((plain(name), plain(value)))
    };
    let request = HttpRequest {
        method: plain(method),
        uri: plain(uri),
        headers: lines.map(header).collect::<Result<_, String>>()?,
        body: body.map(|body| body.as_bytes().to_vec()),
    };
    let response = send_http(&request)?;
    let mut answer = response.status.to_string();
    for (name, value) in &response.headers {
        answer += &format!("\n{name}: {value}");
    }
    let body = String::from_utf8_lossy(&response.body.unwrap_or_default()).into_owned();
    Ok(format!("{answer}\n\n{body}"))
}
