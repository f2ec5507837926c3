//! Where the input that is being run lies, so that it outlives the process; and what was found.

use std::fs::{self, File};
use std::io::{self, Seek, Write};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use neuron_fuzz::{corpus, trial};

/// The input that is being run, in the folder of its target.
const CURRENT: &str = "current";

static FOLDER: Mutex<Option<PathBuf>> = Mutex::new(None);
/// Number of the input that is being run; grows with each.
static RUN: AtomicU64 = AtomicU64::new(0);

/// The findings of one target.
pub(crate) struct Findings {
    folder: PathBuf,
    current: File,
    length: usize,
}

impl Findings {
    /// Begins to keep the inputs of a target, and to watch over the time that each takes.
    pub(crate) fn of(target: &str) -> io::Result<Self> {
        let folder = corpus::home().join("findings").join(target);
        fs::create_dir_all(&folder)?;
        let current = folder.join(CURRENT);
        if current.is_file() {
            let left = folder.join("killed");
            fs::rename(&current, &left)?;
            println!("{target}: an earlier run was ended by {}", left.display());
        }
        *FOLDER.lock().map_err(|_| io::Error::other("a thread panicked"))? = Some(folder.clone());
        Ok(Self { current: File::create(&current)?, folder, length: 0 })
    }

    /// Notes the input that is run next.
    pub(crate) fn begin(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.current.rewind()?;
        self.current.write_all(bytes)?;
        if bytes.len() < self.length {
            self.current.set_len(bytes.len() as u64)?;
        }
        self.length = bytes.len();
        RUN.fetch_add(1, Relaxed);
        Ok(())
    }

    /// Keeps an input under a name.
    pub(crate) fn keep(&self, name: &str, bytes: &[u8]) -> io::Result<PathBuf> {
        let path = self.folder.join(name);
        fs::write(&path, bytes)?;
        Ok(path)
    }
}

impl Drop for Findings {
    fn drop(&mut self) {
        RUN.fetch_add(1, Relaxed);
        // Where it cannot be removed, the next run says that this one was ended.
        let _ = fs::remove_file(self.folder.join(CURRENT));
        // As must be: a folder with findings is not empty.
        let _ = fs::remove_dir(&self.folder);
    }
}

/// Ends the process where an input takes too long; it cannot be stopped otherwise.
pub(crate) fn watch() {
    let mut seen = (0, 0);
    loop {
        std::thread::sleep(Duration::from_secs(1));
        let run = RUN.load(Relaxed);
        seen = if run == seen.0 { (run, seen.1 + 1) } else { (run, 0) };
        // Twice as long as is reported by itself, for what never returns.
        if run > 0 && seen.1 > 2 * trial::LONGEST.as_secs() {
            give_up("endless");
        }
    }
}

/// Ends the process before the machine is out of memory.
pub(crate) fn give_up_on_memory() {
    give_up("memory");
}

fn give_up(kind: &str) {
    if let Ok(folder) = FOLDER.lock()
        && let Some(folder) = &*folder
    {
        let kept = folder.join(kind);
        match fs::rename(folder.join(CURRENT), &kept) {
            Ok(()) => eprintln!("{kind}: {}", kept.display()),
            Err(error) => eprintln!("{kind}: {}: {error}", folder.display()),
        }
    }
    std::process::exit(1);
}
