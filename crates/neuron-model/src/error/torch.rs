//! What can be wrong with a torch checkpoint.

/// What can be wrong with a torch checkpoint.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TorchError {
    /// The zip archive around the checkpoint is damaged or cut short.
    #[error("its zip archive is damaged or truncated; fetch it again")]
    Zip {
        /// What is wrong with the archive.
        source: zip::result::ZipError,
    },
    /// An entry of the archive does not match its checksum.
    #[error("its entry {entry} is damaged; fetch it again")]
    DamagedEntry {
        /// The entry of the archive.
        entry: String,
        /// What the check found.
        source: std::io::Error,
    },
    /// torch stores its entries as they are, zip deflates them; this one was packed in another way.
    #[error(
        "its entry {entry} is encrypted, or packed by another method than deflate; \
         save it again with torch.save, or unpack it and pack it with `zip -0`"
    )]
    Compressed {
        /// The entry of the archive.
        entry: String,
    },
    /// Little that pretends to be much.
    #[error("its entries are packed to less than 1/{limit} of their size; save it again with torch.save")]
    Unpacked {
        /// How many times the size of the file is accepted.
        limit: usize,
    },
    /// The entries of the archive together are longer than the file: they overlap.
    #[error("the entries of its zip archive overlap")]
    Overlap,
    /// A zip archive, but not one of torch.save.
    #[error("it is {what}")]
    NoPickle {
        /// What it seems to be.
        what: &'static str,
    },
    /// A program that torch.jit.save wrote.
    #[error(
        "it is a TorchScript program (torch.jit.save), of which only torch can take the tensors: \
         torch.save(torch.jit.load(file).state_dict(), other_file)"
    )]
    TorchScript,
    /// A program that torch.export.save wrote.
    #[error(
        "it is a program of torch.export (.pt2), of which only torch can take the tensors: \
         torch.save(torch.export.load(file).state_dict, other_file)"
    )]
    Exported,
    /// A pickle, but not one of torch.
    #[error("it is a Python pickle that torch.save did not write")]
    NotTorch,
    /// The numbers are stored with the most significant byte first.
    #[error("it was written on a big-endian machine; save it again on a little-endian one")]
    BigEndian,
    /// The data ends in the middle of something.
    #[error("it ends too early: it is truncated; fetch it again")]
    Truncated,
    /// An operation of the pickle language that no state_dict needs.
    #[error("its pickle uses the operation 0x{opcode:02x} at byte {offset}, which no state_dict needs")]
    UnknownOpcode {
        /// The operation's code.
        opcode: u8,
        /// Where in the pickle it stands.
        offset: usize,
    },
    /// The pickle contradicts itself.
    #[error("its pickle is damaged at byte {offset}: {problem}")]
    Malformed {
        /// What does not hold.
        problem: &'static str,
        /// Where in the pickle.
        offset: usize,
    },
    /// The pickle asks for something that runs code in Python; here it was not run.
    #[error(
        "it asks for the Python object {global}, which runs whatever it is told when torch loads the file \
         (nothing was run here); do not trust this file"
    )]
    UnknownGlobal {
        /// `module.name`, with control characters escaped.
        global: String,
    },
    /// More of something than any network needs.
    #[error("it holds more than {limit} {things}, more than any network needs")]
    TooMany {
        /// What there is too much of.
        things: &'static str,
        /// How many are accepted.
        limit: usize,
    },
    /// Views of few numbers that pretend to be many.
    #[error("its tensors together are more than {limit} times as large as the file")]
    Inflated {
        /// How many times the size of the file is accepted.
        limit: usize,
    },
    /// A whole network, whose tensors only its own program can name.
    #[error(
        "it holds a whole module ({class}) instead of a state_dict; in Python, where its class is known, save the \
         tensors alone: torch.save(model.state_dict(), file)"
    )]
    WholeModule {
        /// `module.name` of the class, with control characters escaped.
        class: String,
    },
    /// What an optimiser remembers, without the network.
    #[error("it holds an optimizer's state and no network; save model.state_dict() instead")]
    OptimizerOnly,
    /// The outermost object is not a dictionary.
    #[error(
        "it holds {found} instead of a state_dict; save the tensors alone: torch.save(model.state_dict(), file)"
    )]
    NotADictionary {
        /// What it holds.
        found: String,
    },
    /// Dictionaries without tensors by name.
    #[error("it holds no floating-point tensors by name; it holds {keys}")]
    NoTensors {
        /// The names it holds instead.
        keys: String,
    },
    /// Numbers by name, none of a kind that is read.
    #[error(
        "it holds no tensors of 16, 32 or 64 bit floating-point numbers ({name} is {found}); in Python, save such: \
         torch.save({{name: torch.as_tensor(value).float() for name, value in state_dict.items()}}, file)"
    )]
    UnreadNumbers {
        /// One of the names.
        name: String,
        /// What it names.
        found: String,
    },
    /// A tensor's numbers are not in the file.
    #[error("the numbers of tensor {tensor} are not in the file (storage {storage}); it is truncated")]
    MissingStorage {
        /// The tensor.
        tensor: String,
        /// The key of its storage.
        storage: String,
    },
    /// A tensor reaches beyond the end of its storage.
    #[error("tensor {tensor} reaches beyond the end of its storage; the file is damaged")]
    OutOfStorage {
        /// The tensor.
        tensor: String,
    },
}
