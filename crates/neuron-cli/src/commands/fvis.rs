mod curve;
mod display;
mod failure;
mod finish;
mod flags;
mod identities;
mod magnitudes;
mod mask;
mod names;
mod no_effect;
mod plan;
mod record;
mod report;
mod results;
mod run;
mod schedule;
mod schedule_flag;
mod settings;
mod size;
mod start;
mod start_flag;
mod subject;
mod units;

use neuron_data::Preprocessing;
use neuron_fvis::{Aim, FvisError, Settings};
use neuron_model::{Network, Tap};
use serde_json::Value;

use crate::global::Global;
use crate::interrupt;
use crate::outcome::{Outcome, WrongUsage};
use crate::references::{Data, Reader, Search, Sought, Units};
use crate::scan::Identity;

pub(crate) use flags::Args;

use finish::with_finish;
use identities::Identities;
use results::{EarlierRun, Results};
use run::{Run, outcome};
use settings::{check_accentuated, check_layers, settings, with_matched_layers};
use size::{at_resolution, check_schedule, resolution};
use units::{Part, units};

/// Pictures that a GPU takes together: one alone would leave most of it idle. Fewer where memory is short.
const AT_ONCE_ON_A_GPU: usize = 16;

pub(crate) fn run(args: &Args, global: &Global) -> anyhow::Result<Outcome> {
    let network = global.network_for_backward_passes(&args.arch)?;
    let mut units = units(args, &network)?;
    let part = Part::take(args, &mut units)?;
    if units.channels.is_empty() {
        return nothing_to_do(global);
    }
    let Units { target, channels, .. } = &units;
    let weights_preprocessing = global.preprocessing(&network)?;
    let preprocessing = at_resolution(&weights_preprocessing, resolution(args, &network, target)?);
    let settings = checked_settings((args, global), (&network, target), &preprocessing)?;
    no_effect::told(args).into_iter().for_each(|told| global.say(0, || told));
    let data = Data::new(global);
    let (kind, wanted) = (args.references, args.num_real_img.get());
    let sought = Sought {
        global,
        network: &network,
        preprocessing: &weights_preprocessing,
        units: &units,
        data: &data,
        kind,
        wanted,
    };
    let search = Search::new(sought)?;
    let plan = || {
        let listed = (0..channels.len()).map(|unit| search.count(unit));
        let references = listed.sum::<anyhow::Result<usize>>()?;
        plan::Plan { args, global, network: &network, target, settings: &settings }
            .print(channels.len(), references)
    };
    if global.dry_run && !args.resume {
        return plan();
    }

    let reader = Reader { global, preprocessing: &preprocessing };
    let references =
        (0..channels.len()).map(|unit| search.load(unit, &reader)).collect::<anyhow::Result<Vec<_>>>()?;
    let (subjects, references) = subject::facets((args, global), (&network, &units), references, &settings)?;
    let mut start = start::read(args, global, &preprocessing)?;
    let population = data.get()?.map(|images| images.fingerprint());
    let magnitudes_of = magnitudes::of(args, &data, &settings)?;
    let mut common = Identity::of("fvis", &network, &preprocessing)
        .with("arch", &args.arch)
        .with("layer", &target.name)
        .with("start_sha256", start.sha256.as_deref());
    if let Some(mask) = args.mask.recorded() {
        common = common.with("mask", mask);
    }
    if let Some(of) = magnitudes_of {
        common = common.with("magnitudes", of).with("population", population.as_deref());
    }
    let identities = Identities::new(&common, &subjects, &references, &settings, population.as_deref());
    let results = Results::new(args, &units.layer, &subjects, part);
    if global.dry_run {
        results.earlier_run(&identities, args.resume, global.overwrite)?;
        return plan();
    }
    let report = report::Report {
        args,
        global,
        network: &network,
        units: &units,
        data: &data,
        subjects: &subjects,
        references: &references,
        positions: settings.positions,
        magnitudes: magnitudes_of,
        identities: &identities.units,
    };
    let run = Run { report: &report, results: &results, inputs: identities.inputs() };
    let _claim = results.claim()?;
    let unfinished = match results.earlier_run(&identities, args.resume, global.overwrite)? {
        EarlierRun::Complete(records) => {
            say_complete((args, global), &results, (&records, settings.schedule.steps()))?;
            return Ok(outcome(&references));
        }
        EarlierRun::Unfinished(unfinished) => Some(unfinished),
        EarlierRun::Nothing => None,
    };
    if global.overwrite && unfinished.is_none() {
        results.remove_stale()?;
    }
    let _caught = interrupt::caught();
    start.start.magnitudes = magnitudes::find(args, global, &data, (&settings, &preprocessing))?;
    let mut optimizer = run.optimizer(settings, start.start, unfinished)?;
    let ended = run.optimize(&mut optimizer)?;
    run.finish(&mut optimizer, ended, &weights_preprocessing)
}

/// How the pictures are optimised, checked before anything is read or computed.
///
/// # Errors
/// [`WrongUsage`] where flags do not fit one another or the network: a layer below which there are no features is one.
fn checked_settings(
    (args, global): (&Args, &Global),
    (network, target): (&Network, &Tap),
    preprocessing: &Preprocessing,
) -> anyhow::Result<Settings> {
    let at_once = if network.device().is_cpu() { Settings::default().at_once } else { AT_ONCE_ON_A_GPU };
    let mut settings = Settings { at_once, ..settings(args, global, preprocessing)? };
    settings.positions = args.positions.of(network, std::slice::from_ref(target), preprocessing.crop)?;
    let wrong = |error: FvisError| WrongUsage(error.to_string());
    settings.check()?;
    let settings = with_matched_layers(settings, args, (network, target)).map_err(wrong)?;
    let settings = with_finish(settings, (args, global), (network, target))?;
    check_schedule(&settings, network, target)?;
    check_layers(args, network, target)?;
    check_accentuated(args)?;
    if settings.aim != Aim::Activation {
        settings.layer_weights.below(network, target).map_err(wrong)?;
    }
    Ok(settings)
}

/// Nothing is left to do for a run of so many steps.
fn say_complete(
    (args, global): (&Args, &Global),
    results: &Results<'_>,
    (records, steps): (&[Value], usize),
) -> anyhow::Result<()> {
    global.say(0, || format!("already complete: {}", results.picture(0, 0).display()));
    if args.save_every.is_some() && !results.has_intermediate(steps) {
        let message = "without the pictures that --save-every asks for: add --overwrite to make them";
        global.say(0, || message.to_owned());
    }
    if global.json {
        report::print_summary(records, results)?;
    }
    Ok(())
}

/// Of fewer units than parts, some parts have none.
fn nothing_to_do(global: &Global) -> anyhow::Result<Outcome> {
    global.say(0, || "this part has no units: there are more parts than units".to_owned());
    if global.json {
        report::print_pictures(&[])?;
    }
    Ok(Outcome::Done)
}
