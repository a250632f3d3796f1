//! The frames of a server, below tungstenite.

use crate::proto::fragments::Fragmenter;
use crate::proto::frames::{Frames, InvalidText};

/// Bound on a message, so that some frames are beyond it.
const MAX_MESSAGE: usize = 1 << 18;

/// Reads a stream of frames. The first byte chooses the reader and the length of the pieces. The result does not depend
/// on the pieces in which the stream arrives.
pub fn run(data: &[u8]) {
    let [choice, stream @ ..] = data else { return };
    let piece = 1 + usize::from(choice >> 1);
    let lossy = choice & 1 != 0;
    let (whole, invalid) = passed(stream, stream.len().max(1), lossy);
    let (pieces, same) = passed(stream, piece, lossy);
    assert_eq!(same, invalid);
    // The beginning of a character that turns out to be none may have been passed on.
    assert!(pieces.starts_with(&whole) && pieces.len() <= whole.len() + if invalid.is_some() { 3 } else { 0 });
    assert!(whole.len() <= stream.len() && !(lossy && invalid.is_some()));
    let divided = divided(stream, stream.len().max(1), 1 << 16);
    assert_eq!(self::divided(stream, piece, 7), divided);
    // A head in place of one of two bytes at least, and one for each part.
    assert!(divided.len() <= 5 * stream.len() + 20, "{} from {}", divided.len(), stream.len());
}

/// Returns what is passed on of a stream that arrives in pieces, and the place that is not UTF-8.
fn passed(stream: &[u8], piece: usize, lossy: bool) -> (Vec<u8>, Option<InvalidText>) {
    let (mut frames, mut passed) = (Frames::new(lossy), Vec::new());
    for piece in stream.chunks(piece) {
        let mut bytes = piece.to_vec();
        let len = frames.take(&mut bytes);
        assert!(len == bytes.len() || frames.invalid().is_some());
        passed.extend_from_slice(&bytes[..len]);
    }
    (passed, frames.invalid())
}

/// Returns a stream, which arrives in pieces, with its long frames divided, through a buffer of this length.
fn divided(stream: &[u8], piece: usize, buffer: usize) -> Vec<u8> {
    let (mut fragmenter, mut out) = (Fragmenter::new(MAX_MESSAGE, None), Vec::new());
    let mut buffer = vec![0; buffer];
    for mut piece in stream.chunks(piece) {
        loop {
            let (taken, written) = fragmenter.copy(piece, &mut buffer);
            out.extend_from_slice(&buffer[..written]);
            piece = &piece[taken..];
            assert!(taken + written > 0 || piece.is_empty(), "no progress");
            if taken + written == 0 {
                break;
            }
        }
    }
    out
}
