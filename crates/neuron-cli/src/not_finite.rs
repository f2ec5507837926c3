//! A network's values that are no numbers, told by the image that they come from.

use neuron_model::{Cause, ModelError};

/// A unit's value on an image is NaN or infinite, so that nothing can be said of it.
///
/// The weights are at fault: pixels are between 0 and 255. No other image or repetition helps.
#[derive(Debug, thiserror::Error)]
#[error("{image}: channel {channel} of {layer} is {value}, which is not a finite number; {cause}")]
pub(crate) struct NotFinite {
    image: String,
    layer: String,
    channel: usize,
    value: f32,
    cause: Cause,
}

/// Names the image of an error that knows only its index in a batch; other errors stay as they are.
///
/// `name` gives the name of the image at such an index.
pub(crate) fn named(error: impl Into<anyhow::Error>, name: impl FnOnce(usize) -> String) -> anyhow::Error {
    let error: anyhow::Error = error.into();
    match error.downcast() {
        Ok(ModelError::NotFinite { item, tap: layer, channel, value, cause }) => {
            NotFinite { image: name(item), layer, channel, value, cause }.into()
        }
        Ok(other) => other.into(),
        Err(other) => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_such_errors_get_a_name() {
        let name = |item: usize| format!("photo{item}.jpg");
        let (tap, cause) = ("layer4".to_owned(), Cause::Overflow);
        let found = ModelError::NotFinite { item: 3, tap, channel: 7, value: f32::NAN, cause };
        let told = named(found, name);
        assert!(told.is::<NotFinite>());
        assert!(told.to_string().starts_with("photo3.jpg: channel 7 of layer4 is NaN"), "{told}");
        let other = ModelError::UnknownArchitecture { name: "a".into(), nearest: vec!["b".into()] };
        assert!(!named(other, name).to_string().contains("photo"));
        assert_eq!(named(anyhow::anyhow!("something else"), name).to_string(), "something else");
    }
}
