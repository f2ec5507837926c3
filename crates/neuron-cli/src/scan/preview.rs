//! A scan that is not run: what it would do and cost.

use std::time::Instant;

use neuron_model::Network;

use super::plan::Plan;
use super::run::Scan;
use crate::outcome::Outcome;
use crate::{memory, output, shard};

/// Images of the data set that are decoded to estimate how long all will take.
const DECODED: usize = 32;

impl Scan<'_> {
    /// Prints what the scan would do and cost, as JSON if asked, and divided among tasks if asked.
    pub(crate) fn print_plan(&self, mut plan: Plan, network: &Network) -> anyhow::Result<Outcome> {
        let seconds_to_load = self.seconds_to_load()?;
        let costs = |images: usize| plan.costs(network, images, seconds_to_load);
        let all = self.dataset.len();
        if let Some(tasks) = &self.flags.tasks {
            let (task, all) = (costs(all.div_ceil(tasks.count.get())), costs(all));
            plan.notices.extend(memory::doubt(task.memory_bytes));
            return tasks.print(&plan, (&task, &all), network, self.global.json);
        }
        let costs = costs(shard::range_of(self.shard, all).len());
        plan.notices.extend(memory::doubt(costs.memory_bytes));
        let start = self.preview()?;
        let text = if self.global.json { plan.as_json(&costs, &start) } else { plan.as_text(&costs, &start) };
        output::print(&text)?;
        Ok(Outcome::Done)
    }

    /// Seconds until an image is decoded, on all threads, by the time that some of the data set take.
    fn seconds_to_load(&self) -> anyhow::Result<f64> {
        let (images, few) = (self.dataset.len(), self.dataset.len().min(DECODED));
        let spread: Vec<usize> = (0..few).map(|at| at * images / few).collect();
        let started = Instant::now();
        self.loader(spread)?.for_each(drop);
        Ok(started.elapsed().as_secs_f64() / few.max(1) as f64)
    }
}
