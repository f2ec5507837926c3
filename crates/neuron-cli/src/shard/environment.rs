//! Which task of how many this process is, as schedulers tell it by environment variables.

use super::{Shard, ShardError};

/// The number of a task of a Slurm array job.
pub(super) const SLURM_TASK: &str = "SLURM_ARRAY_TASK_ID";
const SLURM_COUNT: &str = "SLURM_ARRAY_TASK_COUNT";
const SLURM_FIRST: &str = "SLURM_ARRAY_TASK_MIN";
const SLURM_LAST: &str = "SLURM_ARRAY_TASK_MAX";
/// The number of a task of a Kubernetes Indexed Job, from 0.
pub(super) const KUBERNETES_TASK: &str = "JOB_COMPLETION_INDEX";

/// The part of this task; `count` is how many there are, if the user says it.
pub(super) fn shard(
    variable: impl Fn(&str) -> Option<String>,
    count: Option<usize>,
) -> Result<Shard, ShardError> {
    let variables = Variables(&variable);
    match (variable(SLURM_TASK), variable(KUBERNETES_TASK)) {
        (None, None) => Err(ShardError::NoScheduler),
        (Some(_), Some(_)) => Err(ShardError::TwoSchedulers),
        (Some(_), None) => slurm(&variables, count),
        (None, Some(_)) => kubernetes(&variables, count),
    }
}

/// The position between the lowest and the highest number of the array's tasks: users number them as they like (0-7,
/// 1-8); without the lowest number, from 0.
fn slurm(variables: &Variables<'_>, count: Option<usize>) -> Result<Shard, ShardError> {
    let tasks = variables.number(SLURM_COUNT)?.ok_or(ShardError::Unset { name: SLURM_COUNT })?;
    let id = variables.number(SLURM_TASK)?.unwrap_or_default();
    let first = variables.number(SLURM_FIRST)?.unwrap_or(0);
    // An array of some tasks only, such as --array=3,7, would take parts that are others' for its own.
    if let Some(last) = variables.number(SLURM_LAST)?
        && last.checked_sub(first).and_then(|steps| steps.checked_add(1)) != Some(tasks)
    {
        return Err(ShardError::Gaps { tasks, first, last });
    }
    match count {
        Some(count) if count != tasks => Err(ShardError::OtherCount { tasks, count }),
        _ => Shard::new(id.saturating_add(1).saturating_sub(first), tasks),
    }
}

fn kubernetes(variables: &Variables<'_>, count: Option<usize>) -> Result<Shard, ShardError> {
    let index = variables.number(KUBERNETES_TASK)?.unwrap_or_default();
    Shard::new(index.saturating_add(1), count.ok_or(ShardError::NoCount)?)
}

/// An environment.
struct Variables<'a>(&'a dyn Fn(&str) -> Option<String>);

impl Variables<'_> {
    fn number(&self, name: &'static str) -> Result<Option<usize>, ShardError> {
        let Some(value) = (self.0)(name) else { return Ok(None) };
        let number = value.parse();
        number.map(Some).map_err(|_| ShardError::NotANumber { name, value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told in an environment of `NAME=value` words.
    fn told(environment: &str, count: Option<usize>) -> Result<Shard, ShardError> {
        let words: Vec<(&str, &str)> =
            environment.split_whitespace().map(|word| word.split_once('=').unwrap()).collect();
        let variable = |name: &str| words.iter().find(|(known, _)| *known == name);
        shard(|name| variable(name).map(|(_, value)| (*value).to_owned()), count)
    }

    /// A task of a Slurm array.
    fn array(id: &str, count: &str, first: &str, last: &str) -> String {
        format!("{SLURM_TASK}={id} {SLURM_COUNT}={count} {SLURM_FIRST}={first} {SLURM_LAST}={last}")
    }

    #[test]
    fn slurm_tasks_are_shards_wherever_their_numbers_start() {
        let third = Ok(Shard { index: 3, count: 4 });
        assert_eq!(told(&format!("{SLURM_TASK}=2 {SLURM_COUNT}=4"), None), third);
        for (id, first, last) in [("2", "0", "3"), ("3", "1", "4"), ("12", "10", "13")] {
            assert_eq!(told(&array(id, "4", first, last), None), third);
            assert_eq!(told(&array(id, "4", first, last), Some(4)), third);
        }
        assert_eq!(told(&array("9", "4", "1", "4"), None), Err(ShardError::None { index: 9, count: 4 }));
    }

    #[test]
    fn a_part_of_an_array_is_not_taken_for_the_whole() {
        let gaps = Err(ShardError::Gaps { tasks: 2, first: 3, last: 7 });
        assert_eq!(told(&array("3", "2", "3", "7"), None), gaps);
        let other = Err(ShardError::OtherCount { tasks: 1, count: 4 });
        assert_eq!(told(&array("3", "1", "3", "3"), Some(4)), other);
        assert_eq!(told(&format!("{SLURM_TASK}=2"), Some(4)), Err(ShardError::Unset { name: SLURM_COUNT }));
    }

    #[test]
    fn kubernetes_counts_from_zero_and_leaves_the_number_of_tasks_to_the_flag() {
        assert_eq!(told("JOB_COMPLETION_INDEX=0", Some(4)), Ok(Shard { index: 1, count: 4 }));
        assert_eq!(told("JOB_COMPLETION_INDEX=3", Some(4)), Ok(Shard { index: 4, count: 4 }));
        assert_eq!(told("JOB_COMPLETION_INDEX=3", None), Err(ShardError::NoCount));
        assert_eq!(told("JOB_COMPLETION_INDEX=4", Some(4)), Err(ShardError::None { index: 5, count: 4 }));
    }

    #[test]
    fn one_scheduler_says_it_with_numbers() {
        assert_eq!(told("", Some(4)), Err(ShardError::NoScheduler));
        let both = format!("{} JOB_COMPLETION_INDEX=0", array("0", "4", "0", "3"));
        assert_eq!(told(&both, Some(4)), Err(ShardError::TwoSchedulers));
        for wrong in ["JOB_COMPLETION_INDEX=", "JOB_COMPLETION_INDEX=x", "JOB_COMPLETION_INDEX=-1"] {
            assert!(matches!(told(wrong, Some(4)), Err(ShardError::NotANumber { .. })), "{wrong}");
        }
        let text = ShardError::NoScheduler.to_string();
        assert!(text.contains(SLURM_TASK) && text.contains(KUBERNETES_TASK) && text.contains("--shard I/N"));
    }
}
