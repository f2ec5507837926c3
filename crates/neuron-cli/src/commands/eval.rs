mod flags;
mod found;
mod gathered;
mod layers;
mod measures;
mod numbers;
mod pictures;
mod plan;
mod population;
pub(crate) mod record;
mod report;
mod table;
mod units;
mod witness;

use anyhow::bail;

use crate::global::Global;
use crate::outcome::Outcome;
use crate::references::{Data, Reader};
use crate::{claim, interrupt, output};

pub(crate) use flags::Args;

use gathered::Gathering;
use layers::check_usual_layers;
use measures::Measures;
use pictures::Pictures;
use report::Report;
use units::EvaluatedUnits;
use witness::Witness;

pub(crate) fn run(args: &Args, global: &Global) -> anyhow::Result<Outcome> {
    args.check()?;
    let _claim = match args.out.as_deref() {
        Some(out) if !global.dry_run => claim::take_file(out, "eval")?,
        _ => None,
    };
    if let Some(out) = args.out.as_deref().filter(|out| output::is_result(out) && !global.overwrite) {
        bail!("{} already exists; pass --overwrite to replace it, or another --out", out.display());
    }
    let found = found::find(&args.paths)?;
    let network = global.network(found.arch(args))?;
    check_usual_layers(&network)?;
    let preprocessing = global.preprocessing(&network)?;
    let reader = Reader { global, preprocessing: &preprocessing };
    let witness = Witness::open(args, global, &network)?;
    let data = Data::new(global);

    let mut skipped = Vec::new();
    let (named, units) = units::name(&found, args, global, &network, &mut skipped)?;
    let lists = units::lists(&units, args, &network);
    let units = EvaluatedUnits::new(units, &lists, args, global, (&network, &preprocessing, &data))?;
    if global.dry_run {
        let plan = plan::Plan { args, global, network: &network, witness: witness.as_ref(), units: &units };
        return plan.print((named.len(), preprocessing.crop), &data);
    }

    let _caught = interrupt::caught();
    let pictures =
        Pictures::load(&named, &reader, witness.as_ref().map(Witness::preprocessing), &mut skipped)?;
    let gathering = Gathering {
        args,
        global,
        network: &network,
        reader,
        units: &units,
        pictures: &pictures,
        data: &data,
    };
    let Some(gathered) = gathering.run()? else { return Ok(Outcome::Interrupted) };
    let seen = match &witness {
        Some(witness) => match witness.look(global, &units, &pictures)? {
            None => return Ok(Outcome::Interrupted),
            seen => seen,
        },
        None => None,
    };
    let measures = Measures::new(&network, witness.is_some())?;
    let rows = measures.rows(&units, &pictures, &gathered, seen.as_ref());
    let report = Report {
        args,
        global,
        network: &network,
        preprocessing: &preprocessing,
        witness: witness.as_ref().zip(seen.as_ref()),
        population: &gathered.population_is,
        sets: &found.sets,
        units: &units,
        pictures: &pictures,
        measures: &measures,
        rows: &rows,
        skipped: &skipped,
    };
    report.write()?;
    report.say()?;
    Ok(Outcome::with_skipped(skipped.len() + gathered.skipped_references))
}
