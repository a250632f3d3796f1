//! Holds the recipes of `man/wsmon-recipes.7` against the program: every command line in them is understood.
//! `tests/consumers.sh` runs them with the programs that they are for.

use serde_json::Value;

use crate::support::program::{Finished, Run, wsmon};
use crate::support::temp_dir::TempDir;

const RECIPES: &str = include_str!("../../man/wsmon-recipes.7");

/// Stands in for what the other programs put into a command line.
const VARIABLES: [(&str, &str); 6] = [
    ("$ARG1$", "80"),
    ("$ARG2$", "90"),
    ("$HOSTADDRESS$", "10.0.0.2"),
    ("$1", "10.0.0.2"),
    ("$2", "cpu"),
    ("${STATE_DIRECTORY}", "/var/lib/wsmon"),
];

/// Returns the files and commands of the page as they are meant, with the title of their recipe.
fn blocks() -> Vec<(&'static str, String)> {
    let mut blocks = Vec::new();
    for recipe in RECIPES.split("\n.Ss ").skip(1) {
        let (title, text) = recipe.split_once('\n').expect("a text");
        for block in text.split(".Bd -literal -offset indent\n").skip(1) {
            let (block, _) = block.split_once(".Ed").expect("an end");
            blocks.push((title, block.replace("\\e", "\\").replace("\\&", "")));
        }
    }
    assert!(blocks.len() > 30, "{}", blocks.len());
    blocks
}

/// Splits a text into the words of simple commands, as a shell does. Nothing is expanded.
fn simple_commands(text: &str) -> Vec<Vec<String>> {
    let text = text.replace("\\\n", " ");
    let (mut commands, mut words, mut word) = (Vec::new(), Vec::new(), None::<String>);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' | '"' => {
                let word = word.get_or_insert_default();
                while let Some(quoted) = chars.next().filter(|next| *next != c) {
                    let escaped = c == '"' && quoted == '\\';
                    word.extend(if escaped { chars.next() } else { Some(quoted) });
                }
            }
            _ if " \t\n|>;&()".contains(c) => {
                words.extend(word.take());
                if !" \t".contains(c) {
                    commands.push(std::mem::take(&mut words));
                }
            }
            _ => word.get_or_insert_default().push(c),
        }
    }
    commands
}

/// Returns the lists of texts in JSON, TOML and YAML.
fn lists(text: &str) -> Vec<Vec<String>> {
    let starts = text.match_indices('[').map(|(at, _)| &text[at..]);
    let parsed = starts.filter_map(|rest| serde_json::from_str::<Value>(&rest[..=rest.find(']')?]).ok());
    parsed.filter_map(|list| serde_json::from_value(list).ok()).collect()
}

/// Returns the arguments of every `wsmon` in the block.
fn command_lines(block: &str) -> Vec<Vec<String>> {
    let is_program = |word: &String| word.rsplit(['/', '=', ',']).next() == Some("wsmon");
    let lists = lists(block);
    let arguments_alone = lists.iter().filter(|list| list.first().is_some_and(|word| word.starts_with('-'))).cloned();
    let commands = simple_commands(block);
    // A command line that is one text for the other program.
    let quoted: Vec<_> = commands.iter().flatten().filter(|word| word.contains("wsmon ")).collect();
    let quoted: Vec<_> = quoted.iter().flat_map(|text| simple_commands(&format!("{text}\n"))).collect();
    let commands = commands.into_iter().chain(quoted).chain(lists.iter().cloned());
    let called = commands.filter_map(|mut words| {
        let program = words.iter().rposition(is_program)?;
        Some(words.split_off(program + 1))
    });
    let mut found: Vec<_> = called.chain(arguments_alone).collect();
    found.retain(|arguments| arguments.first().is_some_and(|word| word.starts_with('-')));
    found
}

/// Runs it with a closed port in place of each server, and files in a directory of its own.
fn run(arguments: &[String]) -> Finished {
    let dir = TempDir::new();
    let here = |word: &String| {
        let word = VARIABLES.iter().fold(word.clone(), |word, (name, value)| word.replace(name, value));
        let server = ["10.0.0.", "127.0.0.1:8765", "app:8765"].iter().find_map(|host| word.find(host));
        match server {
            Some(at) => word[..at].to_owned() + "127.0.0.1:1",
            None if word.starts_with('/') => dir.path(&word.replace('/', "_")),
            // Two runs of the tests can meet.
            None => word.replace(":9109", ":0"),
        }
    };
    let mut arguments: Vec<String> = arguments.iter().map(here).collect();
    if let Some(at) = arguments.iter().position(|word| word == "--servers") {
        std::fs::write(&arguments[at + 1], "127.0.0.1:1").expect("a file of servers");
    }
    match arguments.iter().position(|word| word == "--read") {
        Some(at) if arguments[at + 1] != "-" => std::fs::write(&arguments[at + 1], "").expect("an empty file"),
        Some(_) => {}
        None => arguments.push("--no-reconnect".to_owned()),
    }
    Run::start(&mut wsmon(&arguments)).finish()
}

#[test]
fn the_program_understands_every_command_line_of_the_recipes() {
    let commands: Vec<_> = blocks()
        .into_iter()
        .flat_map(|(title, block)| command_lines(&block).into_iter().map(move |command| (title, command)))
        .collect();
    assert!(commands.len() > 25, "{commands:?}");
    for some in commands.chunks(8) {
        std::thread::scope(|scope| {
            for (title, command) in some {
                scope.spawn(move || {
                    let finished = run(command);
                    // The port is closed: what a check says of it, and what a run ends with.
                    let expected = match command.iter().any(|word| word == "--check") {
                        _ if command[0] == "--help" => 0,
                        true => 2,
                        false => 1,
                    };
                    assert_eq!(finished.code, Some(expected), "{title}: {command:?}: {finished:?}");
                    let said = if expected == 2 { &finished.stdout } else { &finished.stderr };
                    let cause =
                        if command.iter().any(|word| word == "--read") { "nothing was received" } else { "refused" };
                    assert!(expected == 0 || said.contains(cause), "{title}: {command:?}: {finished:?}");
                });
            }
        });
    }
}

/// A command line of the page that is not recognised as one would be tested by nothing.
#[test]
fn every_recipe_that_names_the_program_has_a_command_line() {
    for (title, block) in blocks().iter().filter(|(_, block)| block.contains("/wsmon ") || block.contains("wsmon -")) {
        assert!(!command_lines(block).is_empty(), "{title}: {block}");
    }
}
