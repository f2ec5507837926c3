use std::fs;
use std::io::{self, Cursor};
use std::ops::ControlFlow;
use std::path::Path;

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};

use crate::class::Class;
use crate::error::DemoError;
use crate::picture::Picture;

/// A file beside the classes' folders: by it a scan of a folder above knows that the pictures were drawn.
const MARK: &str = "neuron-demo.json";
/// Always the same, whatever was drawn.
const MARK_BYTES: &[u8] = b"{\n  \"drawn_by\": \"neuron-demo\"\n}\n";

/// Some pictures of every class, as class folders of PNG files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// Pictures of each class.
    pub per_class: usize,
    /// Where chance begins.
    pub seed: u64,
    /// What happens to files that are there and hold something else.
    pub existing: Existing,
}

/// What happens to a file that stands where a picture belongs and is not that picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and writing fails.
    #[default]
    Keep,
    /// It is replaced.
    Replace,
}

impl Dataset {
    /// Number of pictures.
    pub fn len(&self) -> usize {
        self.per_class * Class::ALL.len()
    }

    /// Whether there are no pictures.
    pub fn is_empty(&self) -> bool {
        self.per_class == 0
    }

    /// Draws every picture into `<folder>/<class>/<class>-<index>.png`.
    ///
    /// The first file is `<folder>/neuron-demo.json`: `neuron-data` leaves out such a folder where it lies among other
    /// images. Pictures that are there already stay untouched, so that a run which was stopped can be repeated. Each file is
    /// written beside its place and renamed. `event` is called after each picture with the number of those that are
    /// done.
    ///
    /// # Errors
    /// [`DemoError::Occupied`] if another file is in a picture's place, [`DemoError::Write`] if a folder or file
    /// cannot be written, [`DemoError::Stopped`] if `event` breaks.
    pub fn write(
        &self,
        folder: &Path,
        event: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<(), DemoError> {
        fs::create_dir_all(folder).map_err(|source| DemoError::Write { path: folder.to_owned(), source })?;
        self.write_file(&folder.join(MARK), MARK_BYTES)?;
        let mut done = 0;
        for class in Class::ALL {
            let folder = folder.join(class.name());
            fs::create_dir_all(&folder)
                .map_err(|source| DemoError::Write { path: folder.clone(), source })?;
            for index in 0..self.per_class {
                let path = folder.join(format!("{class}-{index:03}.png"));
                self.write_picture(class, index, &path)?;
                done += 1;
                if event(done).is_break() {
                    return Err(DemoError::Stopped);
                }
            }
        }
        Ok(())
    }

    fn write_picture(&self, class: Class, index: usize, path: &Path) -> Result<(), DemoError> {
        let mut bytes = Vec::new();
        encode(&Picture::draw(class, self.seed, index), &mut bytes)
            .map_err(|source| DemoError::Write { path: path.to_owned(), source })?;
        self.write_file(path, &bytes)
    }

    fn write_file(&self, path: &Path, bytes: &[u8]) -> Result<(), DemoError> {
        let written = |result: io::Result<()>| {
            result.map_err(|source| DemoError::Write { path: path.to_owned(), source })
        };
        match fs::read(path) {
            Ok(found) if found == bytes => return Ok(()),
            Ok(_) if self.existing == Existing::Keep => {
                return Err(DemoError::Occupied { path: path.to_owned() });
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => written(Err(error))?,
            Ok(_) | Err(_) => {}
        }
        written(neuron_files::write_bytes(path, bytes))
    }
}

fn encode(picture: &Picture, bytes: &mut Vec<u8>) -> io::Result<()> {
    let (width, height) = (picture.width as u32, picture.height as u32);
    let encoder = PngEncoder::new(Cursor::new(bytes));
    encoder.write_image(&picture.pixels, width, height, ExtendedColorType::Rgb8).map_err(io::Error::other)
}
