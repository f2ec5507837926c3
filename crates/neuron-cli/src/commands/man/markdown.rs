//! What `--help` says of each command, as a page of Markdown.

use std::fmt::Write;

use clap::{Arg, Command};

use crate::outcome;

/// A page of one command.
pub(super) struct Page {
    /// `neuron-weights-fetch.md` for `neuron weights fetch`.
    pub(super) file: String,
    pub(super) text: String,
}

/// The pages of a program and of all commands below it, in the order of its help.
pub(super) fn pages(mut program: Command) -> Vec<Page> {
    // Hands global flags down, and makes names of whole command lines.
    program.build();
    let mut pages = Vec::new();
    add(&mut program, &mut pages);
    pages
}

fn add(command: &mut Command, pages: &mut Vec<Page>) {
    pages.push(Page { file: file(command), text: page(command) });
    command.get_subcommands_mut().filter(|below| is_shown(below)).for_each(|below| add(below, pages));
}

/// Whether a command has a page; what clap adds to print helps has none.
fn is_shown(command: &Command) -> bool {
    !command.is_hide_set() && command.get_name() != "help"
}

/// `neuron weights fetch`.
fn name(command: &Command) -> &str {
    command.get_bin_name().unwrap_or(command.get_name())
}

fn file(command: &Command) -> String {
    format!("{}.md", name(command).replace(' ', "-"))
}

fn page(command: &mut Command) -> String {
    let usage = command.render_usage();
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    let mut text = format!("# {}\n\n{}\n\n```text\n{usage}\n```\n", name(command), escaped(about.trim()));
    let mut below = String::new();
    list(command, 0, &mut below);
    if !below.is_empty() {
        text += &format!("\n## Commands\n\n{below}");
    }
    for (heading, arguments) in sections(command) {
        text += &format!("\n## {heading}\n");
        arguments.iter().for_each(|argument| text += &described(argument));
    }
    if let Some(examples) = command.get_after_long_help().or(command.get_after_help()) {
        text += &examples_of(&examples.to_string());
    }
    text += "\n## Exit codes\n\n| code | means |\n|---|---|\n";
    for (code, meaning) in outcome::EXIT_CODES {
        text += &format!("| {code} | {meaning} |\n");
    }
    text
}

/// Links to the commands below a command, nested as they are.
fn list(command: &Command, depth: usize, text: &mut String) {
    for below in command.get_subcommands().filter(|below| is_shown(below)) {
        let about = below.get_about().map(ToString::to_string).unwrap_or_default();
        let indent = "  ".repeat(depth);
        let _ = writeln!(text, "{indent}- [{}]({}): {}", name(below), file(below), escaped(&about));
        list(below, depth + 1, text);
    }
}

/// The arguments that the help shows, under its headings and in its order.
fn sections(command: &Command) -> Vec<(String, Vec<&Arg>)> {
    let mut sections: Vec<(String, Vec<&Arg>)> = Vec::new();
    for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
        let usual = if argument.is_positional() { "Arguments" } else { "Options" };
        let heading = argument.get_help_heading().unwrap_or(usual);
        match sections.iter_mut().find(|(known, _)| known == heading) {
            Some((_, arguments)) => arguments.push(argument),
            None => sections.push((heading.to_owned(), vec![argument])),
        }
    }
    // As in a help: arguments first, and last what every command has.
    sections.sort_by_key(|(heading, _)| match heading.as_str() {
        "Arguments" => 0,
        "Global options" => 2,
        _ => 1,
    });
    sections
}

/// An entry of a list of definitions.
fn described(argument: &Arg) -> String {
    let short = argument.get_short().map(|short| format!("-{short}, ")).unwrap_or_default();
    let help = argument.get_long_help().or(argument.get_help()).map(ToString::to_string).unwrap_or_default();
    let mut says: Vec<String> =
        Some(escaped(help.trim())).filter(|help| !help.is_empty()).into_iter().collect();
    let takes_values = argument.get_action().takes_values();
    if takes_values && !argument.is_hide_possible_values_set() {
        let shown = argument.get_possible_values().into_iter().filter(|value| !value.is_hide_set());
        let values: Vec<String> = shown
            .map(|value| match value.get_help() {
                Some(help) => format!("- `{}`: {}", value.get_name(), escaped(&help.to_string())),
                None => format!("- `{}`", value.get_name()),
            })
            .collect();
        if !values.is_empty() {
            says.push(format!("Possible values:\n\n{}", values.join("\n")));
        }
    }
    let defaults: Vec<String> =
        argument.get_default_values().iter().map(|value| format!("`{}`", value.to_string_lossy())).collect();
    if takes_values && !defaults.is_empty() && !argument.is_hide_default_value_set() {
        says.push(format!("Default: {}", defaults.join(" ")));
    }
    if let Some(variable) = argument.get_env() {
        says.push(format!("Environment: `{}`", variable.to_string_lossy()));
    }
    let says = says.join("\n\n").replace('\n', "\n  ").replace("\n  \n", "\n\n");
    format!("\n`{short}{argument}`\n: {says}\n")
}

/// The text that follows a help. Of indented lines a block of code is made, of the others headings or paragraphs.
fn examples_of(text: &str) -> String {
    let mut made = String::new();
    let mut in_code = false;
    for line in text.lines() {
        let is_code = line.starts_with("  ");
        if is_code != in_code {
            made += if is_code { "\n```sh\n" } else { "```\n" };
            in_code = is_code;
        }
        if is_code {
            made += &format!("{}\n", line.trim());
        } else if let Some(heading) = line.strip_suffix(':') {
            made += &format!("\n## {heading}\n");
        } else {
            made += &format!("{}\n", escaped(line));
        }
    }
    if in_code {
        made += "```\n";
    }
    made
}

/// Plain text as Markdown that shows it as it is; what is between backticks is code in both.
fn escaped(text: &str) -> String {
    let mut is_code = false;
    let mut made = String::with_capacity(text.len());
    for character in text.chars() {
        is_code ^= character == '`';
        if !is_code && r"\<>*_[]|~&#$".contains(character) {
            made.push('\\');
        }
        made.push(character);
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_is_told_with_all_that_its_help_says() {
        let data =
            Arg::new("data").short('d').long("data").env("NEURON_TEST_DATA").help("A <dir>_ of `<a>_`");
        let kind = Arg::new("kind").long("kind").value_parser(["one", "two"]).default_value("two");
        let hidden = Arg::new("secret").long("secret").hide(true);
        let command = Command::new("p").args([data, kind, hidden]).after_help("Example:\n  p --kind one");
        let text = &pages(command)[0].text;
        for part in [
            "# p\n",
            "Usage: p [OPTIONS]",
            "## Options\n\n`-d, --data <data>`\n: A \\<dir\\>\\_ of `<a>_`\n\n  Environment: `NEURON_TEST_DATA`\n",
            "`--kind <kind>`\n: Possible values:\n\n  - `one`\n  - `two`\n\n  Default: `two`\n",
            "## Example\n\n```sh\np --kind one\n```\n",
            "| 130 | ",
        ] {
            assert!(text.contains(part), "{part}\nis not in\n{text}");
        }
        assert!(!text.contains("secret"));
    }
}
