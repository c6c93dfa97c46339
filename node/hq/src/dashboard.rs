//! The dashboard's files, as they are built into the program.

use clavitor_node::http::{Response, ResponseBody};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

/// What a browser may do on HQ's pages: run and show what HQ itself serves, and ask HQ alone.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);

const HEADERS: [(HeaderName, HeaderValue); 7] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static("camera=(), geolocation=(), microphone=()"),
    ),
];

/// One file.
#[derive(Debug)]
pub(crate) struct File {
    name: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
    digest: u64,
}

macro_rules! files {
    ($($name:literal: $kind:expr,)*) => {
        &[$({
            const BYTES: &[u8] = include_bytes!(concat!("../dashboard/", $name));
            File { name: $name, kind: $kind, bytes: BYTES, digest: digest(BYTES) }
        },)*]
    };
}

const HTML: &str = "text/html; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

static FILES: &[File] = files! {
    "index.html": HTML,
    "login.html": HTML,
    "app.css": STYLE,
    "api.js": SCRIPT,
    "app.js": SCRIPT,
    "dom.js": SCRIPT,
    "login.js": SCRIPT,
    "overview.js": SCRIPT,
    "stories.js": SCRIPT,
    "switchover.js": SCRIPT,
    "timeline.js": SCRIPT,
    "words.js": SCRIPT,
};

/// The page that shows everything.
pub(crate) const INDEX: &str = "index.html";

/// The page that asks for the admin token.
pub(crate) const LOGIN: &str = "login.html";

/// A file of this name.
pub(crate) fn file(name: &str) -> Option<&'static File> {
    FILES.iter().find(|file| file.name == name)
}

impl File {
    /// Whether it is shown under its own name: pages have names of their own.
    pub(crate) fn is_part(&self) -> bool {
        self.kind != HTML
    }

    /// The file; or that it is what the browser has.
    pub(crate) fn response(&self, request: &HeaderMap) -> Response {
        let tag = format!("\"{:016x}\"", self.digest);
        let known = request.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
        let is_known = known.is_some_and(|known| known.split(',').any(|one| one.trim() == tag));
        let body = if is_known { &[][..] } else { self.bytes };
        let mut response = Response::new(ResponseBody::from(body));
        if is_known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        }
        response.headers_mut().extend(HEADERS);
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(self.kind));
        if let Ok(tag) = HeaderValue::try_from(tag) {
            response.headers_mut().insert(header::ETAG, tag);
        }
        response
    }
}

/// Tells one version of a file from another: FNV-1a.
const fn digest(bytes: &[u8]) -> u64 {
    let (mut digest, mut at) = (0xcbf2_9ce4_8422_2325u64, 0);
    while at < bytes.len() {
        digest = (digest ^ bytes[at] as u64).wrapping_mul(0x0000_0100_0000_01b3);
        at += 1;
    }
    digest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_dashboard_is_served() {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/dashboard");
        let mut there: Vec<String> = std::fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        let mut served: Vec<&str> = FILES.iter().map(|file| file.name).collect();
        there.sort_unstable();
        served.sort_unstable();
        assert_eq!(served, there);
    }

    #[test]
    fn pages_name_nothing_but_what_is_served_and_nothing_stands_in_them() {
        for page in [INDEX, LOGIN] {
            let text = str::from_utf8(file(page).unwrap().bytes).unwrap();
            for attribute in ["src=\"", "href=\"/"] {
                for name in text.split(attribute).skip(1) {
                    let name = name.split('"').next().unwrap().trim_start_matches('/');
                    assert!(file(name).is_some_and(File::is_part), "{page}: {name}");
                }
            }
            for inline in ["<style", " style=", " onclick=", "<script>", "javascript:"] {
                assert!(!text.contains(inline), "{page}: {inline}");
            }
        }
    }

    #[test]
    fn a_browser_that_has_it_is_told_so() {
        let file = file("app.js").unwrap();
        let first = file.response(&HeaderMap::new());
        assert_eq!(first.status(), StatusCode::OK);
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_NONE_MATCH, first.headers()[header::ETAG].clone());
        assert_eq!(file.response(&headers).status(), StatusCode::NOT_MODIFIED);
        headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static("\"0\""));
        assert_eq!(file.response(&headers).status(), StatusCode::OK);
    }
}
