//! Command lines that this program writes: to be printed, run, or shown beside what they made.

use std::fmt;

/// A command line, the program's name first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CommandLine(Vec<String>);

impl CommandLine {
    pub(crate) fn new(command: &str) -> Self {
        Self(vec!["neuron".to_owned(), command.to_owned()])
    }

    /// As they are parsed, the program's name first.
    pub(crate) fn words(&self) -> Vec<&str> {
        self.0.iter().map(String::as_str).collect()
    }

    /// What is typed behind the program's name, as a shell reads it.
    pub(crate) fn behind_program(&self) -> String {
        Self(self.0[1..].to_vec()).to_string()
    }

    /// With one more word.
    pub(crate) fn word(mut self, word: &str) -> Self {
        self.0.push(word.to_owned());
        self
    }

    /// With a flag and its value. One word, where the value looks like a flag itself.
    pub(crate) fn flag(self, flag: &str, value: &str) -> Self {
        if value.starts_with('-') {
            self.word(&format!("{flag}={value}"))
        } else {
            self.word(flag).word(value)
        }
    }

    /// With a flag, where it has a value.
    pub(crate) fn flag_if(self, flag: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.flag(flag, value),
            None => self,
        }
    }

    /// With a flag that has no value, if it is `set`.
    pub(crate) fn switch(self, flag: &str, set: bool) -> Self {
        if set { self.word(flag) } else { self }
    }
}

/// As a shell reads it.
impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Only a NUL could not be quoted, and no argument of a process holds one.
        f.write_str(&shlex::try_join(self.words()).map_err(|_| fmt::Error)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_what_was_meant() {
        let awkward = [("--out", "a folder/it's $HOME"), ("--arch", "$(rm)"), ("--data", "& \"more\"")];
        let line =
            awkward.iter().fold(CommandLine::new("baseline"), |line, (flag, value)| line.flag(flag, value));
        let read = shlex::split(&line.to_string()).unwrap();
        assert_eq!(read, line.words());
        assert_eq!(read[2..4], ["--out", "a folder/it's $HOME"]);
    }

    #[test]
    fn a_value_is_not_mistaken_for_a_flag() {
        assert_eq!(CommandLine::new("fvis").flag("--out", "-x").to_string(), "neuron fvis '--out=-x'");
    }
}
