//! The same images in a folder, tars, a zip and Parquet: seconds to list, images a second, and memory at its highest.
//!
//! `cargo bench -p neuron-data --bench archives [--features cloud] [-- DATA_FOLDER]`. With the feature also from an S3
//! server on this machine, near and at a distance of twenty milliseconds a request. Packs copies into a temporary folder; each place is
//! read by a process of its own, in turn.

use std::fs;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use neuron_data::{Dataset, DatasetOptions, Limits, Loader, LoaderOptions, Preprocessing};
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

const ROUNDS: usize = 5;
const SHARDS: usize = 4;
/// As `datasets` writes images.
const ROWS_A_GROUP: usize = 100;

fn main() {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    if let [measure, place] = &*arguments
        && measure == "measure"
    {
        return measure_here(Path::new(place));
    }
    let Some(folder) = data_folder(arguments.first()) else {
        println!("left out: no photos (set NEURON_SHARED, or give a data folder)");
        return;
    };
    let temporary = tempfile::tempdir().expect("a temporary folder");
    let packed = temporary.path().join("bucket");
    fs::create_dir(&packed).expect("a temporary folder");
    let mut places = pack(&folder, &packed);
    #[cfg(feature = "cloud")]
    let _servers = store(&folder, &packed, &mut places);
    // The first round warms the page cache and is thrown away.
    let mut rounds: Vec<Vec<[f64; 4]>> = Vec::new();
    for _ in 0..=ROUNDS {
        rounds.push(places.iter().map(measure_there).collect());
    }
    println!("{}: {ROUNDS} rounds, medians", folder.display());
    println!("| images in | listed in, ms | read alone, images/s | loaded, images/s | highest memory, MB |");
    println!("|---|---|---|---|---|");
    for (at, Place { name, .. }) in places.iter().enumerate() {
        let of = |column: usize| median(rounds[1..].iter().map(|round| round[at][column]));
        println!("| {name} | {:.1} | {:.0} | {:.1} | {:.0} |", of(0), of(1), of(2), of(3));
    }
}

/// The first argument, else the sample of the reference data.
fn data_folder(given: Option<&String>) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let sample =
        || std::env::var_os("NEURON_SHARED").map_or_else(beside, PathBuf::from).join("imagenet-sample/train");
    let folder = given.map_or_else(sample, PathBuf::from);
    folder.is_dir().then_some(folder)
}

/// Opens a place and goes through it twice: bytes alone, then as a scan does; prints what that took.
fn measure_here(place: &Path) {
    let start = Instant::now();
    let dataset = Arc::new(Dataset::open(place, &DatasetOptions::default()).expect("images"));
    let listed = start.elapsed().as_secs_f64();
    let start = Instant::now();
    let mut buffer = Vec::new();
    for index in 0..dataset.len() {
        let _ = std::hint::black_box(dataset.read(index, &Limits::default(), &mut buffer));
    }
    let read = start.elapsed().as_secs_f64();
    let start = Instant::now();
    let options = LoaderOptions { threads: 2, ..LoaderOptions::default() };
    let mut loader = Loader::new(Arc::clone(&dataset), 0..dataset.len(), &Preprocessing::default(), &options)
        .expect("threads");
    while let Some(batch) = loader.next() {
        loader.recycle(batch);
    }
    let images = dataset.len() as f64;
    println!(
        "{} {} {} {}",
        1e3 * listed,
        images / read,
        images / start.elapsed().as_secs_f64(),
        highest_memory()
    );
}

/// Megabytes that this process has held at most, where the system says so.
fn highest_memory() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok());
    kilobytes.unwrap_or(f64::NAN) / 1e3
}

fn measure_there(place: &Place) -> [f64; 4] {
    let program = std::env::current_exe().expect("this program");
    let mut command = Command::new(program);
    let measured = command.arg("measure").arg(&place.path).envs(place.environment.iter().cloned());
    let output = measured.output().expect("it starts again");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let numbers: Vec<f64> = text.split_whitespace().filter_map(|number| number.parse().ok()).collect();
    numbers.try_into().unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)))
}

/// Where images lie.
struct Place {
    name: String,
    path: PathBuf,
    environment: Vec<(&'static str, String)>,
}

/// Adds what lies in stores; the servers run until they are dropped. That of S3 reads an object whole for every part of it,
/// which says nothing of archives: those come from a web server.
#[cfg(feature = "cloud")]
fn store(folder: &Path, packed: &Path, places: &mut Vec<Place>) -> Vec<neuron_test_stores::Server> {
    use std::time::Duration;

    use neuron_test_stores::{Fault, Server, environment, s3, web};

    let dataset = Dataset::open(folder, &DatasetOptions::default()).expect("images");
    for index in 0..dataset.len() {
        let copy = packed.join("folder").join(dataset.name(index));
        fs::create_dir_all(copy.parent().expect("a folder")).expect("a temporary folder");
        fs::copy(dataset.entry(index), copy).expect("a temporary file");
    }
    let slowed = |server: Server, milliseconds: u64| {
        if milliseconds > 0 {
            server.faults().add("", Fault::Slow(Duration::from_millis(milliseconds)), usize::MAX);
        }
        server
    };
    let mut servers = Vec::new();
    for (distance, milliseconds) in [("", 0), (" at 20 ms", 20)] {
        let objects = slowed(s3(packed.parent().expect("a folder")), milliseconds);
        let archives = slowed(web(packed), milliseconds);
        places.push(Place {
            name: format!("objects in S3{distance}"),
            path: "s3://bucket/folder".into(),
            environment: environment(&objects),
        });
        for (name, path) in [
            ("four tars", "shards/{0..3}.tar"),
            ("a zip, stored", "stored.zip"),
            ("Parquet, groups of 100 rows", "groups.parquet"),
        ] {
            places.push(Place {
                name: format!("{name}, on a web server{distance}"),
                path: format!("{}/{path}", archives.address()).into(),
                environment: Vec::new(),
            });
        }
        servers.extend([objects, archives]);
    }
    servers
}

/// Packs copies of the images in every way.
fn pack(folder: &Path, into: &Path) -> Vec<Place> {
    let dataset = Dataset::open(folder, &DatasetOptions::default()).expect("images");
    let images: Vec<(&str, Vec<u8>)> = (0..dataset.len())
        .map(|index| {
            let mut bytes = Vec::new();
            dataset.read(index, &Limits::default(), &mut bytes).expect("an image");
            (dataset.name(index), bytes)
        })
        .collect();
    let at = |name: &str| into.join(name);
    fs::create_dir(at("shards")).expect("a temporary folder");
    for (shard, images) in images.chunks(images.len().div_ceil(SHARDS)).enumerate() {
        fs::write(at(&format!("shards/{shard}.tar")), tar(images)).expect("a temporary file");
    }
    fs::write(at("stored.zip"), zip(&images, zip::CompressionMethod::Stored)).expect("a temporary file");
    fs::write(at("deflated.zip"), zip(&images, zip::CompressionMethod::Deflated)).expect("a temporary file");
    fs::write(at("groups.parquet"), table(&images, ROWS_A_GROUP)).expect("a temporary file");
    fs::write(at("group.parquet"), table(&images, images.len())).expect("a temporary file");
    let places = [
        ("a folder", folder.to_owned()),
        ("four tars", at("shards")),
        ("a zip, stored", at("stored.zip")),
        ("a zip, deflated", at("deflated.zip")),
        ("Parquet, groups of 100 rows", at("groups.parquet")),
        ("Parquet, one group", at("group.parquet")),
    ];
    let place =
        |(name, path): (&str, PathBuf)| Place { name: name.to_owned(), path, environment: Vec::new() };
    places.map(place).into()
}

fn tar(images: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes) in images {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, name, &**bytes).expect("memory takes everything");
    }
    tar.into_inner().expect("memory takes everything")
}

fn zip(images: &[(&str, Vec<u8>)], method: zip::CompressionMethod) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in images {
        let options = zip::write::SimpleFileOptions::default().compression_method(method);
        zip.start_file(*name, options).expect("memory takes everything");
        zip.write_all(bytes).expect("memory takes everything");
    }
    zip.finish().expect("memory takes everything").into_inner()
}

fn table(images: &[(&str, Vec<u8>)], per_group: usize) -> Vec<u8> {
    let schema = "message s { optional group image { optional binary bytes; } }";
    let schema = Arc::new(parse_message_type(schema).expect("a schema"));
    let properties = WriterProperties::builder()
        .set_compression(parquet::basic::Compression::SNAPPY)
        .set_dictionary_enabled(false)
        .set_statistics_enabled(parquet::file::properties::EnabledStatistics::None);
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties.build()))
        .expect("memory takes everything");
    for images in images.chunks(per_group) {
        let values: Vec<ByteArray> = images.iter().map(|(_, bytes)| ByteArray::from(bytes.clone())).collect();
        let mut group = writer.next_row_group().expect("a group");
        let mut column = group.next_column().expect("a column").expect("the first");
        column
            .typed::<ByteArrayType>()
            .write_batch(&values, Some(&vec![2; values.len()]), None)
            .expect("memory takes everything");
        column.close().expect("memory takes everything");
        group.close().expect("memory takes everything");
    }
    writer.into_inner().expect("memory takes everything")
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
