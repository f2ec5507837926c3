//! How a pair `[vertical, horizontal]` is written: as one number where both are equal, else as a pair.
//!
//! For `#[serde(with = "neuron_geometry::per_axis")]`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written<T> {
    Same(T),
    Different([T; 2]),
}

fn written<T: Copy + PartialEq>(pair: [T; 2]) -> Written<T> {
    if pair[0] == pair[1] { Written::Same(pair[0]) } else { Written::Different(pair) }
}

/// Writes a pair.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<T, S>(pair: &[T; 2], serializer: S) -> Result<S::Ok, S::Error>
where
    T: Copy + PartialEq + Serialize,
    S: Serializer,
{
    written(*pair).serialize(serializer)
}

/// Reads what [`serialize`] wrote.
///
/// # Errors
/// Those of the deserializer; anything but a number or a pair of them.
pub fn deserialize<'de, T, D>(deserializer: D) -> Result<[T; 2], D::Error>
where
    T: Copy + Deserialize<'de>,
    D: Deserializer<'de>,
{
    Ok(match Written::deserialize(deserializer)? {
        Written::Same(value) => [value; 2],
        Written::Different(pair) => pair,
    })
}

/// Writes a pair that may be absent; for `serialize_with`.
///
/// # Errors
/// Those of the serializer.
pub fn serialize_option<T, S>(pair: &Option<[T; 2]>, serializer: S) -> Result<S::Ok, S::Error>
where
    T: Copy + PartialEq + Serialize,
    S: Serializer,
{
    pair.map(written).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Sides(#[serde(with = "super")] [i64; 2]);

    #[test]
    fn equal_sides_are_one_number() -> serde_json::Result<()> {
        for (sides, text) in [(Sides([7, 7]), "7"), (Sides([-1, 7]), "[-1,7]")] {
            assert_eq!(serde_json::to_string(&sides)?, text);
            assert_eq!(serde_json::from_str::<Sides>(text)?, sides);
        }
        assert!(serde_json::from_str::<Sides>("[1,2,3]").is_err());
        Ok(())
    }
}
