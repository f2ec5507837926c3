//! `--config FILE.toml`: flags from a file.
//!
//! The file's keys are flag names, at the top for every command or in a table named like a command. They are put
//! before the flags that were typed. One that was typed itself, in any spelling, or that excludes one that was typed, is left
//! out: so what was typed wins.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context, bail};
use toml::{Table, Value};

/// The flags of a file, for the command that was typed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flags {
    /// Where the command stands among the arguments, and its name.
    at: usize,
    command: String,
    /// Each with the arguments that say it.
    flags: Vec<(String, Vec<OsString>)>,
}

impl Flags {
    /// Those of the file that `--config` names; none without it.
    ///
    /// # Errors
    /// If the file cannot be read, or is not a table of flags.
    pub(crate) fn read(arguments: &[OsString], is_command: impl Fn(&str) -> bool) -> anyhow::Result<Self> {
        let Some(path) = path(arguments) else { return Ok(Self::default()) };
        let text = neuron_data::read_text(&path).context("the configuration")?;
        let table: Table = text.parse().with_context(|| format!("{} is not a TOML file", path.display()))?;
        let names_one = |argument: &OsString| argument.to_str().is_some_and(&is_command);
        let Some(at) = arguments.iter().position(names_one) else { return Ok(Self::default()) };
        let command = arguments[at].to_string_lossy().into_owned();

        let mut flags = Vec::new();
        let mut add = |key: &str, value: &Value| -> anyhow::Result<()> {
            flags.push((key.to_owned(), flag(key, value).with_context(|| path.display().to_string())?));
            Ok(())
        };
        for (key, value) in &table {
            match value {
                Value::Table(_) if !is_command(key) => {
                    bail!("{}: there is no command {key}", path.display())
                }
                Value::Table(own) if *key == command => {
                    own.iter().try_for_each(|(key, value)| add(key, value))?;
                }
                Value::Table(_) => {}
                value => add(key, value)?,
            }
        }
        Ok(Self { at, command, flags })
    }

    /// Arguments with these flags behind the command's name, before what was typed.
    pub(crate) fn before(&self, typed: &[OsString]) -> Vec<OsString> {
        let mut expanded = typed.to_vec();
        let at = (self.at + 1).min(typed.len());
        expanded.splice(at..at, self.flags.iter().flat_map(|(_, arguments)| arguments.clone()));
        expanded
    }

    /// Without those that were typed, or that exclude what was.
    pub(crate) fn unless_typed(mut self, typed: &[OsString], definition: &clap::Command) -> Self {
        let typed = Typed::of(typed, [definition.find_subcommand(&self.command), Some(definition)]);
        self.flags.retain(|(name, _)| !typed.replaces(name));
        self
    }
}

/// The flags that were typed.
struct Typed<'a> {
    /// The command, and the flags of all commands.
    commands: [Option<&'a clap::Command>; 2],
    flags: Vec<&'a clap::Arg>,
}

impl<'a> Typed<'a> {
    fn of(arguments: &[OsString], commands: [Option<&'a clap::Command>; 2]) -> Self {
        let mut typed = Self { commands, flags: Vec::new() };
        let words =
            arguments.iter().take_while(|argument| *argument != "--").filter_map(|word| word.to_str());
        let names = words
            .filter_map(|word| word.strip_prefix("--"))
            .map(|word| word.split('=').next().unwrap_or(word));
        typed.flags = names.filter_map(|name| typed.flag(name)).collect();
        typed
    }

    /// The flag of a name, in any of its spellings.
    fn flag(&self, name: &str) -> Option<&'a clap::Arg> {
        let has_name = |flag: &&clap::Arg| {
            flag.get_long() == Some(name) || flag.get_all_aliases().unwrap_or_default().contains(&name)
        };
        self.commands.into_iter().flatten().find_map(|command| command.get_arguments().find(has_name))
    }

    /// Whether a flag was typed, or one that excludes it.
    fn replaces(&self, name: &str) -> bool {
        let Some(flag) = self.flag(name) else { return false };
        let excludes = |one: &clap::Arg, other: &clap::Arg| {
            let command =
                self.commands.into_iter().flatten().find(|command| {
                    command.get_arguments().any(|argument| argument.get_id() == one.get_id())
                });
            command.is_some_and(|command| {
                command.get_arg_conflicts_with(one).iter().any(|excluded| excluded.get_id() == other.get_id())
            })
        };
        let is_replaced = |typed: &&clap::Arg| {
            typed.get_id() == flag.get_id() || excludes(typed, flag) || excludes(flag, typed)
        };
        self.flags.iter().any(is_replaced)
    }
}

/// The value of `--config` among the arguments.
pub(crate) fn path(arguments: &[OsString]) -> Option<PathBuf> {
    let mut arguments = arguments.iter().take_while(|argument| *argument != "--");
    while let Some(argument) = arguments.next() {
        if argument == "--config" {
            return arguments.next().map(PathBuf::from);
        }
        if let Some(path) = argument.to_str().and_then(|argument| argument.strip_prefix("--config=")) {
            return Some(PathBuf::from(path));
        }
    }
    None
}

/// `key = value` as arguments.
fn flag(key: &str, value: &Value) -> anyhow::Result<Vec<OsString>> {
    let plain = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        _ => None,
    };
    let text = match value {
        Value::Boolean(true) => return Ok(vec![format!("--{key}").into()]),
        Value::Boolean(false) => return Ok(Vec::new()),
        Value::Array(values) => {
            values.iter().map(plain).collect::<Option<Vec<_>>>().map(|values| values.join(","))
        }
        value => plain(value),
    };
    let text =
        text.with_context(|| format!("{key}: expected text, a number, true, false or a list of those"))?;
    Ok(vec![format!("--{key}={text}").into()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(toml: &str, typed: &str) -> anyhow::Result<Vec<String>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("neuron.toml");
        std::fs::write(&path, toml)?;
        let mut arguments: Vec<OsString> = typed.split(' ').map(OsString::from).collect();
        arguments.push(format!("--config={}", path.display()).into());
        let definition = definition();
        let flags = Flags::read(&arguments, |name| definition.find_subcommand(name).is_some())?;
        let expanded = flags.unless_typed(&arguments, &definition).before(&arguments);
        Ok(expanded[..expanded.len() - 1].iter().map(|a| a.to_string_lossy().into_owned()).collect())
    }

    fn definition() -> clap::Command {
        let flag = |name: &'static str| clap::Arg::new(name).long(name);
        let fvis = clap::Command::new("fvis")
            .arg(flag("lr"))
            .arg(flag("channels").visible_alias("channel"))
            .arg(flag("class").conflicts_with("channels"));
        clap::Command::new("neuron")
            .arg(flag("data").global(true))
            .subcommand(fvis)
            .subcommand(clap::Command::new("baseline"))
    }

    #[test]
    fn what_was_typed_replaces_what_the_file_says() -> anyhow::Result<()> {
        let toml = "data = 'photos'\n[fvis]\nlr = 0.5\nchannels = [1, 2]\n";
        for (typed, expected) in [
            ("neuron fvis --channel 3", "neuron fvis --data=photos --lr=0.5 --channel 3"),
            ("neuron fvis --class=tench", "neuron fvis --data=photos --lr=0.5 --class=tench"),
            ("neuron --data mine fvis", "neuron --data mine fvis --channels=1,2 --lr=0.5"),
        ] {
            assert_eq!(expanded(toml, typed)?.join(" "), expected);
        }
        Ok(())
    }

    #[test]
    fn flags_of_the_file_come_before_those_that_were_typed() -> anyhow::Result<()> {
        let toml =
            "data = 'photos'\n[fvis]\nlr = 0.5\ndo-flip = true\nchannels = [1, 2]\n[baseline]\nchs = 3\n";
        let arguments = expanded(toml, "neuron fvis --lr 1")?.join(" ");
        assert_eq!(arguments, "neuron fvis --data=photos --channels=1,2 --do-flip --lr 1");
        Ok(())
    }

    #[test]
    fn a_table_that_is_no_command_is_an_error() {
        let error = expanded("[fviss]\nlr = 1\n", "neuron fvis").unwrap_err();
        assert!(format!("{error:#}").contains("there is no command fviss"), "{error:#}");
    }
}
