//! The recorded requests, in files of blocks. A block is what goes over one connection:
//!
//! - `== NAME` begins it; `[…]` at its end says how it is sent and to whom: see [`Block`].
//! - `+ ITEM` below that: the block once for each item, in place of `<item>`.
//! - Then the bytes: each line ends with CRLF, unless a `\` is its last character. `\xNN`, `\0`, `\t`,
//!   `\r`, `\n` and `\\` are bytes, `<TEXT*N>` is a text N times, and `<NAME>` is a [value](Values).
//! - A line that begins with `#` says something to the reader.

use std::collections::BTreeMap;

const FILES: [(&str, &str); 4] = [
    ("good", include_str!("good.http")),
    ("refused", include_str!("refused.http")),
    ("broken", include_str!("broken.http")),
    ("slow", include_str!("slow.http")),
];

/// What is known by name when a block is sent: `host`, `token` (the first access token), `as-admin`
/// (both as header lines), `local` (that token's id), `etag` (the last one of an answer), `made` and
/// `id` (the last access token made), and `length` (of what follows the block's first empty line).
pub(super) type Values = BTreeMap<&'static str, String>;

/// What goes over one connection.
#[derive(Debug, Clone)]
pub(super) struct Block {
    /// File, name and item: unique.
    pub(super) name: String,
    /// To which servers it is sent: `[community, backup]`; without any, to both editions alone.
    pub(super) servers: Vec<&'static str>,
    /// How many answers it gets: `[2 answers]`.
    pub(super) answers: usize,
    /// `[half-closed]`: nothing more will be sent, and the server is told.
    pub(super) is_half_closed: bool,
    /// `[late]`: nothing more is sent, and the connection is read until the server closes it. Such
    /// blocks are sent after all others, side by side.
    pub(super) is_late: bool,
    /// `[any body]`: the body differs from server to server.
    pub(super) is_any_body: bool,
    /// `[names]`: the body's lines end with a figure that does.
    pub(super) is_of_names: bool,
    text: String,
}

/// All blocks of all files.
pub(super) fn blocks() -> Vec<Block> {
    let mut blocks = Vec::new();
    for (file, text) in FILES {
        let is_said = |line: &&str| !line.starts_with('#');
        let text: Vec<&str> = text.lines().filter(is_said).collect();
        let parts = text.split(|line| line.starts_with("== ")).skip(1);
        let titles = text.iter().filter_map(|line| line.strip_prefix("== "));
        for (title, lines) in titles.zip(parts) {
            blocks.extend(Block::read(file, title, lines));
        }
    }
    let names: std::collections::BTreeSet<_> = blocks.iter().map(|block| &block.name).collect();
    assert_eq!(names.len(), blocks.len(), "two blocks have one name");
    blocks
}

impl Block {
    fn read(file: &str, title: &str, lines: &[&str]) -> Vec<Self> {
        let (name, words) = title.split_once(" [").unwrap_or((title, ""));
        let mut block = Self {
            name: format!("{file}: {name}"),
            servers: Vec::new(),
            answers: 1,
            is_half_closed: false,
            is_late: false,
            is_any_body: false,
            is_of_names: false,
            text: String::new(),
        };
        for word in words.trim_end_matches(']').split(", ").filter(|word| !word.is_empty()) {
            block.tell(word);
        }
        if block.servers.is_empty() {
            block.servers = vec!["community", "commercial"];
        }
        let count = lines.iter().take_while(|line| line.starts_with('+')).count();
        let (items, lines) = lines.split_at(count);
        let ended = lines.iter().map(|line| match line.strip_suffix('\\') {
            Some(line) => line.to_owned(),
            None => format!("{line}\\r\\n"),
        });
        block.text = ended.collect();
        if items.is_empty() {
            return vec![block];
        }
        let of_item = |item: &&str| {
            let item = item[1..].strip_prefix(' ').unwrap_or_default();
            let text = block.text.replace("<item>", item);
            Self { name: format!("{}: {item}", block.name), text, ..block.clone() }
        };
        items.iter().map(of_item).collect()
    }

    fn tell(&mut self, word: &str) {
        match word {
            "half-closed" => self.is_half_closed = true,
            "late" => self.is_late = true,
            "any body" => self.is_any_body = true,
            "names" => self.is_of_names = true,
            "community" => self.servers.push("community"),
            "commercial" => self.servers.push("commercial"),
            "backup" => self.servers.push("backup"),
            _ => {
                let count = word.strip_suffix(" answers").and_then(|count| count.parse().ok());
                self.answers = count.unwrap_or_else(|| panic!("{}: [{word}]", self.name));
            }
        }
    }

    /// The bytes to send.
    pub(super) fn bytes(&self, values: &Values) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.expand(&self.text, values, &mut bytes);
        let mark = b"<length>";
        if let Some(at) = bytes.windows(mark.len()).position(|part| part == mark) {
            let end = bytes.windows(4).position(|part| part == b"\r\n\r\n");
            let body = end.map_or(0, |end| bytes.len() - end - 4);
            bytes.splice(at..at + mark.len(), body.to_string().into_bytes());
        }
        bytes
    }

    fn expand(&self, text: &str, values: &Values, bytes: &mut Vec<u8>) {
        let mut rest = text;
        while let Some(at) = rest.find(['\\', '<']) {
            bytes.extend_from_slice(&rest.as_bytes()[..at]);
            rest = &rest[at..];
            rest = if rest.starts_with('\\') {
                self.escaped(rest, bytes)
            } else {
                self.named(rest, values, bytes)
            };
        }
        bytes.extend_from_slice(rest.as_bytes());
    }

    fn escaped<'a>(&self, text: &'a str, bytes: &mut Vec<u8>) -> &'a str {
        let (byte, length) = match text.as_bytes().get(1) {
            Some(b'r') => (b'\r', 2),
            Some(b'n') => (b'\n', 2),
            Some(b't') => (b'\t', 2),
            Some(b'0') => (0, 2),
            Some(b'\\') => (b'\\', 2),
            Some(b'x') => (u8::from_str_radix(&text[2..4], 16).expect("two digits"), 4),
            _ => panic!("{}: {text:.4}", self.name),
        };
        bytes.push(byte);
        &text[length..]
    }

    fn named<'a>(&self, text: &'a str, values: &Values, bytes: &mut Vec<u8>) -> &'a str {
        let end = text.find('>').unwrap_or_else(|| panic!("{}: no >", self.name));
        let (name, rest) = (&text[1..end], &text[end + 1..]);
        let repeated = name.rsplit_once('*');
        let repeated = repeated.and_then(|(text, count)| Some((text, count.parse().ok()?)));
        if let Some((text, count)) = repeated {
            let mut once = Vec::new();
            self.expand(text, values, &mut once);
            bytes.extend_from_slice(&once.repeat(count));
        } else if name == "length" {
            bytes.extend_from_slice(&text.as_bytes()[..=end]);
        } else {
            let value = values.get(name);
            let value = value.unwrap_or_else(|| panic!("{}: <{name}> is not known", self.name));
            bytes.extend_from_slice(value.as_bytes());
        }
        rest
    }
}
