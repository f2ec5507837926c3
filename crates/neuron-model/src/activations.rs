//! The short way for embedders: tensors in, tensors out.

use candle_core::Tensor;

use crate::error::ModelError;
use crate::images::ChannelsFirst;
use crate::network::Network;
use crate::value::Keep;

impl Network {
    /// The maps of some taps for a batch of images: the short way for embedders.
    ///
    /// # Shapes
    /// * `images`: `[batch, 3, height, width]`, f32, normalised
    /// * returns, for each tap: `[batch, channels, height, width]`
    ///
    /// # Errors
    /// [`ModelError::UnknownTap`], [`ModelError::ImageTooSmall`], or [`ModelError::Images`] if the tensor is of
    /// another shape or type.
    pub fn activations(&self, images: &Tensor, taps: &[&str]) -> Result<Vec<Tensor>, ModelError> {
        let taps = taps.iter().map(|name| self.tap(name)).collect::<Result<Vec<_>, _>>()?;
        let invalid = |source| ModelError::Images { source };
        let (batch, _, height, width) = images.dims4().map_err(invalid)?;
        let data = images.flatten_all().and_then(|flat| flat.to_vec1::<f32>()).map_err(invalid)?;

        let mut maps = vec![Vec::new(); taps.len()];
        let mut shapes = vec![(0, 0, 0); taps.len()];
        let mut session = self.session(&taps, Keep::Taps)?;
        session.run(&ChannelsFirst::new(&data, height, width), &mut |tapped| {
            let map = tapped.map;
            shapes[tapped.tap] = (map.height, map.width, map.channels);
            let end = (tapped.first_item + map.batch) * map.item_len();
            let all: &mut Vec<f32> = &mut maps[tapped.tap];
            all.resize(all.len().max(end), 0.0);
            all[end - map.data.len()..end].copy_from_slice(map.data);
        })?;
        let tensor = |(map, (height, width, channels)): (Vec<f32>, (usize, usize, usize))| {
            Tensor::from_vec(map, (batch, height, width, channels), &candle_core::Device::Cpu)?
                .permute((0, 3, 1, 2))?
                .contiguous()
        };
        maps.into_iter().zip(shapes).map(|pair| tensor(pair).map_err(invalid)).collect()
    }
}
