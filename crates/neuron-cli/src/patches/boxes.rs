use anyhow::Context;
use neuron_geometry::{PixelBox, ReceptiveField, per_axis};
use neuron_model::{Network, Shape, Tap};
use neuron_patches::{PatchError, Windows, project};
use serde::{Deserialize, Serialize};

use crate::outcome::WrongUsage;
use crate::positions;

/// What a place in a list of patches means: a box of the crop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum Boxes {
    /// A place is the index of a window.
    Windows { size_px: usize, stride_px: usize, crop_px: usize },
    /// A place is a position of a map, `extra + y * map_width + x`; the box lies around its receptive field, or its cell
    /// where it sees all of the image by attention. An extra position has no place: its box is the crop.
    Fields {
        #[serde(with = "per_axis")]
        field_px: [usize; 2],
        #[serde(with = "per_axis")]
        stride_px: [usize; 2],
        #[serde(with = "per_axis")]
        start_px: [i64; 2],
        /// Positions before those of the grid.
        #[serde(default, skip_serializing_if = "positions::are_none")]
        extra: usize,
        map_width: usize,
        /// Side of the box; none: all of the field.
        size_px: Option<usize>,
        crop_px: usize,
    },
}

impl Boxes {
    pub(crate) fn windows(windows: &Windows, crop_px: usize) -> Self {
        Self::Windows { size_px: windows.size(), stride_px: windows.stride(), crop_px }
    }

    /// The boxes around the receptive fields of a tap's positions, or around their cells.
    ///
    /// # Errors
    /// If positions have no place in the image, `size_px` is larger than the crop, or the box would be all of a field that is
    /// not square.
    pub(crate) fn fields(
        network: &Network,
        tap: &Tap,
        size_px: Option<usize>,
        crop_px: usize,
    ) -> anyhow::Result<Self> {
        let graph = network.graph();
        let field = graph.receptive_field(tap.node).or_else(|| graph.cell(tap.node)).ok_or_else(|| {
            let name = &tap.name;
            WrongUsage(format!("every position of {name} sees the whole image; use --method sliding"))
        })?;
        if let Some(size) = size_px.filter(|size| *size > crop_px) {
            return Err(PatchError::LargerThanCrop { size, height: crop_px, width: crop_px }.into());
        }
        let [height, width] = field.size_px;
        if size_px.is_none() && height != width {
            let name = &tap.name;
            let message = format!(
                "positions of {name} see {height} x {width} pixels, and patches are square; give --patch-size a number"
            );
            return Err(WrongUsage(message).into());
        }
        let Shape { extra, width: map_width, .. } = graph.shape(tap, (crop_px, crop_px))?;
        let ReceptiveField { size_px: field_px, stride_px, start_px } = field;
        Ok(Self::Fields { field_px, stride_px, start_px, extra, map_width, size_px, crop_px })
    }

    /// Whether a place has no place in the crop, so that its box is all of it.
    pub(crate) fn is_whole(&self, place: u32) -> bool {
        matches!(*self, Self::Fields { extra, .. } if (place as usize) < extra)
    }

    /// Side of the crop.
    pub(crate) fn crop_px(&self) -> usize {
        match *self {
            Self::Windows { crop_px, .. } | Self::Fields { crop_px, .. } => crop_px,
        }
    }

    /// Side of every box that has a place, in pixels.
    pub(crate) fn side_px(&self) -> usize {
        match *self {
            Self::Windows { size_px, .. } => size_px,
            Self::Fields { field_px, size_px, crop_px, .. } => size_px.unwrap_or(field_px[0]).min(crop_px),
        }
    }

    /// The box of a place.
    ///
    /// # Errors
    /// If there is no such place: a checkpoint is then not what it seems.
    pub(crate) fn at(&self, place: u32) -> anyhow::Result<PixelBox> {
        let place = place as usize;
        match *self {
            Self::Windows { size_px, stride_px, crop_px } => {
                let windows = Windows::new(size_px, stride_px, crop_px, crop_px)?;
                windows.get(place).with_context(|| format!("a crop has no window {place}"))
            }
            Self::Fields { field_px, stride_px, start_px, extra, map_width, size_px, crop_px } => {
                anyhow::ensure!(map_width > 0, "a map without columns");
                let Some(place) = place.checked_sub(extra) else {
                    return Ok(PixelBox { y: 0, x: 0, height: crop_px, width: crop_px });
                };
                let field = ReceptiveField { size_px: field_px, stride_px, start_px };
                let position = (place / map_width, place % map_width);
                Ok(project(&field, position, size_px, (crop_px, crop_px)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_and_fields_become_boxes() -> anyhow::Result<()> {
        let boxes = Boxes::windows(&Windows::sliding(32, 224, 224)?, 224);
        assert_eq!(boxes.at(14)?, PixelBox { y: 16, x: 16, height: 32, width: 32 });
        assert!(boxes.at(169).is_err());
        let size_px = Some(8);
        let (field_px, stride_px, start_px) = ([11; 2], [4; 2], [-5; 2]);
        let (extra, map_width, crop_px) = (0, 10, 40);
        let boxes = Boxes::Fields { field_px, stride_px, start_px, extra, map_width, size_px, crop_px };
        // Position (2, 3) sees the pixels 3..14 and 7..18; the box of 8 lies in their middle.
        assert_eq!(boxes.at(23)?, PixelBox { y: 4, x: 8, height: 8, width: 8 });
        assert_eq!(boxes.at(0)?, PixelBox { y: 0, x: 0, height: 8, width: 8 });
        assert_eq!(boxes.side_px(), 8);
        let written = serde_json::to_string(&boxes)?;
        assert!(written.contains(r#""field_px":11,"stride_px":4,"start_px":-5,"map_width":10"#), "{written}");
        assert_eq!(serde_json::from_str::<Boxes>(&written)?, boxes);
        // Two tokens before the grid have no place.
        let with_tokens =
            Boxes::Fields { field_px, stride_px, start_px, extra: 2, map_width, size_px, crop_px };
        assert_eq!(with_tokens.at(25)?, boxes.at(23)?);
        assert_eq!(with_tokens.at(1)?, PixelBox { y: 0, x: 0, height: 40, width: 40 });
        assert_eq!([1, 2].map(|place| with_tokens.is_whole(place)), [true, false]);
        Ok(())
    }
}
