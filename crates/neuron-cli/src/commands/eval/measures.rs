//! The measures, and their values for each unit and set.

use neuron_eval::{Achievement, LayerSimilarity, Retrieval};
use neuron_model::{ModelError, Network};

use super::gathered::Gathered;
use super::layers::usual_layers;
use super::pictures::Pictures;
use super::units::EvaluatedUnits;
use super::witness::Seen;

/// What is measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Measure {
    ActivationRatio,
    ActivationPercentile,
    ZScore,
    Rank,
    RankIs1,
    Auc,
    Mad,
    Cosine,
    RetrievalRank,
    RetrievalRankIs1,
    /// At which of the usual layers, and its name.
    Similarity(usize, String),
    Noise,
    NoiseRatio,
    WitnessTop5,
    /// The same, of those units alone whose references hold one class.
    WitnessTop5ClassLike,
    /// The same of the references themselves, which pictures can be measured against.
    WitnessTop5References,
    WitnessCosine,
    WitnessRetrievalRank,
    WitnessRetrievalRankIs1,
}

impl Measure {
    /// What tables and files call it.
    pub(super) fn name(&self) -> String {
        match self {
            Self::ActivationRatio => "activation_ratio",
            Self::ActivationPercentile => "activation_percentile",
            Self::ZScore => "z_score",
            Self::Rank => "rank",
            Self::RankIs1 => "rank_is_1",
            Self::Auc => "auc",
            Self::Mad => "mad",
            Self::Cosine => "cosine",
            Self::RetrievalRank => "retrieval_rank",
            Self::RetrievalRankIs1 => "retrieval_rank_is_1",
            Self::Similarity(_, layer) => return format!("similarity.{layer}"),
            Self::Noise => "noise",
            Self::NoiseRatio => "noise_ratio",
            Self::WitnessTop5 => "witness_top5",
            Self::WitnessTop5ClassLike => "witness_top5_class_like",
            Self::WitnessTop5References => "witness_top5_references",
            Self::WitnessCosine => "witness_cosine",
            Self::WitnessRetrievalRank => "witness_retrieval_rank",
            Self::WitnessRetrievalRankIs1 => "witness_retrieval_rank_is_1",
        }
        .to_owned()
    }

    /// Whether it is a share of pictures, from 0 to 1.
    pub(super) fn is_share(&self) -> bool {
        let shares = [
            Self::RankIs1,
            Self::RetrievalRankIs1,
            Self::WitnessTop5,
            Self::WitnessTop5ClassLike,
            Self::WitnessTop5References,
            Self::WitnessRetrievalRankIs1,
        ];
        shares.contains(self)
    }
}

/// The numbers of a unit's pictures in a set.
pub(super) struct Row {
    pub(super) unit: usize,
    pub(super) set: usize,
    /// Which of the pictures.
    pub(super) pictures: Vec<usize>,
    /// How many references they were compared with.
    pub(super) references: usize,
    /// In the order of the measures; `None` where one says nothing.
    pub(super) values: Vec<Option<f64>>,
    /// At each of the usual layers.
    pub(super) similarities: Vec<Option<LayerSimilarity>>,
}

/// The measures of a run.
pub(super) struct Measures {
    pub(super) all: Vec<Measure>,
    /// Names of the usual layers.
    pub(super) layers: Vec<String>,
}

impl Measures {
    pub(super) fn new(network: &Network, has_witness: bool) -> Result<Self, ModelError> {
        use Measure::{
            ActivationPercentile, ActivationRatio, Auc, Cosine, Mad, Noise, NoiseRatio, Rank, RankIs1,
            RetrievalRank, RetrievalRankIs1, WitnessCosine, WitnessRetrievalRank, WitnessRetrievalRankIs1,
            WitnessTop5, WitnessTop5ClassLike, WitnessTop5References, ZScore,
        };
        let layers: Vec<String> = usual_layers(network)?.into_iter().map(|tap| tap.name).collect();
        let mut all = vec![ActivationRatio, ActivationPercentile, ZScore, Rank, RankIs1, Auc, Mad];
        all.extend([Cosine, RetrievalRank, RetrievalRankIs1]);
        all.extend(layers.iter().enumerate().map(|(at, layer)| Measure::Similarity(at, layer.clone())));
        all.extend([Noise, NoiseRatio]);
        if has_witness {
            all.extend([WitnessTop5, WitnessTop5ClassLike, WitnessTop5References]);
            all.extend([WitnessCosine, WitnessRetrievalRank, WitnessRetrievalRankIs1]);
        }
        Ok(Self { all, layers })
    }

    /// A row for each unit and set with pictures: sets in their order, units in theirs.
    pub(super) fn rows(
        &self,
        units: &EvaluatedUnits<'_>,
        pictures: &Pictures,
        gathered: &Gathered,
        seen: Option<&Seen>,
    ) -> Vec<Row> {
        let features: Vec<Vec<f64>> = gathered.of_units.iter().map(|unit| unit.feature.clone()).collect();
        let sets = gathered.of_units.first().map_or(0, |unit| unit.sets.len());
        let mut rows = Vec::new();
        for set in 0..sets {
            for unit in 0..units.all.len() {
                let own: Vec<usize> = pictures.of(unit, set).collect();
                let Some(of_set) = &gathered.of_units[unit].sets[set] else { continue };
                let numbers = Numbers { unit, set, pictures: &own, gathered, features: &features, seen };
                rows.push(Row {
                    unit,
                    set,
                    references: gathered.of_units[unit].references,
                    values: self.all.iter().map(|measure| numbers.value(measure)).collect(),
                    similarities: of_set.similarities.clone(),
                    pictures: own,
                });
            }
        }
        rows
    }
}

/// What the values of a row are made from.
struct Numbers<'a> {
    unit: usize,
    set: usize,
    pictures: &'a [usize],
    gathered: &'a Gathered,
    /// Mean features of all units' references.
    features: &'a [Vec<f64>],
    seen: Option<&'a Seen>,
}

impl Numbers<'_> {
    /// Of one measure; most are means over the pictures.
    fn value(&self, measure: &Measure) -> Option<f64> {
        let of_unit = &self.gathered.of_units[self.unit];
        let of_set = of_unit.sets[self.set].as_ref()?;
        let is_first = |rank: usize| f64::from(u8::from(rank == 1));
        match measure {
            Measure::ActivationRatio => self.activation(|found| found.max.share()),
            Measure::ActivationPercentile => self.activation(|found| Some(found.max.percentile)),
            Measure::ZScore => self.in_general(|found| found.z_score),
            Measure::Rank => self.in_general(|found| found.rank as f64),
            Measure::RankIs1 => self.in_general(|found| is_first(found.rank)),
            Measure::Auc => Some(of_set.separation?.auc),
            Measure::Mad => of_set.separation?.mad,
            Measure::Cosine => self.retrieval(|found| found.cosine),
            Measure::RetrievalRank => self.rank_among(|found| found.rank as f64),
            Measure::RetrievalRankIs1 => self.rank_among(|found| is_first(found.rank)),
            Measure::Similarity(at, _) => of_set.similarities[*at]?.normalised,
            Measure::Noise => self.mean(|at| Some(self.gathered.noise[at])),
            Measure::NoiseRatio => {
                let natural = of_unit.noise.filter(|natural| *natural > 0.0)?;
                self.mean(|at| Some(self.gathered.noise[at] / natural))
            }
            Measure::WitnessTop5 => self.witness_top5(),
            Measure::WitnessTop5ClassLike => {
                self.seen?.is_class_like(self.unit).then(|| self.witness_top5())?
            }
            Measure::WitnessTop5References => self.seen?.share_of_references(self.unit),
            Measure::WitnessCosine => self.by_witness(|found| found.cosine),
            Measure::WitnessRetrievalRank => self.by_witness_among(|found| found.rank as f64),
            Measure::WitnessRetrievalRankIs1 => self.by_witness_among(|found| is_first(found.rank)),
        }
    }

    /// The mean over those pictures for which there is a value.
    fn mean(&self, value: impl Fn(usize) -> Option<f64>) -> Option<f64> {
        let values: Vec<f64> = self.pictures.iter().filter_map(|at| value(*at)).collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    }

    fn activation(&self, value: impl Fn(&Achievement) -> Option<f64>) -> Option<f64> {
        self.mean(|at| value(self.gathered.achievements[at].as_ref()?))
    }

    /// What is said beside images in general: nothing without them.
    fn in_general(&self, value: impl Fn(&Achievement) -> f64) -> Option<f64> {
        let is_told = self.gathered.of_units[self.unit].has_population;
        is_told.then(|| self.activation(|found| Some(value(found))))?
    }

    fn retrieval(&self, value: impl Fn(&Retrieval) -> f64) -> Option<f64> {
        self.mean(|at| Some(value(&Retrieval::of(&self.gathered.features[at], self.unit, self.features))))
    }

    /// A rank among units: a single one is always the first.
    fn rank_among(&self, value: impl Fn(&Retrieval) -> f64) -> Option<f64> {
        (self.features.len() > 1).then(|| self.retrieval(value))?
    }

    fn witness_top5(&self) -> Option<f64> {
        let seen = self.seen?;
        self.mean(|at| seen.holds_class(self.unit, at).map(|holds| f64::from(u8::from(holds))))
    }

    fn by_witness(&self, value: impl Fn(&Retrieval) -> f64) -> Option<f64> {
        let seen = self.seen?;
        self.mean(|at| Some(value(&seen.retrieval(self.unit, at))))
    }

    fn by_witness_among(&self, value: impl Fn(&Retrieval) -> f64) -> Option<f64> {
        (self.features.len() > 1).then(|| self.by_witness(value))?
    }
}
