//! `--config FILE.toml`: flags from a file.
//!
//! The file's keys are flag names, at the top for every command or in a table named like a command. They are put
//! before the flags that were typed, and for every flag the last value counts: so what was typed wins.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context, bail};
use toml::{Table, Value};

/// The arguments with those of the configuration file put after the command's name.
pub(crate) fn expand(
    arguments: Vec<OsString>,
    is_command: impl Fn(&str) -> bool,
) -> anyhow::Result<Vec<OsString>> {
    let Some(path) = path(&arguments) else { return Ok(arguments) };
    let text = neuron_data::read_text(&path).context("the configuration")?;
    let table: Table = text.parse().with_context(|| format!("{} is not a TOML file", path.display()))?;
    let names_one = |argument: &OsString| argument.to_str().is_some_and(&is_command);
    let Some(at) = arguments.iter().position(names_one) else { return Ok(arguments) };
    let command = arguments[at].to_string_lossy().into_owned();

    let mut flags = Vec::new();
    for (key, value) in &table {
        match value {
            Value::Table(_) if !is_command(key) => {
                bail!("{}: there is no command {key}", path.display())
            }
            Value::Table(own) if *key == command => {
                for (key, value) in own {
                    flags.extend(flag(key, value).with_context(|| path.display().to_string())?);
                }
            }
            Value::Table(_) => {}
            value => flags.extend(flag(key, value).with_context(|| path.display().to_string())?),
        }
    }
    let mut expanded = arguments;
    expanded.splice(at + 1..at + 1, flags);
    Ok(expanded)
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
        let expanded = expand(arguments, |name| ["fvis", "baseline"].contains(&name))?;
        Ok(expanded[..expanded.len() - 1].iter().map(|a| a.to_string_lossy().into_owned()).collect())
    }

    #[test]
    fn flags_of_the_file_come_before_those_that_were_typed() -> anyhow::Result<()> {
        let toml =
            "data = 'photos'\n[fvis]\nlr = 0.5\ndo-flip = true\nchannels = [1, 2]\n[baseline]\nchs = 3\n";
        let arguments = expanded(toml, "neuron fvis --lr 1")?.join(" ");
        assert_eq!(arguments, "neuron fvis --data=photos --channels=1,2 --do-flip --lr=0.5 --lr 1");
        Ok(())
    }

    #[test]
    fn a_table_that_is_no_command_is_an_error() {
        let error = expanded("[fviss]\nlr = 1\n", "neuron fvis").unwrap_err();
        assert!(format!("{error:#}").contains("there is no command fviss"), "{error:#}");
    }
}
