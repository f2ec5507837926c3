//! What an archive of `torch.export` says: the list of its weights, and behind the first line its graph, in a sound archive.

use neuron_import::Format;

use crate::{exported, imported};

pub(super) fn read(bytes: &[u8]) -> bool {
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else { return false };
    let (weights, graph) = bytes.split_at(end);
    let archive = exported::archive(&spelled_out(graph), &spelled_out(weights));
    imported::format(&archive) == Some(Format::Pt2)
}

/// What stands before and after a word, and which bytes are of the word.
type Spelled = (&'static [u8], &'static [u8], fn(u8) -> bool);

/// With `$name` as the tensor of that name, and `%1` as that number: seeds say a lot in few bytes.
fn spelled_out(short: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(4 * short.len());
    let mut rest = short;
    while let [first, behind @ ..] = rest {
        let (before, after, is_of): Spelled = match first {
            b'$' => {
                (b"{\"as_tensor\":{\"name\":\"", b"\"}}", |byte| byte.is_ascii_alphanumeric() || byte == b'_')
            }
            b'%' => (b"{\"as_int\":", b"}", |byte| byte.is_ascii_digit() || byte == b'-'),
            _ => {
                text.push(*first);
                rest = behind;
                continue;
            }
        };
        let end = behind.iter().position(|byte| !is_of(*byte)).unwrap_or(behind.len());
        let (word, behind) = behind.split_at(end);
        [before, word, after].into_iter().for_each(|part| text.extend_from_slice(part));
        rest = behind;
    }
    text
}
