//! Writes a server's JSON anew without reading it into a tree: other white space, the same value.
//!
//! Order, duplicate members and the spelling of numbers stay. What is no JSON or could harm a terminal
//! is rewritten: NaN and Infinity to null, control and bidirectional characters to escapes.

/// How the text is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// On one line, without blanks.
    Line,
    /// Indented by 2, up to a depth no honest message has; what is deeper stays on one line, so that
    /// a message of brackets cannot grow into gigabytes.
    Indented,
}

/// Appends a string literal with everything escaped that must or should be.
pub fn push_string(_out: &mut String, _text: &str) {}
