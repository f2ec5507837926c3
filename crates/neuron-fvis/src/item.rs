use serde::Serialize;

use crate::adam::Adam;
use crate::objective::ItemDistance;
use crate::parametrisation::Canvas;
use crate::prior::PriorLoss;
use crate::schedule::Phase;
use crate::settings::Settings;
use crate::view::View;
use crate::warp::Warp;

/// One picture in the making.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Index of the unit.
    pub unit: usize,
    /// Which of the unit's pictures.
    pub copy: usize,
    /// `[height, width, 3]`, normalised.
    pub picture: Vec<f32>,
    /// Sum over the steps of the absolute gradient, `[height, width, 3]`.
    pub gradient: Vec<f32>,
    /// What every step so far has found.
    pub history: Vec<Step>,
    /// What the picture is made of.
    pub(crate) parameters: Vec<f32>,
    pub(crate) adam: Adam,
}

/// What one step has found in one picture.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// The weighted sum that is minimised.
    pub loss: f64,
    /// The unweighted loss of each feature layer.
    pub layers: Vec<f64>,
    /// The unweighted terms of the priors.
    pub priors: PriorLoss,
    /// The unit's greatest activation on what the network saw. Where it is 0 nothing is relevant to the unit: only the
    /// priors move the picture then, and the [`ActivationTerm`](crate::ActivationTerm), if there is one.
    pub activation: f64,
}

/// What a step says of one picture's features.
pub(crate) struct FeatureStep<'a> {
    /// How the network saw the picture, and what it saw.
    pub(crate) view: &'a View,
    pub(crate) warp: Option<Warp>,
    pub(crate) seen: &'a [f32],
    pub(crate) view_width: usize,
    /// The gradient of the features' loss with respect to what was seen.
    pub(crate) gradient: &'a [f32],
    pub(crate) distance: ItemDistance,
}

impl Item {
    pub(crate) fn new(
        unit: usize,
        copy: usize,
        parameters: Vec<f32>,
        canvas: &dyn Canvas,
        len: usize,
    ) -> Self {
        let mut picture = vec![0.0; len];
        canvas.draw(&parameters, &mut picture);
        let (gradient, adam) = (vec![0.0; len], Adam::new(parameters.len()));
        Self { unit, copy, picture, gradient, history: Vec::new(), parameters, adam }
    }

    /// Completes the loss and its gradient with the priors, and moves the picture.
    pub(crate) fn descend(
        &mut self,
        features: FeatureStep<'_>,
        settings: &Settings,
        (phase, learning_rate): (&Phase, f64),
        canvas: &dyn Canvas,
    ) {
        let FeatureStep { view, warp, seen, view_width, gradient, distance } = features;
        let ItemDistance { layers, weighted, activation } = distance;
        let mut seen_gradient = gradient.to_vec();
        let priors = settings.priors.add_gradient(seen, view_width, &mut seen_gradient);
        let loss = weighted + settings.priors.total(&priors);
        self.history.push(Step { loss, layers, priors, activation });

        let mut gradient = vec![0.0; self.picture.len()];
        view.pull_back(&seen_gradient, &mut gradient);
        if let Some(warp) = warp {
            warp.pull_back(&gradient.clone(), &mut gradient);
        }
        self.gradient.iter_mut().zip(&gradient).for_each(|(sum, gradient)| *sum += gradient.abs());
        let mut pulled = vec![0.0; self.parameters.len()];
        canvas.pull_back(&self.parameters, &gradient, &mut pulled);
        self.adam.step(learning_rate, phase.betas, &pulled, &mut self.parameters);
        if phase.clamp {
            canvas.confine(&mut self.parameters);
        }
        canvas.draw(&self.parameters, &mut self.picture);
    }

    /// Forgets the past gradients, for another phase.
    pub(crate) fn forget(&mut self) {
        self.adam = Adam::new(self.parameters.len());
    }
}
