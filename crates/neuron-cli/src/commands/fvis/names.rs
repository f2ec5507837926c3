//! The names of a run's files.

use std::path::{Path, PathBuf};

use super::flags::Args;
use super::subject::Subject;
use super::units::Part;
use crate::channels;
use crate::exported;
use crate::layer_folder;

/// What a picture's files end in, and the ending of one after some steps.
const SUFFIXES: [&str; 4] = [".png", "_masked.png", ".json", "_loss.svg"];

/// What the name of a picture of all facets ends in.
const FACETS: &str = "_facets.png";

/// The names of a run's files.
///
/// Unless a name is given, it holds architecture, layer and unit, so that runs for other units make other files.
pub(super) struct Names<'a> {
    args: &'a Args,
    subjects: &'a [Subject],
    /// Which of the run's units these are, if they are not all.
    part: Option<Part>,
    base: String,
}

impl<'a> Names<'a> {
    /// For some units of a layer, as it was typed, or their facets.
    pub(super) fn new(args: &'a Args, layer: &str, subjects: &'a [Subject]) -> Self {
        // A name is one part of a path, whatever the layer's or the architecture's is.
        let usual =
            || layer_folder::in_file_name(&format!("{}_{}", exported::name(&args.arch), layer.trim()));
        let base = args.exp_name.clone().unwrap_or_else(usual);
        Self { args, subjects, part: None, base }
    }

    /// For units that are a part of a run: they have the names that the whole run would give them.
    pub(super) fn in_part(self, part: Option<Part>) -> Self {
        Self { part, ..self }
    }

    /// A picture's files without what they end in.
    ///
    /// A run with several units or copies says in each name which it is.
    pub(super) fn stem(&self, unit: usize, copy: usize) -> String {
        let Subject { channel, facet } = self.subjects[unit];
        let mut name = self.of_unit(channel);
        if let Some(facet) = facet {
            name += &format!("_facet{}", facet.number);
        }
        if self.copies() > 1 {
            name += &format!("_copy{copy}");
        }
        name
    }

    /// What the names of a unit's files begin with.
    fn of_unit(&self, channel: usize) -> String {
        let units = self.part.map_or_else(|| self.channels().len(), |part| part.of_units);
        if units > 1 || self.args.exp_name.is_none() {
            format!("{}_unit{channel}", self.base)
        } else {
            self.base.clone()
        }
    }

    /// Pictures of each unit that are kept in the end.
    fn copies(&self) -> usize {
        if self.args.keep_best { 1 } else { self.args.copies.get() }
    }

    /// The units, each once.
    fn channels(&self) -> Vec<usize> {
        let mut channels: Vec<usize> = self.subjects.iter().map(|subject| subject.channel).collect();
        channels.dedup();
        channels
    }

    /// The file of one picture that ends in `suffix`.
    pub(super) fn path(&self, unit: usize, copy: usize, suffix: &str) -> PathBuf {
        self.folder().join(self.stem(unit, copy) + suffix)
    }

    /// The pictures of a unit's facets side by side.
    pub(super) fn facets(&self, channel: usize) -> PathBuf {
        self.folder().join(self.of_unit(channel) + FACETS)
    }

    /// The units of which there are several facets.
    pub(super) fn with_facets(&self) -> impl Iterator<Item = usize> {
        let second = |subject: &&Subject| subject.facet.is_some_and(|facet| facet.number == 1);
        self.subjects.iter().filter(second).map(|subject| subject.channel)
    }

    /// A picture after some steps.
    pub(super) fn step(&self, unit: usize, copy: usize, step: usize) -> PathBuf {
        // Before the end nobody knows which is the best.
        let copy_of_many = self.args.keep_best && self.args.copies.get() > 1;
        let suffix =
            if copy_of_many { format!("_copy{copy}_step{step}.png") } else { format!("_step{step}.png") };
        self.path(unit, copy, &suffix)
    }

    /// The steps after which a run of so many also writes its pictures.
    pub(super) fn steps(&self, steps: usize) -> impl Iterator<Item = usize> {
        let every = self.args.save_every.map_or(usize::MAX, std::num::NonZeroUsize::get);
        (every..steps).step_by(every)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.args.out
    }

    /// All pictures as (unit, copy), those of the first unit first.
    pub(super) fn pictures(&self) -> impl Iterator<Item = (usize, usize)> {
        let copies = self.copies();
        (0..self.subjects.len()).flat_map(move |unit| (0..copies).map(move |copy| (unit, copy)))
    }

    /// The state of the run.
    pub(super) fn checkpoint(&self) -> PathBuf {
        self.folder().join(self.run() + ".checkpoint")
    }

    /// Everything that this run alone may write in the folder.
    pub(super) fn claimed(&self) -> Vec<String> {
        let stems = self.pictures().map(|(unit, copy)| self.stem(unit, copy));
        let mut names: Vec<String> = stems.chain([self.run()]).collect();
        names.sort();
        names.dedup();
        names
    }

    /// The run as a whole.
    fn run(&self) -> String {
        match (&self.args.exp_name, &self.channels()[..]) {
            (Some(name), _) => match self.part {
                Some(Part { shard, .. }) => format!("{name}.{}", shard.file_part()),
                None => name.clone(),
            },
            (None, [channel]) => self.of_unit(*channel),
            (None, several) => {
                let units = channels::in_file_name(&channels::as_typed(several));
                format!("{}_units{units}", self.base)
            }
        }
    }

    /// Whether a file in the folder belongs to an earlier run of this name, but not to this one.
    pub(super) fn is_stale(&self, file: &str) -> bool {
        let own = self.pictures().any(|(unit, copy)| {
            let stem = self.stem(unit, copy);
            file.strip_prefix(&stem).is_some_and(|rest| SUFFIXES.contains(&rest) || self.is_own_step(rest))
        });
        let own = own || self.with_facets().any(|channel| self.facets(channel).ends_with(file));
        !own && self.bases().iter().any(|base| {
            file.strip_prefix(base.as_str()).is_some_and(|rest| is_picture(rest, self.owns_its_name()))
        })
    }

    /// Whether all pictures whose names begin with the run's are its own. Beside a part, they may be those of other parts.
    fn owns_its_name(&self) -> bool {
        self.args.exp_name.is_some() && self.part.is_none()
    }

    /// What the names of all pictures of this run begin with.
    fn bases(&self) -> Vec<String> {
        if self.owns_its_name() {
            return vec![self.base.clone()];
        }
        self.channels().into_iter().map(|channel| self.of_unit(channel)).collect()
    }

    /// Whether `_step<n>.png` is one that this run writes.
    fn is_own_step(&self, rest: &str) -> bool {
        let rest = if self.args.keep_best { without_number(rest, "_copy") } else { rest };
        let step = rest.strip_prefix("_step").and_then(|rest| rest.strip_suffix(".png"));
        let step = step.and_then(|digits| digits.parse::<usize>().ok());
        step.zip(self.args.save_every).is_some_and(|(step, every)| step.is_multiple_of(every.get()))
    }
}

/// Whether a name goes on as pictures' do: perhaps `_unit<channel>`, perhaps `_facet<n>`, perhaps `_copy<n>`, then an
/// ending.
fn is_picture(rest: &str, may_name_unit: bool) -> bool {
    let rest = if may_name_unit { without_number(rest, "_unit") } else { rest };
    if rest == FACETS {
        return true;
    }
    let rest = without_number(without_number(rest, "_facet"), "_copy");
    SUFFIXES.contains(&rest) || without_number(rest, "_step") == ".png" && rest != ".png"
}

/// `text` without a leading `<label><number>`, if it has one.
fn without_number<'t>(text: &'t str, label: &str) -> &'t str {
    let Some(rest) = text.strip_prefix(label) else { return text };
    let number = rest.trim_start_matches(|letter: char| letter.is_ascii_digit());
    if number.len() < rest.len() { number } else { text }
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, FromArgMatches};

    use super::super::subject::{Facet, whole};
    use super::*;
    use crate::shard::Shard;

    fn args(flags: &[&str]) -> Args {
        let command = Args::augment_args(clap::Command::new("fvis"));
        let matches = command.get_matches_from(["fvis"].iter().chain(flags));
        Args::from_arg_matches(&matches).unwrap()
    }

    #[test]
    fn the_usual_name_holds_the_unit() {
        let one = args(&[]);
        let subjects = whole(&[7]);
        let names = Names::new(&one, "layer4_2", &subjects);
        assert_eq!(names.path(0, 0, ".png"), Path::new("images/resnet50_layer4_2_unit7.png"));
        assert_eq!(names.checkpoint(), Path::new("images/resnet50_layer4_2_unit7.checkpoint"));
        let several = args(&["--bs", "2"]);
        let subjects = whole(&[7, 8, 9]);
        let names = Names::new(&several, "layer4_2", &subjects);
        assert_eq!(names.path(1, 1, ".json"), Path::new("images/resnet50_layer4_2_unit8_copy1.json"));
        assert_eq!(names.checkpoint(), Path::new("images/resnet50_layer4_2_units7-9.checkpoint"));
        assert_eq!(names.claimed().len(), 7);
    }

    #[test]
    fn the_best_copy_has_the_name_of_the_unit() {
        let best = args(&["--bs", "3", "--keep-best", "--save-every", "10"]);
        let subjects = whole(&[7]);
        let names = Names::new(&best, "l", &subjects);
        assert_eq!(names.pictures().collect::<Vec<_>>(), [(0, 0)]);
        assert_eq!(names.path(0, 2, ".png"), Path::new("images/resnet50_l_unit7.png"));
        assert_eq!(names.step(0, 2, 10), Path::new("images/resnet50_l_unit7_copy2_step10.png"));
        assert!(names.is_stale("resnet50_l_unit7_copy1.png"));
        assert!(!names.is_stale("resnet50_l_unit7_copy1_step10.png"));
    }

    #[test]
    fn facets_are_numbered() {
        let one = args(&["--bs", "2"]);
        let facet = |number| Some(Facet { number, facets: 2, silhouette: 0.5 });
        let subjects = [0, 1].map(|number| Subject { channel: 7, facet: facet(number) });
        let names = Names::new(&one, "l", &subjects);
        assert_eq!(names.path(1, 0, ".png"), Path::new("images/resnet50_l_unit7_facet1_copy0.png"));
        assert_eq!(names.checkpoint(), Path::new("images/resnet50_l_unit7.checkpoint"));
        assert!(names.is_stale("resnet50_l_unit7.png") && names.is_stale("resnet50_l_unit7_facet2.json"));
        assert!(!names.is_stale("resnet50_l_unit7_facet1_copy1.png"));
        assert_eq!(
            names.with_facets().map(|unit| names.facets(unit)).collect::<Vec<_>>(),
            [Path::new("images/resnet50_l_unit7_facets.png")]
        );
        assert!(!names.is_stale("resnet50_l_unit7_facets.png"));
        let subjects = whole(&[7]);
        assert!(Names::new(&one, "l", &subjects).is_stale("resnet50_l_unit7_facets.png"));
    }

    #[test]
    fn a_name_that_is_given_is_kept() {
        let named = args(&["--exp-name", "x"]);
        assert_eq!(
            Names::new(&named, "layer4_2", &whole(&[7])).path(0, 0, ".png"),
            Path::new("images/x.png")
        );
        assert_eq!(
            Names::new(&named, "layer4_2", &whole(&[7, 8])).path(1, 0, ".png"),
            Path::new("images/x_unit8.png")
        );
        assert_eq!(
            Names::new(&named, "layer4_2", &whole(&[7, 8])).checkpoint(),
            Path::new("images/x.checkpoint")
        );
    }

    #[test]
    fn a_part_has_the_names_of_the_whole_and_leaves_those_of_others() {
        let part = |units| Some(Part { shard: Shard { index: 2, count: 3 }, of_units: units });
        let named = args(&["--exp-name", "x"]);
        let subjects = whole(&[7]);
        let names = Names::new(&named, "l", &subjects).in_part(part(3));
        assert_eq!(names.path(0, 0, ".png"), Path::new("images/x_unit7.png"));
        assert_eq!(names.checkpoint(), Path::new("images/x.shard-2-of-3.checkpoint"));
        assert_eq!(names.claimed(), ["x.shard-2-of-3", "x_unit7"]);
        assert!(names.is_stale("x_unit7_copy1.png"));
        assert!(!names.is_stale("x_unit8.png") && !names.is_stale("x_unit77.png"));
        let names = Names::new(&named, "l", &subjects).in_part(part(1));
        assert_eq!(names.path(0, 0, ".png"), Path::new("images/x.png"));
        let usual = args(&[]);
        let names = Names::new(&usual, "l", &subjects).in_part(part(3));
        assert_eq!(names.checkpoint(), Path::new("images/resnet50_l_unit7.checkpoint"));
    }

    #[test]
    fn what_an_earlier_run_of_the_name_left_is_known() {
        let named = args(&["--exp-name", "x", "--save-every", "50"]);
        let subjects = whole(&[7, 8]);
        let names = Names::new(&named, "layer4_2", &subjects);
        for stale in ["x.png", "x_unit9.png", "x_unit7_copy1.json", "x_unit7_step20.png", "x_step50.png"] {
            assert!(names.is_stale(stale), "{stale}");
        }
        for other in
            ["x_unit7.png", "x_unit8_step100.png", "xy.png", "x_unit.png", "x.txt", "x_unit7_notes.png"]
        {
            assert!(!names.is_stale(other), "{other}");
        }
        let usual = args(&[]);
        let subjects = whole(&[7]);
        let names = Names::new(&usual, "l", &subjects);
        assert!(names.is_stale("resnet50_l_unit7_copy1.png"));
        assert!(!names.is_stale("resnet50_l_unit8.png") && !names.is_stale("resnet50_l_unit7.png"));
        assert!(!names.is_stale("resnet50_l_unit77.png"));
    }
}
