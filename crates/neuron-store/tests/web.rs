//! Reading from a server that fails on demand.

use std::fs;
use std::time::Duration;

use neuron_store::{Reader, StoreError, about, check, list, read};
use neuron_test_stores::{Fault, Server, web};

/// Bytes that tell where they are.
fn content(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at / 7 + at / 5000) as u8).collect()
}

fn served(files: &[(&str, usize)]) -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        fs::write(folder.path().join(name), content(*bytes)).unwrap();
    }
    let server = web(folder.path());
    (folder, server)
}

/// A reader that has read nothing, as if another run had begun.
fn reader(server: &Server, name: &str) -> Reader {
    Reader::of(&about(&format!("{}/{name}", server.address())).unwrap())
}

fn at(reader: &Reader, offset: u64, bytes: usize) -> Result<Vec<u8>, StoreError> {
    let mut buffer = vec![0; bytes];
    reader.read_at(offset, &mut buffer).map(|()| buffer)
}

#[test]
fn what_is_read_in_order_comes_in_blocks_and_the_rest_as_it_is_asked_for() {
    let bytes = 12_000_000;
    let (_folder, server) = served(&[("a.tar", bytes)]);
    let all = content(bytes);
    let before = server.faults().requests("GET");
    let in_order = reader(&server, "a.tar");
    for offset in (0..bytes).step_by(100_000) {
        assert_eq!(at(&in_order, offset as u64, 100_000).unwrap(), all[offset..offset + 100_000]);
    }
    assert_eq!(server.faults().requests("GET") - before, 6);
    let here_and_there = reader(&server, "a.tar");
    for offset in [9_000_000, 4_500_000, 11_999_000] {
        assert_eq!(at(&here_and_there, offset as u64, 1000).unwrap(), all[offset..offset + 1000]);
    }
    assert_eq!(server.faults().requests("GET") - before, 9);
    assert!(at(&in_order, 11_999_001, 1000).unwrap_err().to_string().contains("ends before byte 12000001"));
    assert!(at(&in_order, u64::MAX, 0).is_err());
}

#[test]
fn what_fails_in_passing_is_asked_for_again() {
    let (_folder, server) = served(&[("a.tar", 3_000_000)]);
    let all = content(3_000_000);
    for fault in [
        Fault::Status(500),
        Fault::Status(503),
        Fault::Status(429),
        Fault::Cut(1000),
        Fault::Cut(0),
        Fault::Slow(Duration::from_millis(200)),
    ] {
        let reader = reader(&server, "a.tar");
        server.faults().add("GET /a.tar", fault, 2);
        assert_eq!(at(&reader, 0, 3_000_000).unwrap(), all, "{fault:?}");
        server.faults().clear();
    }
}

#[test]
fn what_fails_for_good_is_said() {
    let (folder, server) = served(&[("a.tar", 50), ("b.tar", 60), ("c.png", 70)]);
    let address = |name: &str| format!("{}/{name}", server.address());
    let said = about(&address("gone.tar")).unwrap_err();
    assert!(matches!(said, StoreError::NotFound { .. }), "{said}");
    server.faults().add("a.tar", Fault::Status(403), 9);
    let said = about(&address("a.tar")).unwrap_err();
    assert!(said.to_string().contains("credentials"), "{said}");
    server.faults().clear();

    let changing = reader(&server, "b.tar");
    fs::write(folder.path().join("b.tar"), content(61)).unwrap();
    let said = at(&changing, 0, 60).unwrap_err();
    assert!(matches!(said, StoreError::Changed { .. }), "{said}");

    let said = read(&address("c.png"), 69).unwrap_err();
    assert!(matches!(said, StoreError::TooLarge { bytes: 70, limit: 69, .. }), "{said}");
    assert_eq!(read(&address("c.png"), 70).unwrap(), content(70));
    let said = list(&address("")).unwrap_err().to_string();
    assert!(said.contains("name files"), "{said}");
    assert!(check(&address("")).is_ok());
}

#[test]
fn a_store_that_fails_for_several_objects_is_asked_no_more() {
    let (_folder, server) = served(&[("a", 1), ("b", 1), ("c", 1), ("d", 1)]);
    let address = |name: &str| format!("{}/{name}", server.address());
    server.faults().add("GET", Fault::Status(404), 1);
    assert!(read(&address("d"), 9).is_err());
    server.faults().add("GET", Fault::Status(500), usize::MAX);
    for name in ["a", "b", "c"] {
        let said = read(&address(name), 9).unwrap_err();
        assert!(matches!(said, StoreError::Failed { .. }), "{said}");
    }
    let before = server.faults().requests("GET");
    let said = read(&address("d"), 9).unwrap_err();
    assert!(matches!(said, StoreError::Down { .. }), "{said}");
    assert!(check(&address("")).is_err());
    assert_eq!(server.faults().requests("GET"), before);
}
