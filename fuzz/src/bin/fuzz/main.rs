//! Runs targets on changed seeds for a while, and keeps what they stumble over.

mod coverage;
mod findings;
mod hunt;

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use neuron_fuzz::memory::{self, Counting};
use neuron_fuzz::{TARGETS, Target, corpus, seeds, trial};

use hunt::Hunt;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Memory at which the process ends, before the machine runs out of it.
const CEILING_BYTES: usize = 4 << 30;

/// Feed damaged bytes to everything that reads files
#[derive(Parser)]
struct Args {
    /// Names of targets; all if none is named
    targets: Vec<String>,
    /// How long each target is run
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Decides which inputs are made
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Run the one target on this file instead, and say what comes of it
    #[arg(long)]
    input: Option<PathBuf>,
    /// Write the seeds that are made by rules
    #[arg(long)]
    write_seeds: bool,
    /// Print the names of the targets
    #[arg(long)]
    list: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    if args.list {
        TARGETS.iter().for_each(|(name, _)| println!("{name}"));
        return ExitCode::SUCCESS;
    }
    if args.write_seeds {
        return write_seeds().map_or_else(
            |error| {
                eprintln!("{error}");
                ExitCode::FAILURE
            },
            |()| ExitCode::SUCCESS,
        );
    }
    let known = |name: &str| TARGETS.iter().find(|(known, _)| *known == name).copied();
    if let Some(unknown) = args.targets.iter().find(|name| known(name).is_none()) {
        eprintln!("there is no target {unknown}; --list names them");
        return ExitCode::from(2);
    }
    let targets: Vec<_> = TARGETS
        .iter()
        .filter(|(name, _)| args.targets.is_empty() || args.targets.iter().any(|target| target == name))
        .copied()
        .collect();
    trial::note_panics();
    memory::set_ceiling(CEILING_BYTES, findings::give_up_on_memory);
    let clean = match &args.input {
        Some(input) => targets.iter().filter(|target| !reproduce(**target, input)).count() == 0,
        None => targets.iter().filter(|target| !hunt(**target, &args)).count() == 0,
    };
    if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Writes what `neuron_fuzz::seeds` makes; pictures come from `corpus/pictures.py`.
fn write_seeds() -> io::Result<()> {
    for (target, name, bytes) in seeds::all() {
        let folder = corpus::folder(target);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(name), bytes)?;
    }
    Ok(())
}

/// Runs a target on one file.
fn reproduce((name, target): (&str, Target), input: &PathBuf) -> bool {
    let bytes = match fs::read(input) {
        Ok(bytes) => bytes,
        Err(error) => {
            eprintln!("{}: {error}", input.display());
            return false;
        }
    };
    match trial::run(target, &bytes) {
        Ok(cost) => println!("{name}: {cost}"),
        Err(fault) => println!("{name}: {fault}"),
    }
    trial::run(target, &bytes).is_ok()
}

/// Runs a target for the wanted time; whether nothing was found.
fn hunt((name, target): (&'static str, Target), args: &Args) -> bool {
    let mut hunt = match Hunt::new(name, target, args.seed) {
        Ok(hunt) => hunt,
        Err(error) => {
            eprintln!("{name}: {error}");
            return false;
        }
    };
    match hunt.run(Duration::from_secs_f64(args.seconds)) {
        Ok(()) => {
            println!("{hunt}");
            hunt.is_clean()
        }
        Err(error) => {
            eprintln!("{name}: {error}");
            false
        }
    }
}
