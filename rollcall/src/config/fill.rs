//! Fills `${NAME}` from the environment and `${file:PATH}` from a file.
//!
//! Filling happens in the parsed tree, so that what is filled in can be any text and never changes
//! the file's structure. `$${` stands for a plain `${`.

use std::path::Path;

use super::document::{Node, Position, Text, Value};
use super::error::{ConfigError, Problem, Step};

/// From where values are filled in.
pub(super) struct Sources<'a> {
    /// The value of an environment variable.
    pub(super) variable: &'a dyn Fn(&str) -> Option<String>,
    /// What a relative `${file:PATH}` is relative to.
    pub(super) folder: &'a Path,
}

/// Fills every text of the tree.
pub(super) fn fill(node: &mut Node, sources: &Sources<'_>) -> Result<(), ConfigError> {
    let at = node.at;
    match &mut node.value {
        Value::Text(text) => fill_text(text, at, sources),
        Value::List(nodes) => nodes.iter_mut().enumerate().try_for_each(|(index, node)| {
            fill(node, sources).map_err(|error| error.below(Step::Index(index)))
        }),
        Value::Map(entries) => entries.iter_mut().try_for_each(|(key, node)| {
            fill(node, sources).map_err(|error| error.below(Step::Key(key.name.clone())))
        }),
        Value::Null | Value::Bool(_) | Value::Integer(_) | Value::Float(_) => Ok(()),
    }
}

fn fill_text(text: &mut Text, at: Position, sources: &Sources<'_>) -> Result<(), ConfigError> {
    if !text.text.contains("${") {
        return Ok(());
    }
    let template = std::mem::take(&mut text.text);
    let mut filled = String::with_capacity(template.len());
    let mut rest = template.as_str();
    while let Some(start) = rest.find("${") {
        if let Some(literal) = rest[..start].strip_suffix('$') {
            filled.push_str(literal);
            filled.push_str("${");
            rest = &rest[start + 2..];
            continue;
        }
        filled.push_str(&rest[..start]);
        let (name, after) = rest[start + 2..]
            .split_once('}')
            .ok_or_else(|| ConfigError::new(Some(at), Problem::UnclosedReference))?;
        filled.push_str(
            &sources
                .value(name)
                .map_err(|problem| ConfigError::new(Some(at), problem))?,
        );
        rest = after;
    }
    filled.push_str(rest);
    *text = Text {
        text: filled,
        template: Some(template),
    };
    Ok(())
}

impl Sources<'_> {
    fn value(&self, name: &str) -> Result<String, Problem> {
        if let Some(path) = name.strip_prefix("file:") {
            let path = self.folder.join(path);
            let content =
                std::fs::read_to_string(&path).map_err(|error| Problem::UnreadableReference {
                    path: path.clone(),
                    reason: error.to_string(),
                })?;
            let content = content.trim_end_matches(['\r', '\n']);
            return if content.is_empty() {
                Err(Problem::EmptyFile { path })
            } else {
                Ok(content.to_owned())
            };
        }
        if !is_variable_name(name) {
            return Err(Problem::NoVariableName {
                name: name.to_owned(),
            });
        }
        match (self.variable)(name) {
            Some(value) if !value.is_empty() => Ok(value),
            Some(_) => Err(Problem::EmptyVariable {
                name: name.to_owned(),
            }),
            None => Err(Problem::MissingVariable {
                name: name.to_owned(),
            }),
        }
    }
}

fn is_variable_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes
        .next()
        .is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
