//! The steps of a picture, as the flags of `fvis` say them.

use neuron_fvis::{Preset, Schedule};
use serde_json::Value;

use crate::command_line::CommandLine;

/// A line with the flags that make the recorded schedule again, and its jitter.
pub(super) fn with_schedule(line: CommandLine, recorded: &Value) -> CommandLine {
    let phases = recorded.get("phases").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let numbers = |phase: &Value| {
        let number = |key: &str| usize::try_from(phase.get(key)?.as_u64()?).ok();
        Some([number("pooling")?, number("steps")?, number("jitter_px")?])
    };
    let Some(phases) = phases.iter().map(numbers).collect::<Option<Vec<_>>>() else { return line };
    let steps: usize = phases.iter().map(|[_, steps, _]| steps).sum();
    // A phase has the whole jitter divided by the side of its squares, rounded down: the largest product is one that gives
    // the same quotients again.
    let Some(jitter_px) = phases.iter().map(|[side, _, jitter_px]| side * jitter_px).max() else {
        return line;
    };

    let is = |preset| {
        let preset = Schedule::preset(preset, steps, jitter_px).ok();
        preset.and_then(|preset| serde_json::to_value(preset).ok()).as_ref() == Some(recorded)
    };
    let line = if is(Preset::Single) {
        line.flag("--schedule", "single").flag("--steps", &steps.to_string())
    } else if is(Preset::CoarseToFine) {
        line.flag("--schedule", "coarse-to-fine")
    } else if is(Preset::Unclamped) {
        line.flag("--schedule", "unclamped")
    } else {
        let typed: Vec<String> = phases.iter().map(|[side, steps, _]| format!("{side}:{steps}")).collect();
        line.flag("--phases", &typed.join(","))
    };
    line.flag("--jitter", &jitter_px.to_string())
}
