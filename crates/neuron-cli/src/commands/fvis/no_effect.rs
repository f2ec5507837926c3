//! Flags that were typed and change nothing.

use clap::ValueEnum;
use neuron_fvis::{Aim, FeatureWeighting, Parametrisation};

use super::flags::{Args, MagnitudesFlag, PresetFlag, USUAL_GOAL, USUAL_STEPS};
use super::schedule_flag::ScheduleFlag;

/// A line for the flags that have no effect beside the others, as far as their values tell that they were typed.
pub(super) fn told(args: &Args) -> Vec<String> {
    let objective = args.objective.to_possible_value();
    let objective = objective.as_ref().map_or("", |value| value.get_name());
    let of_preset = args.preset == PresetFlag::Clear;
    let features = [
        ("--layers", args.layers.is_some()),
        ("--layer-weights", args.layer_weights.is_some()),
        ("--nearest-layer", args.nearest_layer > 0.0 && !of_preset),
        ("--method", args.method != FeatureWeighting::default() && !of_preset),
        ("--feat-dist", args.feat_dist != 1.0),
    ];
    let activation = [
        ("--activation-goal", args.activation_goal != USUAL_GOAL && !of_preset),
        ("--specificity", args.specificity > 0.0 && !of_preset),
    ];
    let magnitudes = [("--magnitudes", args.magnitudes == MagnitudesFlag::Falling)];
    let steps = [("--steps", args.steps != USUAL_STEPS)];
    let schedule = args.schedule.to_possible_value();
    let schedule = schedule.as_ref().map_or("", |value| value.get_name());
    let aim = Aim::from(args.objective);
    let cases = [
        (aim == Aim::Activation, &features[..], format!("--objective {objective} matches no features")),
        (
            aim == Aim::Vital && args.activation == 0.0,
            &activation[..],
            "the unit's own activation has no weight (--activation)".to_owned(),
        ),
        (
            args.parametrisation != Parametrisation::Phases,
            &magnitudes[..],
            "only --parametrisation phases keeps magnitudes".to_owned(),
        ),
        (
            args.schedule != ScheduleFlag::Single,
            &steps[..],
            format!("the number of steps is that of --schedule {schedule}"),
        ),
    ];
    let mut told = Vec::new();
    for (applies, flags, because) in cases {
        let typed: Vec<&str> = flags.iter().filter(|(_, typed)| *typed).map(|(flag, _)| *flag).collect();
        if applies && !typed.is_empty() {
            told.push(format!("note: no effect of {}: {because}", typed.join(", ")));
        }
    }
    told
}
