use std::fmt;

use crate::options::Split;

/// Something about a data set that its owner may not expect: mostly what was left out.
///
/// Displayed as one line. Names begin below the data folder.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// Images that lie beside class folders, which do not belong to the set, as in torchvision's `ImageFolder`.
    LooseImages {
        /// How many.
        count: usize,
        /// One of them.
        example: String,
    },
    /// Folders that `neuron` wrote, and pictures that it wrote into other folders.
    Results {
        /// How many folders, not counting those below them.
        folders: usize,
        /// How many pictures in other folders.
        pictures: usize,
        /// One of them.
        example: String,
    },
    /// A split was asked for, but the folder has none.
    NoSplits {
        /// The split.
        asked: Split,
    },
    /// Folders with images that lie beside those of the splits.
    BesideSplit {
        /// The split that is used.
        split: Split,
        /// The folders.
        folders: Vec<String>,
    },
    /// Folders that are called like splits and were read as classes.
    ReadAsClasses {
        /// The folders.
        folders: Vec<String>,
    },
    /// A folder with splits that lies inside a class, so that both are read as parts of that class.
    SplitsInside {
        /// The folder that holds `train` and `val`.
        folder: String,
    },
    /// Pictures by their ending that are not looked at.
    OtherPictures {
        /// The ending.
        ending: &'static str,
        /// How many files have it.
        count: usize,
        /// One of them.
        example: String,
    },
    /// Symbolic links that lead nowhere and could have been folders.
    DeadLinks {
        /// How many.
        count: usize,
        /// One of them.
        example: String,
    },
    /// Members of archives that are no images by their ending, and say nothing of images.
    OtherMembers {
        /// How many.
        count: usize,
        /// One of them.
        example: String,
    },
    /// Members of archives that are no plain files: links, devices, files with holes.
    SpecialMembers {
        /// How many.
        count: usize,
        /// One of them.
        example: String,
    },
    /// Archives that end without the mark of their end.
    NoEnd {
        /// How many.
        count: usize,
        /// One of them.
        example: String,
    },
    /// Zips with several members of one name, of which only the last is read.
    RepeatedMembers {
        /// How many zips.
        count: usize,
        /// One of them.
        example: String,
    },
    /// Members beside images that should say what they show, and cannot be understood.
    OtherLabels {
        /// How many.
        count: usize,
        /// One of them.
        example: String,
    },
    /// Archives that are not read, as they belong to another split, or lie beside images.
    OtherArchives {
        /// How many.
        count: usize,
        /// One of them.
        example: String,
    },
    /// Archives that are compressed as a whole.
    CompressedArchives {
        /// How many.
        count: usize,
        /// One of them.
        example: String,
    },
    /// Entries of a list that name an image which an earlier line names too.
    Repeated {
        /// How many.
        count: usize,
        /// One of them.
        example: String,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LooseImages { count, example } => {
                let images = counted(*count, "image");
                write!(f, "left out: {images} beside the class folders, such as `{example}`")
            }
            Self::Results { folders, pictures, example } => {
                let found: Vec<String> = [(*folders, "folder"), (*pictures, "picture")]
                    .into_iter()
                    .filter(|(count, _)| *count > 0)
                    .map(|(count, what)| counted(count, what))
                    .collect();
                write!(f, "left out: {} of results, such as `{example}`", found.join(" and "))
            }
            Self::NoSplits { asked } => {
                write!(
                    f,
                    "the split `{}` has no effect, as there is no folder `train` or `val`: all images are used",
                    asked.name()
                )
            }
            Self::BesideSplit { split, folders } => write!(
                f,
                "left out: the images in {}, which are beside `{}`; to use them, name their folder as the data",
                names(folders),
                split.name()
            ),
            Self::ReadAsClasses { folders } => write!(
                f,
                "{} {}, like the other folders; to use such a folder alone, name it as the data",
                names(folders),
                if folders.len() == 1 { "is read as a class" } else { "are read as classes" }
            ),
            Self::SplitsInside { folder } => write!(
                f,
                "`{folder}` holds `train` and `val`, which are read together; to use one of them, name `{folder}` as \
                 the data"
            ),
            Self::OtherPictures { ending, count, example } => {
                let files = counted(*count, "file");
                write!(
                    f,
                    "left out: {files} ending in `.{ending}`, such as `{example}`; {}",
                    way_out(ending, example)
                )
            }
            Self::DeadLinks { count, example } => {
                let links = counted(*count, "broken symbolic link");
                write!(f, "left out: {links}, such as `{example}`")
            }
            Self::OtherMembers { count, example } => {
                let members = counted(*count, "member");
                write!(
                    f,
                    "left out: {members} of archives that are no images by their names, such as `{example}`"
                )
            }
            Self::SpecialMembers { count, example } => {
                let members = counted(*count, "member");
                write!(
                    f,
                    "left out: {members} of archives that are links, devices or files with holes, such as \
                     `{example}`; pack the files themselves"
                )
            }
            Self::NoEnd { count, example } => {
                let archives = counted(*count, "archive");
                write!(
                    f,
                    "{archives} without the mark of an end, such as `{example}`: if it was cut off, images are missing"
                )
            }
            Self::RepeatedMembers { count, example } => {
                let archives = counted(*count, "archive");
                write!(
                    f,
                    "left out: members of {archives}, such as `{example}`, that a later one of the same name replaces; \
                     pack them under other names"
                )
            }
            Self::OtherLabels { count, example } => {
                let labels = counted(*count, "label");
                write!(
                    f,
                    "not understood: {labels} of images, such as `{example}`; these images have no class from there"
                )
            }
            Self::OtherArchives { count, example } => {
                let archives = counted(*count, "archive");
                write!(f, "left out: {archives}, such as `{example}`; to use one, name it as the data")
            }
            Self::CompressedArchives { count, example } => {
                let archives = counted(*count, "compressed archive");
                write!(
                    f,
                    "left out: {archives}, such as `{example}`: unpack them, or pack their images as a plain .tar"
                )
            }
            Self::Repeated { count, example } => {
                let lines =
                    if *count == 1 { "1 line repeats".to_owned() } else { format!("{count} lines repeat") };
                write!(f, "{lines} an earlier one of the list, such as `{example}`; each counts as an image")
            }
        }
    }
}

/// What to do about a picture with an ending that does not count.
fn way_out(ending: &str, example: &str) -> &'static str {
    let is_jpeg = ["jfif", "jpe", "jif", "pjpeg", "pjp"].contains(&ending);
    match () {
        () if is_jpeg => "rename such files to .jpg",
        () if example.ends_with(char::is_whitespace) => "remove the blank at the end of their names",
        () => "convert such files to JPEG or PNG",
    }
}

/// `1 image`, `2 images`.
fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// The first few names.
fn names(all: &[String]) -> String {
    const SHOWN: usize = 3;
    let shown: Vec<String> = all.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    let more = all.len().saturating_sub(SHOWN);
    match more {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_notice_is_a_line_that_names_the_thing() {
        let example = || "x/1.heic".to_owned();
        let folders = || ["car", "cat", "dog", "truck"].map(str::to_owned).to_vec();
        let notices = [
            (
                Notice::LooseImages { count: 1, example: example() },
                "left out: 1 image beside the class folders",
            ),
            (
                Notice::Results { folders: 2, pictures: 1, example: example() },
                "left out: 2 folders and 1 picture of results, such as `x/1.heic`",
            ),
            (
                Notice::Results { folders: 0, pictures: 3, example: example() },
                "left out: 3 pictures of results",
            ),
            (Notice::NoSplits { asked: Split::Val }, "the split `val` has no effect"),
            (
                Notice::BesideSplit { split: Split::Train, folders: folders() },
                "the images in `car`, `cat`, `dog` and 1 more, which are beside `train`",
            ),
            (
                Notice::SplitsInside { folder: "x/y".into() },
                "`x/y` holds `train` and `val`, which are read together; to use one",
            ),
            (Notice::ReadAsClasses { folders: vec!["train".into()] }, "`train` is read as a class"),
            (
                Notice::OtherPictures { ending: "heic", count: 2, example: example() },
                "2 files ending in `.heic`, such as `x/1.heic`; convert such files",
            ),
            (
                Notice::OtherPictures { ending: "jfif", count: 1, example: example() },
                "rename such files to .jpg",
            ),
            (
                Notice::OtherPictures { ending: "jpg", count: 1, example: "a.jpg ".into() },
                "remove the blank at the end",
            ),
            (Notice::DeadLinks { count: 2, example: example() }, "2 broken symbolic links"),
            (
                Notice::OtherMembers { count: 2, example: example() },
                "2 members of archives that are no images by their names, such as `x/1.heic`",
            ),
            (Notice::SpecialMembers { count: 1, example: example() }, "1 member of archives that are links"),
            (Notice::NoEnd { count: 1, example: "a.tar".into() }, "1 archive without the mark of an end"),
            (
                Notice::RepeatedMembers { count: 1, example: "a.zip".into() },
                "left out: members of 1 archive, such as `a.zip`, that a later one",
            ),
            (Notice::OtherLabels { count: 1, example: "1.cls".into() }, "1 label of images, such as `1.cls`"),
            (Notice::OtherArchives { count: 3, example: "a.tar".into() }, "left out: 3 archives, such as"),
            (
                Notice::CompressedArchives { count: 1, example: "a.tgz".into() },
                "1 compressed archive, such as",
            ),
            (Notice::Repeated { count: 2, example: example() }, "2 lines repeat an earlier one of the list"),
        ];
        for (notice, expected) in notices {
            let text = notice.to_string();
            assert!(text.contains(expected) && !text.contains('\n'), "{text}");
        }
    }
}
