//! How much memory this process may use: what the machine has, or less where a control group says so.

use std::fs;
use std::path::{Path, PathBuf};

use crate::numbers::size;

/// What a limit beyond any machine means: none.
const NO_LIMIT: u64 = 1 << 60;

/// Who allows how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    ControlGroup(u64),
    Machine(u64),
}

/// What to note of a plan that takes so much, if it may be too much.
pub(crate) fn doubt(bytes: f64) -> Option<String> {
    doubt_of(limit(Path::new("/"))?, bytes)
}

fn doubt_of(limit: Limit, bytes: f64) -> Option<String> {
    let (allowed, who) = match limit {
        Limit::ControlGroup(bytes) => (bytes, "the control group of this process allows"),
        Limit::Machine(bytes) => (bytes, "this machine has"),
    };
    (bytes > allowed as f64)
        .then(|| format!("the memory is more than the {} that {who}", size(allowed as f64)))
}

/// The smallest limit, where the system tells any; `root` is that of the file system.
fn limit(root: &Path) -> Option<Limit> {
    let machine = fs::read_to_string(root.join("proc/meminfo")).ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
    });
    let group = fs::read_to_string(root.join("proc/self/cgroup")).ok().and_then(|groups| {
        let limits = groups.lines().filter_map(|line| limit_of_group(root, line));
        limits.min().filter(|bytes| *bytes < NO_LIMIT)
    });
    match (group, machine) {
        (Some(group), machine) if machine.is_none_or(|machine| group < machine) => {
            Some(Limit::ControlGroup(group))
        }
        (_, machine) => machine.map(Limit::Machine),
    }
}

/// The limit of a line of `/proc/self/cgroup`, `number:controllers:path`: of version 2, whose line names no controllers, or
/// of version 1. A group is bounded by those above it.
fn limit_of_group(root: &Path, line: &str) -> Option<u64> {
    let mut parts = line.splitn(3, ':').skip(1);
    let (controllers, path) = (parts.next()?, parts.next()?);
    let (mount, file) = if controllers.is_empty() {
        ("sys/fs/cgroup", "memory.max")
    } else if controllers.split(',').any(|controller| controller == "memory") {
        ("sys/fs/cgroup/memory", "memory.limit_in_bytes")
    } else {
        return None;
    };
    let mount = root.join(mount);
    let own = mount.join(path.trim_start_matches('/'));
    let groups = own.ancestors().take_while(|group| group.starts_with(&mount));
    groups.filter_map(|group: &Path| number(group.join(file))).min()
}

/// `None` where there is no such file, or no limit (`max`).
fn number(path: PathBuf) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A root with these files.
    fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    const MEMINFO: (&str, &str) = ("proc/meminfo", "MemTotal:        8000 kB\nMemFree: 1 kB\n");

    #[test]
    fn a_group_of_version_2_is_bounded_by_those_above_it() {
        let group = |own: &str, above: &str| {
            let root = root(&[
                MEMINFO,
                ("proc/self/cgroup", "0::/job/task\n"),
                ("sys/fs/cgroup/job/task/memory.max", own),
                ("sys/fs/cgroup/job/memory.max", above),
            ]);
            limit(root.path())
        };
        assert_eq!(group("5000\n", "max\n"), Some(Limit::ControlGroup(5000)));
        assert_eq!(group("max\n", "6000\n"), Some(Limit::ControlGroup(6000)));
        assert_eq!(group("max\n", "max\n"), Some(Limit::Machine(8000 * 1024)));
        assert_eq!(group("9000000000\n", "max\n"), Some(Limit::Machine(8000 * 1024)));
    }

    #[test]
    fn a_group_of_version_1_is_found_among_its_controllers() {
        let groups = "4:cpu,cpuacct:/a\n3:memory:/a\n0::/\n";
        let group = |bytes: &str| {
            let root = root(&[
                MEMINFO,
                ("proc/self/cgroup", groups),
                ("sys/fs/cgroup/memory/a/memory.limit_in_bytes", bytes),
            ]);
            limit(root.path())
        };
        assert_eq!(group("7000\n"), Some(Limit::ControlGroup(7000)));
        assert_eq!(group("9223372036854771712\n"), Some(Limit::Machine(8000 * 1024)));
    }

    #[test]
    fn where_nothing_is_told_nothing_is_doubted() {
        assert_eq!(limit(root(&[]).path()), None);
        assert_eq!(doubt_of(Limit::Machine(1 << 30), 1e9), None);
        let doubt = doubt_of(Limit::ControlGroup(500_000_000), 1e9).unwrap();
        assert!(doubt.contains("0.5 GB that the control group"), "{doubt}");
    }
}
