use std::fmt::Display;
use std::num::NonZeroUsize;

use crate::command_line::CommandLine;
use crate::global::{self, Global};
use crate::numbers::count;
use crate::outcome::{Outcome, WrongUsage};
use crate::program::Program;
use crate::scan::Tasks;

/// Plan a scan that is divided among tasks
///
/// Says what each of N tasks takes that divide a scan among themselves with --shard: images, time, memory and disk, and
/// what to ask of Slurm for them. The time is measured with a few images, on this machine. Nothing is written.
#[derive(Debug, clap::Args)]
#[command(args = global::hidden_except(&["json"]))]
#[command(after_help = "Example:
  neuron plan --shards 8 -- select-images --data imagenet --layer layer4 --out shards")]
pub(crate) struct Args {
    /// Number of tasks
    #[arg(long, value_name = "N", value_parser = count)]
    shards: NonZeroUsize,
    /// The scan: a command line of select-images, extract-patches or baseline, without --shard
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    scan: Vec<String>,
}

pub(crate) fn run(args: &Args, global: &Global, program: &Program) -> anyhow::Result<Outcome> {
    let (command, flags) = args.scan.split_first().expect("the command line requires a word");
    let line = flags.iter().fold(CommandLine::new(command), |line, flag| line.word(flag));
    (program.plan)(Tasks { count: args.shards, line }, global.json)
}

/// What is wrong about the scan.
pub(crate) fn wrong_scan(told: impl Display) -> WrongUsage {
    let told = told.to_string();
    WrongUsage(format!("the scan to be planned: {}", told.trim_start_matches("error: ").trim_end()))
}

/// There is none.
pub(crate) fn no_scan() -> WrongUsage {
    let message = "plan divides scans: name the command line of select-images, extract-patches or baseline, such as \
                   neuron plan --shards 8 -- select-images --data DIR";
    WrongUsage(message.to_owned())
}
