/// Names in one string: 1.28 million of ImageNet's take about 70 MB.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    text: String,
    /// One past each name's last byte; it starts where the one before ends.
    ends: Vec<u64>,
}

impl Names {
    /// No names.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a name.
    pub fn push(&mut self, name: &str) {
        self.push_joined(&[name]);
    }

    /// Adds a name that is these parts with `/` between them, but for empty ones.
    pub fn push_joined(&mut self, parts: &[&str]) {
        let start = self.text.len();
        for part in parts.iter().filter(|part| !part.is_empty()) {
            if self.text.len() > start {
                self.text.push('/');
            }
            self.text.push_str(part);
        }
        self.ends.push(self.text.len() as u64);
    }

    /// Number of names.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// A name.
    ///
    /// # Panics
    /// If `index >= len()`.
    pub fn get(&self, index: usize) -> &str {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        &self.text[start..self.ends[index] as usize]
    }

    /// Gives memory back that is kept for more names.
    pub fn shrink_to_fit(&mut self) {
        self.text.shrink_to_fit();
        self.ends.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kept_apart() {
        let mut names = Names::new();
        assert!(names.is_empty());
        names.push("a/1.png");
        names.push("");
        names.push_joined(&["", "train", "b", "", "2.png"]);
        names.shrink_to_fit();
        let all: Vec<&str> = (0..names.len()).map(|index| names.get(index)).collect();
        assert_eq!(all, ["a/1.png", "", "train/b/2.png"]);
    }
}
