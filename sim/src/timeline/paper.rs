//! Writes SVG: every text is escaped here, and nowhere else.

use std::fmt::Write as _;

use super::look::STYLE;

/// A picture that is being written.
pub(super) struct Paper {
    out: String,
}

impl Paper {
    pub(super) fn new(width: f64, height: f64, title: &str) -> Self {
        let title = escape(title);
        let mut out = String::new();
        let _ = writeln!(
            out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
             viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\">\n<title>{title}</title>\n\
             <style>{STYLE}</style>\n<defs>\n\
             <marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" \
             markerHeight=\"7\" orient=\"auto\"><path class=\"tip\" d=\"M0 1L8 4L0 7z\"/></marker>\n\
             <marker id=\"small-tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"6\" \
             markerHeight=\"6\" orient=\"auto\"><path class=\"small-tip\" d=\"M0 1L8 4L0 7z\"/></marker>\n\
             <pattern id=\"hatch\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" \
             patternTransform=\"rotate(45)\"><rect class=\"hatched\" width=\"3\" height=\"6\"/></pattern>\n\
             </defs>\n<rect class=\"paper\" width=\"100%\" height=\"100%\"/>"
        );
        Self { out }
    }

    pub(super) fn rect(&mut self, class: &str, at: [f64; 4], tip: &str) {
        let [x, y, width, height] = at;
        let (width, height) = (width.max(0.0), height.max(0.0));
        let _ = write!(
            self.out,
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\""
        );
        self.end("rect", tip);
    }

    pub(super) fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64), tip: &str) {
        let ((x, y), (right, low)) = (from, to);
        let _ =
            write!(self.out, "<path class=\"{class}\" d=\"M{x:.1} {y:.1}L{right:.1} {low:.1}\"");
        self.end("path", tip);
    }

    pub(super) fn path(&mut self, class: &str, steps: &str) {
        let _ = writeln!(self.out, "<path class=\"{class}\" d=\"{steps}\"/>");
    }

    pub(super) fn dot(&mut self, class: &str, at: (f64, f64), radius: f64, tip: &str) {
        let (x, y) = at;
        let _ = write!(
            self.out,
            "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\""
        );
        self.end("circle", tip);
    }

    pub(super) fn text(&mut self, class: &str, at: (f64, f64), text: &str) {
        let ((x, y), text) = (at, escape(text));
        let _ =
            writeln!(self.out, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{text}</text>");
    }

    /// A number in a circle.
    pub(super) fn badge(&mut self, class: &str, at: (f64, f64), number: usize, tip: &str) {
        self.dot(class, at, 7.5, tip);
        self.text("number", (at.0, at.1 + 3.2), &number.to_string());
    }

    pub(super) fn finish(mut self) -> String {
        self.out.push_str("</svg>\n");
        self.out
    }

    fn end(&mut self, element: &str, tip: &str) {
        let _ = match tip {
            "" => writeln!(self.out, "/>"),
            tip => writeln!(self.out, "><title>{}</title></{element}>", escape(tip)),
        };
    }
}

/// Text that means itself in XML; what XML cannot hold is a space.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\u{FFFE}' | '\u{FFFF}' => out.push(' '),
            char if char.is_control() => out.push(' '),
            char => out.push(char),
        }
    }
    out
}

/// Text in lines of at most so many letters; the last one says if there was more.
pub(super) fn wrapped(text: &str, letters: usize, lines_max: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= letters => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.chars().take(letters).collect()),
        }
    }
    if lines.len() > lines_max {
        lines.truncate(lines_max);
        lines.iter_mut().skip(lines_max - 1).for_each(|line| line.push_str(" …"));
    }
    lines
}
