use anyhow::{Context, bail};
use neuron_data::ImagenetClass;
use neuron_model::Weights;

/// Names of the outputs of a classifier: those of the weights, else ImageNet's if there are as many, else none.
///
/// # Errors
/// If the weights name other than these outputs.
pub(crate) fn labels(weights: &Weights, outputs: usize) -> anyhow::Result<Vec<String>> {
    if let Some(labels) = weights.metadata().get("labels") {
        let labels: Vec<String> = serde_json::from_str(labels)
            .context("weights metadata `labels`: expected a JSON array of names")?;
        if labels.len() != outputs {
            bail!(
                "weights metadata `labels` names {} classes, but the classifier has {outputs}",
                labels.len()
            );
        }
        return Ok(labels);
    }
    let imagenet = ImagenetClass::all();
    let names = if imagenet.len() == outputs { imagenet } else { &[] };
    Ok(names.iter().map(|class| class.label.to_owned()).collect())
}
