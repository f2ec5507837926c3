use anyhow::{Context, bail};
use neuron_data::ImagenetClass;
use neuron_model::Weights;

/// What `labels` in the metadata say.
///
/// # Errors
/// If they are no names.
pub(crate) fn parse_labels(labels: &str) -> anyhow::Result<Vec<String>> {
    serde_json::from_str(labels).context(
        "the weights' metadata `labels` are no JSON array of names, such as [\"cat\", \"dog\"]: set them anew with `neuron \
         weights convert --metadata labels='[...]'`",
    )
}

/// Names of the outputs of a classifier: those of the weights, else ImageNet's if there are as many, else none.
///
/// # Errors
/// If the weights name other than these outputs.
pub(crate) fn labels(weights: &Weights, outputs: usize) -> anyhow::Result<Vec<String>> {
    if let Some(labels) = weights.metadata().get("labels") {
        let labels = parse_labels(labels)?;
        if labels.len() != outputs {
            bail!(
                "the weights' metadata `labels` name {} classes, but the classifier has {outputs}: set them anew with \
                 `neuron weights convert --metadata labels='[...]'`",
                labels.len()
            );
        }
        return Ok(labels);
    }
    let imagenet = ImagenetClass::all();
    let names = if imagenet.len() == outputs { imagenet } else { &[] };
    Ok(names.iter().map(|class| class.label.to_owned()).collect())
}
