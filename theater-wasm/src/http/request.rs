//! What a guest asks for, checked before anybody else hears of it.

use hyper::header::{CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Uri};
use theater_core::Bytes;
use theater_core::capability::HttpClientGrant;
use theater_core::error::printable;

/// Bytes of an address.
const LONGEST_URI: usize = 8_192;

/// Headers of a request.
const MOST_HEADERS: usize = 100;

/// Headers that are about the connection, which is the runtime's.
const OF_THE_CONNECTION: [&str; 10] = [
    "connection",
    "expect",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A request that may be sent.
pub(crate) struct Request {
    pub(super) tls: bool,
    /// As it stands in an address: lowercase, of IPv6 in brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// The host, and the port where it is not that of the scheme.
    pub(super) authority: String,
    pub(super) method: Method,
    /// From the first `/` on, with the query.
    pub(super) target: Uri,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Bytes>,
}

/// A request that is not sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    #[error(
        "`{method}` is not the method of a request: it is a word in capitals such as GET, and not CONNECT"
    )]
    Method { method: String },
    #[error("`{uri}` is no address to send a request to: {problem}")]
    Uri { uri: String, problem: &'static str },
    #[error(
        "host `{host}` is not allowed; add \"{host}\" to `allowed_hosts` of the handler `http-client` in the manifest, which has {allowed}"
    )]
    HostNotAllowed { host: String, allowed: String },
    #[error("header `{name}`: {problem}")]
    Header { name: String, problem: &'static str },
    #[error("a request has at most {MOST_HEADERS} headers")]
    ManyHeaders,
}

impl Request {
    /// Checks what a guest gave against what it is granted.
    pub(crate) fn new(
        method: &str,
        uri: &str,
        headers: &[(String, String)],
        body: Option<Bytes>,
        grant: &HttpClientGrant,
    ) -> Result<Self, RequestError> {
        let method = check_method(method)?;
        let wrong = |problem| RequestError::Uri { uri: printable(&shown(uri)), problem };
        if uri.len() > LONGEST_URI {
            return Err(wrong("it is longer than 8192 bytes"));
        }
        let parsed: Uri =
            uri.parse().map_err(|_| wrong("it has no such form, or a character that must be escaped"))?;
        let (tls, usual) = match parsed.scheme_str() {
            Some("http") => (false, 80),
            Some("https") => (true, 443),
            _ => return Err(wrong("it must begin with http:// or https://")),
        };
        let authority = parsed.authority().map(hyper::http::uri::Authority::as_str).unwrap_or_default();
        if authority.contains('@') {
            return Err(wrong("names and passwords have no place in it; send them in a header"));
        }
        let (host, port) = theater_core::source::authority(authority, usual)
            .ok_or_else(|| wrong("its host or its port is none"))?;
        let authority = if port == usual { host.clone() } else { format!("{host}:{port}") };
        if !grant.allows(&host, port, usual) {
            let allowed = if grant.allowed_hosts.is_empty() {
                "none".to_owned()
            } else {
                grant.allowed_hosts.join(", ")
            };
            return Err(RequestError::HostNotAllowed { host: authority, allowed });
        }
        let length = body.as_ref().map_or(0, Bytes::len);
        let headers = check_headers(headers, &authority, length)?;
        let target = parsed.path_and_query().map_or("/", hyper::http::uri::PathAndQuery::as_str);
        let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
        let target = target.parse().map_err(|_| wrong("its path has a character that must be escaped"))?;
        Ok(Self { tls, host, port, authority, method, target, headers, body })
    }
}

fn check_method(text: &str) -> Result<Method, RequestError> {
    let good = (1..=32).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-')
        && text != "CONNECT";
    let refused = || RequestError::Method { method: printable(text) };
    if good { Method::from_bytes(text.as_bytes()).map_err(|_| refused()) } else { Err(refused()) }
}

/// What of the headers is sent. What says the same as the runtime does is passed over.
fn check_headers(
    given: &[(String, String)],
    authority: &str,
    length: usize,
) -> Result<HeaderMap, RequestError> {
    if given.len() > MOST_HEADERS {
        return Err(RequestError::ManyHeaders);
    }
    let mut headers = HeaderMap::with_capacity(given.len() + 1);
    for (name, value) in given {
        let refused = |problem| RequestError::Header { name: printable(name), problem };
        let parsed = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| refused("this is not the name of a header"))?;
        // Line breaks are none of the characters of a value, nor is any other control character but the tab.
        let line = HeaderValue::from_bytes(value.as_bytes())
            .map_err(|_| refused("its value has a line break or a control character in it"))?;
        if OF_THE_CONNECTION.contains(&parsed.as_str()) {
            return Err(refused("it is about the connection, which is the runtime's; leave it out"));
        }
        if parsed == HOST {
            if value.eq_ignore_ascii_case(authority) {
                continue;
            }
            return Err(refused("the host is the one of the address; leave it out"));
        }
        if parsed == CONTENT_LENGTH {
            if *value == length.to_string() {
                continue;
            }
            return Err(refused("the length is that of the body; leave it out"));
        }
        headers.append(parsed, line);
    }
    let host = HeaderValue::from_str(authority)
        .map_err(|_| RequestError::Header { name: "host".to_owned(), problem: "the address has no host" })?;
    headers.insert(HOST, host);
    Ok(headers)
}

/// An address without what may be a secret: names, passwords, and the query.
pub(crate) fn shown(uri: &str) -> String {
    let end = uri.find(['?', '#']).unwrap_or(uri.len());
    let uri = &uri[..end];
    let begin = uri.find("//").map_or(0, |slashes| slashes + 2);
    let authority = uri[begin..].find('/').map_or(uri.len(), |slash| begin + slash);
    match uri[begin..authority].rfind('@') {
        Some(at) => format!("{}{}", &uri[..begin], &uri[begin + at + 1..]),
        None => uri.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(hosts: &[&str]) -> HttpClientGrant {
        let hosts = hosts.iter().map(|host| format!("{host:?}")).collect::<Vec<_>>().join(", ");
        let text = format!(
            "name = \"a\"\ncomponent = \"a\"\nhandlers = [{{ type = \"http-client\", allowed_hosts = [{hosts}] }}]"
        );
        let manifest = theater_core::Manifest::parse("a.toml", &text).unwrap();
        match &manifest.handlers[0].grant {
            theater_core::capability::Grant::HttpClient(grant) => grant.clone(),
            other => panic!("{other:?}"),
        }
    }

    fn check(method: &str, uri: &str, headers: &[(&str, &str)]) -> Result<Request, String> {
        let headers: Vec<_> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let grant = grant(&["Example.org", "example.org:8080", "[::1]:80"]);
        Request::new(method, uri, &headers, Some("body".into()), &grant).map_err(|error| error.to_string())
    }

    #[test]
    fn an_address_is_of_a_host_that_is_allowed_with_its_port() {
        for (uri, authority, target) in [
            ("http://example.org", "example.org", "/"),
            ("https://EXAMPLE.org:443/a?b=c", "example.org", "/a?b=c"),
            ("http://example.org:8080?x", "example.org:8080", "/?x"),
            ("https://example.org:8080/a/../b", "example.org:8080", "/a/../b"),
            ("http://[::1]/", "[::1]", "/"),
        ] {
            let request = check("GET", uri, &[]).unwrap();
            assert_eq!((&*request.authority, &*request.target.to_string()), (authority, target));
        }
        for (uri, problem) in [
            ("https://example.org:80/", "host `example.org:80` is not allowed"),
            ("http://example.org:443/", "host `example.org:443` is not allowed"),
            ("http://example.org.", "host `example.org.` is not allowed"),
            ("http://www.example.org", "is not allowed"),
            ("https://[::1]/", "host `[::1]` is not allowed"),
            ("http://evil.example/?http://example.org", "host `evil.example` is not allowed"),
            ("http://example.org:password@evil.example/", "names and passwords"),
            ("http://me@example.org/", "names and passwords"),
            ("http://example.org:/", "is none"),
            ("http://example.org:99999/", "is none"),
            ("http://example.org\\@evil.example/", "no such form"),
            ("http://example.org/a b", "no such form"),
            ("http://example.org/\r\nx: y", "no such form"),
            ("ftp://example.org/", "must begin with"),
            ("file:///etc/passwd", "no address"),
            ("example.org", "must begin with"),
            ("/a", "must begin with"),
            ("", "no such form"),
            (&format!("http://example.org/{}", "x".repeat(9_000)), "longer than"),
        ] {
            let error = check("GET", uri, &[]).err().unwrap();
            assert!(error.contains(problem) && !error.contains("password@"), "{uri}: {error}");
        }
    }

    #[test]
    fn methods_and_headers_that_would_say_more_than_one_request_are_refused() {
        for method in ["", "get", "CONNECT", "GET /", "GET\r\n", "Ä", &"X".repeat(33)] {
            assert!(
                check(method, "http://example.org", &[]).is_err_and(|error| error.contains("method")),
                "{method}"
            );
        }
        assert!(check("M-SEARCH", "http://example.org", &[]).is_ok());
        for (name, value) in [
            ("a\r\nb", "x"),
            ("a b", "x"),
            ("", "x"),
            ("a:", "x"),
            ("a", "x\r\nb: y"),
            ("a", "x\ny"),
            ("a", "x\0"),
            ("Host", "evil.example"),
            ("content-length", "5"),
            ("Content-Length", "+4"),
            ("Transfer-Encoding", "chunked"),
            ("connection", "upgrade"),
            ("Upgrade", "h2c"),
            ("TE", "trailers"),
            ("proxy-authorization", "x"),
            ("expect", "100-continue"),
        ] {
            let error = check("GET", "http://example.org", &[(name, value)]).err();
            assert!(error.as_ref().is_some_and(|error| error.starts_with("header `")), "{name}: {error:?}");
        }
        let same = [("host", "EXAMPLE.org"), ("Content-Length", "4"), ("x", "1"), ("X", "2")];
        let request = check("POST", "http://example.org", &same).unwrap();
        assert_eq!(request.headers.len(), 3);
        assert_eq!(request.headers[HOST], "example.org");
        let many = vec![("x", "y"); 101];
        assert!(check("GET", "http://example.org", &many).is_err_and(|error| error.contains("at most 100")));
    }

    #[test]
    fn what_is_shown_of_an_address_has_no_password_and_no_query() {
        for (uri, expected) in [
            ("https://me:secret@h/a@b?key=1#x", "https://h/a@b"),
            ("http://h/a?u=x@y", "http://h/a"),
            ("no address @ all", "all"),
            ("h", "h"),
        ] {
            assert_eq!(shown(uri).trim(), expected);
        }
    }
}
