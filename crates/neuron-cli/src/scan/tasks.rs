//! `neuron plan`: a scan divided among tasks, and what to ask of Slurm for each.

use std::num::NonZeroUsize;

use neuron_model::Network;
use serde_json::{Value, json};

use super::plan::{Costs, Plan, duration};
use crate::command_line::CommandLine;
use crate::numbers::size;
use crate::outcome::Outcome;
use crate::output;
use crate::shard::Shard;

/// Other machines are slower.
const TIME_TO_SPARE: f64 = 2.0;
/// To start, to list the images and to write.
const SECONDS_TO_START: f64 = 600.0;
/// The estimate of memory is of what is large.
const MEMORY_TO_SPARE: f64 = 1.25;

/// The tasks among which a scan would be divided.
#[derive(Clone, Debug)]
pub(crate) struct Tasks {
    pub(crate) count: NonZeroUsize,
    /// The scan as it was typed.
    pub(crate) line: CommandLine,
}

impl Tasks {
    /// Prints what the largest of the tasks takes, and what the merge of all does.
    pub(super) fn print(
        &self,
        plan: &Plan,
        costs: (&Costs, &Costs),
        network: &Network,
        as_json: bool,
    ) -> anyhow::Result<Outcome> {
        output::print(&if as_json {
            self.as_json(plan, costs, network)
        } else {
            self.as_text(plan, costs, network)
        })?;
        Ok(Outcome::Done)
    }

    fn as_json(&self, plan: &Plan, (task, all): (&Costs, &Costs), network: &Network) -> String {
        let ranges = Shard::all(self.count.get()).map(|shard| {
            let range = shard.range(all.images);
            json!({ "shard": shard.to_string(), "first": range.start, "images": range.len() })
        });
        let plan = json!({
            "command": "plan",
            "of": plan.command,
            "tasks": ranges.collect::<Vec<Value>>(),
            "images_per_task": task.images,
            "forwards_per_task": task.forwards,
            "seconds_per_task": task.seconds,
            "memory_bytes_per_task": task.memory_bytes.round(),
            "disk_bytes_per_task": task.list_bytes.round(),
            "merge": { "memory_bytes": merge_bytes(all).round(), "disk_bytes": plan.disk_bytes.round() },
            "measured_with_threads": network.threads(),
            "sbatch": self.request(task, network),
            "notices": plan.notices,
        });
        format!("{plan:#}\n")
    }

    fn as_text(&self, plan: &Plan, (task, all): (&Costs, &Costs), network: &Network) -> String {
        let request: String =
            self.request(task, network).iter().map(|option| format!("#SBATCH {option}\n")).collect();
        format!(
            "tasks       {}, each of {} images at most\nforward     {} passes a task\n\
             memory      about {} a task, {} for the merge\n\
             disk        about {} a task (its shard), {} for the merged results\n\
             time        about {} a task, by what a few images take on this machine with {} threads\n{}\n\
             # of neuron.sbatch in docs/cluster.md; another machine may take longer\n{request}\n\
             sbatch neuron.sbatch {}\n\
             sbatch --dependency=afterok:JOB --mem={} --wrap 'neuron merge RESULTS {}'\n",
            self.count,
            task.images,
            task.forwards,
            size(task.memory_bytes),
            size(merge_bytes(all)),
            size(task.list_bytes),
            size(plan.disk_bytes),
            duration(task.seconds),
            network.threads(),
            plan.notes(),
            self.line.behind_program(),
            slurm_memory(merge_bytes(all)),
            plan.output.display(),
        )
    }

    /// What to ask of Slurm for each task.
    fn request(&self, task: &Costs, network: &Network) -> Vec<String> {
        let mut request = vec![
            format!("--array=0-{}", self.count.get() - 1),
            format!("--cpus-per-task={}", network.threads()),
            format!("--mem={}", slurm_memory(task.memory_bytes)),
            format!("--time={}", slurm_time(TIME_TO_SPARE * task.seconds + SECONDS_TO_START)),
        ];
        match network.device().gpus() {
            0 => {}
            gpus => request.push(format!("--gres=gpu:{gpus}")),
        }
        request
    }
}

/// The lists of all, those of the shard that is joined to them, and what they are written from.
fn merge_bytes(all: &Costs) -> f64 {
    2.0 * all.list_bytes + 300e6
}

/// Whole gigabytes, as Slurm reads them.
fn slurm_memory(bytes: f64) -> String {
    format!("{}G", (MEMORY_TO_SPARE * bytes / 1e9).ceil().max(1.0))
}

/// Whole minutes, as Slurm reads them: `[days-]hours:minutes:seconds`.
fn slurm_time(seconds: f64) -> String {
    let minutes = (seconds / 60.0).ceil() as u64;
    let (days, hours, minutes) = (minutes / 1440, minutes / 60 % 24, minutes % 60);
    let days = if days == 0 { String::new() } else { format!("{days}-") };
    format!("{days}{hours:02}:{minutes:02}:00")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slurm_is_asked_for_whole_minutes_and_size() {
        assert_eq!(slurm_time(1.0), "00:01:00");
        assert_eq!(slurm_time(600.0), "00:10:00");
        assert_eq!(slurm_time(86_400.0 + 3661.0), "1-01:02:00");
        assert_eq!((slurm_memory(3e8), slurm_memory(1e9)), ("1G".to_owned(), "2G".to_owned()));
    }
}
