//! What a client is told whose head the parser refuses: the parser itself answers with a bare
//! status, and a client of ours may count on a code.

use super::connection::finish;
use super::head::SentHead;
use super::problem::{Code, Problem};
use super::slow::written;

/// The answer to write instead of the parser's, if `answer` is one of those.
pub(super) fn answer(answer: &[u8], head: &SentHead) -> Option<Vec<u8>> {
    let status = answer.strip_prefix(b"HTTP/1.1 ")?.get(..3)?;
    let code = match status {
        b"400" if head.has_bad_length() => Code::BadLength,
        b"400" => Code::BadRequest,
        b"414" => Code::PathTooLong,
        b"431" => Code::HeadTooLarge,
        _ => return None,
    };
    let problem = Problem::from(code).closing();
    let document = problem.document();
    let mut answer = written(&finish(problem.into_response(), true));
    answer.extend_from_slice(document.as_bytes());
    Some(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BARE: &str = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";

    fn said(bare: &str, sent: &str) -> Option<String> {
        let head = SentHead::default();
        head.note(sent.as_bytes());
        answer(bare.as_bytes(), &head).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn a_bare_status_becomes_a_problem_document_of_its_stated_length() {
        let said = said(BARE, "GET / HTTP/9\r\n\r\n").unwrap();
        let (head, document) = said.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{head}");
        assert!(head.contains(&format!("content-length: {}\r\n", document.len())), "{head}");
        assert!(document.contains("CV-BAD-REQUEST"), "{document}");
        let lines: Vec<_> = head.split("\r\n").collect();
        for line in ["cache-control: no-store", "x-content-type-options: nosniff"] {
            assert!(lines.contains(&line), "{head}");
        }
    }

    #[test]
    fn a_length_that_is_none_is_told_as_that() {
        for lines in ["Content-Length: 1\r\ncontent-length: 2", "Content-Length: -1"] {
            let said = said(BARE, &format!("PUT / HTTP/1.1\r\n{lines}\r\n\r\n")).unwrap();
            assert!(said.contains("CV-BAD-LENGTH"), "{said}");
        }
        let said = said(BARE, "PUT / HTTP/1.1\r\nContent-Length: 1\r\nHo st: a\r\n\r\n").unwrap();
        assert!(said.contains("CV-BAD-REQUEST"), "{said}");
    }

    #[test]
    fn what_the_parser_does_not_refuse_is_left_alone() {
        for other in ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n", "zebra", ""] {
            assert_eq!(said(other, "GET / HTTP/1.1\r\n\r\n"), None, "{other}");
        }
    }
}
