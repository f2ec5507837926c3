use std::fs;
use std::path::Path;

use neuron_test_stores::{Fault, web};

use super::index::{NAME, keep_indices, lock, name, use_indices};
use super::kinds::kind_of;

/// Lists an archive as a new run does.
fn listed(address: &str) -> Result<Vec<String>, String> {
    let place = Path::new(address);
    let contents = (kind_of(place).unwrap().open)(place).map_err(|error| error.to_string())?;
    Ok((0..contents.len()).map(|index| contents.name(index).to_owned()).collect())
}

#[test]
fn what_is_known_is_not_asked_for_again_and_is_carried_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes) in [("a/1.cls", &b"7"[..]), ("a/1.png", &[0; 3000]), ("a/2.png", &[0; 3000])] {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, name, bytes).unwrap();
    }
    fs::create_dir(folder.path().join("served")).unwrap();
    fs::write(folder.path().join("served/x.tar"), tar.into_inner().unwrap()).unwrap();
    let server = web(&folder.path().join("served"));
    let address = format!("{}/x.tar", server.address());
    let [first, second] = ["first", "second"].map(|name| folder.path().join(name));

    keep_indices(&first);
    let names = listed(&address).unwrap();
    assert_eq!(names, ["a/1.png", "a/2.png"]);
    server.faults().add("GET", Fault::Status(404), usize::MAX);
    assert_eq!(listed(&address).unwrap(), names);

    // Another run, which keeps what it knows elsewhere.
    lock().clear();
    use_indices(&first);
    keep_indices(&second);
    assert_eq!(listed(&address).unwrap(), names);
    let kept = |folder: &Path| fs::read(folder.join(NAME).join(name(Path::new(&address)))).unwrap();
    assert_eq!(kept(&first), kept(&second));

    // Without it, the archive is asked for.
    lock().clear();
    assert!(listed(&address).unwrap_err().contains("is not there"));
}
