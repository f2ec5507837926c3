//! What the flags say of the pictures.

use std::collections::BTreeMap;

use neuron_data::Preprocessing;
use neuron_fvis::{
    ActivationTerm, Aim, FeatureWeighting, FvisError, ImagePriors, LayerWeights, Parametrisation, Settings,
    Transforms,
};
use neuron_model::{Network, PixelRange, Tap};

use super::flags::{Args, ObjectiveFlag};
use super::schedule;
use crate::global::Global;
use crate::outcome::WrongUsage;

/// What the flags say of the pictures.
pub(super) fn settings(
    args: &Args,
    global: &Global,
    preprocessing: &Preprocessing,
) -> anyhow::Result<Settings> {
    let schedule = schedule::of(args)?;
    Ok(Settings {
        method: weighting(args.method, global),
        layer_weights: layer_weights(args.layers.as_deref(), args.layer_weights.clone().unwrap_or_default())?,
        feature_weight: args.feat_dist,
        priors: ImagePriors { tv_l1: args.tv_l1, tv_l2: args.tv_l2, l2: args.l2 },
        schedule,
        aim: args.objective.into(),
        activation: activation_term(args),
        parametrisation: args.parametrisation,
        transforms: Transforms { scale: args.scale, rotation_deg: args.rotation },
        learning_rate: args.lr.unwrap_or_else(|| usual_learning_rate(args.parametrisation)),
        start_from: args.start.made(),
        mirror: args.do_flip,
        seed: args.seed,
        copies: args.copies.get(),
        size: (preprocessing.crop, preprocessing.crop),
        pixels: PixelRange::normalised(preprocessing.mean, preprocessing.std),
        ..Settings::default()
    })
}

/// How features are weighed: as the published code does, where that is asked for.
pub(super) fn weighting(method: FeatureWeighting, global: &Global) -> FeatureWeighting {
    if global.reference_compat { method.published() } else { method }
}

/// What the unit's own activation counts. A goal of a term that is not there is none.
fn activation_term(args: &Args) -> ActivationTerm {
    let counts = args.activation > 0.0 || Aim::from(args.objective) == Aim::Activation;
    let goal = (counts && args.activation_goal.is_finite()).then_some(args.activation_goal);
    let specificity = if counts { args.specificity } else { 0.0 };
    ActivationTerm { weight: args.activation, goal, specificity }
}

/// How far a step goes: in the network's units, or in those of what the picture is made of.
fn usual_learning_rate(parametrisation: Parametrisation) -> f64 {
    match parametrisation {
        Parametrisation::Pixels => 1.0,
        Parametrisation::Spectrum | Parametrisation::Pyramid | Parametrisation::Phases => 0.1,
    }
}

/// The weights that `--layers` and `--layer-weights` give together.
fn layer_weights(layers: Option<&str>, weights: LayerWeights) -> Result<LayerWeights, WrongUsage> {
    let Some(layers) = layers else { return Ok(weights) };
    let layers: Vec<&str> = layers.split(',').map(str::trim).collect();
    let weights = match weights {
        LayerWeights::Usual => vec![1.0; layers.len()],
        LayerWeights::InOrder(weights) => weights,
        LayerWeights::Named(_) => {
            let message = "--layers names layers, and so does --layer-weights: give --layer-weights numbers, in the order \
                           of --layers, or leave --layers out";
            return Err(WrongUsage(message.to_owned()));
        }
    };
    if weights.len() != layers.len() {
        let (numbers, named) = (weights.len(), layers.len());
        let message = format!(
            "--layer-weights has {numbers} numbers, and --layers names {named} layers: give one number for each, or leave \
             --layer-weights out to weigh all by 1"
        );
        return Err(WrongUsage(message));
    }
    let mut named = BTreeMap::new();
    for (layer, weight) in layers.into_iter().zip(weights) {
        if named.insert(layer.to_owned(), weight).is_some() {
            return Err(WrongUsage(format!("--layers names {layer} twice")));
        }
    }
    Ok(LayerWeights::Named(named))
}

/// Settings whose layers are by name those that are matched, with that nearest to the units where it counts.
pub(super) fn with_matched_layers(
    settings: Settings,
    args: &Args,
    (network, target): (&Network, &Tap),
) -> Result<Settings, FvisError> {
    // Where no features are matched, a layer more would only make the record of the same picture another.
    let nearest = if settings.aim == Aim::Activation { 0.0 } else { args.nearest_layer };
    let (layer_weights, plain_layer) =
        settings.layer_weights.with_nearest(network, target, (nearest, settings.size))?;
    Ok(Settings { layer_weights, plain_layer, ..settings })
}

/// Refuses layers of `--layers` that have no features for a unit of `target`.
pub(super) fn check_layers(args: &Args, network: &Network, target: &Tap) -> anyhow::Result<()> {
    for layer in args.layers.iter().flat_map(|layers| layers.split(',')) {
        let tap = network.tap(layer)?;
        if !network.graph().is_strictly_below(&tap, target) {
            let message = format!(
                "--layers: {} is not below {}, and the unit does not depend on it: name layers below the unit's",
                tap.name, target.name
            );
            return Err(WrongUsage(message).into());
        }
    }
    Ok(())
}

/// Refuses to accentuate nothing.
pub(super) fn check_accentuated(args: &Args) -> Result<(), WrongUsage> {
    if args.objective == ObjectiveFlag::Accentuation && args.start.file().is_none() {
        let message = "--objective accentuation changes a picture that you give: name it with --start FILE";
        return Err(WrongUsage(message.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_and_their_weights_go_together() {
        let named = |layers: &str, weights: &str| {
            let weights = if weights.is_empty() { LayerWeights::Usual } else { weights.parse().unwrap() };
            layer_weights(Some(layers), weights).map_err(|error| error.to_string())
        };
        assert_eq!(named("layer2, conv1", "1,0.5"), Ok("conv1=0.5,layer2=1".parse().unwrap()));
        assert_eq!(named("layer2", ""), Ok("layer2=1".parse().unwrap()));
        for (layers, weights, told) in [
            ("a,b", "1", "has 1 numbers, and --layers names 2"),
            ("a,b", "a=1,b=2", "numbers, in the order of --layers"),
            ("a,b,a", "", "names a twice"),
        ] {
            let error = named(layers, weights).unwrap_err();
            assert!(error.contains(told), "{error}");
        }
        let usual = layer_weights(None, LayerWeights::InOrder(vec![1.0])).unwrap();
        assert_eq!(usual, LayerWeights::InOrder(vec![1.0]));
    }
}
