//! The magnitudes that pictures of phases keep.

use neuron_data::Preprocessing;
use neuron_fvis::{Magnitudes, Parametrisation, Settings};

use super::flags::{Args, MagnitudesFlag};
use super::report::POPULATION;
use crate::global::Global;
use crate::references::{Data, General, Reader};

/// Whose magnitudes they are, as records say.
const OF_DATA: &str = "data";
const FALLING: &str = "1/f";

/// Which magnitudes a run would use; they are not measured.
pub(super) fn of(args: &Args, data: &Data<'_>, settings: &Settings) -> anyhow::Result<Option<&'static str>> {
    if settings.parametrisation != Parametrisation::Phases {
        return Ok(None);
    }
    let measured =
        args.magnitudes == MagnitudesFlag::Data && data.get()?.is_some_and(|data| !data.is_empty());
    Ok(Some(if measured { OF_DATA } else { FALLING }))
}

/// Measures them over those images of the data that stand for images in general; `None` where others are used.
pub(super) fn find(
    args: &Args,
    global: &Global,
    data: &Data<'_>,
    (settings, preprocessing): (&Settings, &Preprocessing),
) -> anyhow::Result<Option<Magnitudes>> {
    match (of(args, data, settings)?, data.get()?) {
        (Some(OF_DATA), Some(dataset)) => {
            let general = General::load(dataset, POPULATION, &Reader { global, preprocessing })?;
            Ok(Magnitudes::of(&general.images(), settings.pixels))
        }
        (Some(_), _) if args.magnitudes == MagnitudesFlag::Data => {
            let message =
                "there are no images in general (--data) whose magnitudes could be taken: they fall as 1/f";
            global.say(0, || message.to_owned());
            Ok(None)
        }
        _ => Ok(None),
    }
}
