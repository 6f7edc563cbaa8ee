//! What is wrong with a configuration file, for the person who has to mend it.
//!
//! Values of the file are shown only where a number, a switch, a duration or one of some names is
//! expected: anywhere else they may be a secret. What was filled in from outside is never shown.

use std::fmt;
use std::path::{Path, PathBuf};

use super::document::{Node, Position, Value};

/// A configuration that cannot be used: where, and why.
#[derive(Debug)]
pub(crate) struct ConfigError {
    file: Option<PathBuf>,
    at: Option<Position>,
    /// The way of keys to the place, innermost first.
    path: Vec<Step>,
    problem: Box<Problem>,
}

/// A step on the way to a place.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

/// What is wrong.
#[derive(Debug)]
pub(super) enum Problem {
    Unreadable {
        reason: String,
    },
    Syntax {
        reason: String,
    },
    UnclosedReference,
    NoVariableName {
        name: String,
    },
    MissingVariable {
        name: String,
    },
    EmptyVariable {
        name: String,
    },
    UnreadableReference {
        path: PathBuf,
        reason: String,
    },
    EmptyFile {
        path: PathBuf,
    },
    UnknownKey {
        key: String,
        known: Vec<String>,
        elsewhere: Vec<String>,
    },
    UnknownName {
        found: String,
        known: Vec<String>,
    },
    MissingKey {
        key: String,
    },
    WrongType {
        expected: String,
        found: String,
    },
    Other {
        message: String,
    },
    Needed {
        key: &'static str,
        why: &'static str,
    },
}

impl std::error::Error for ConfigError {}

impl ConfigError {
    pub(super) fn new(at: Option<Position>, problem: Problem) -> Self {
        Self {
            file: None,
            at,
            path: Vec::new(),
            problem: Box::new(problem),
        }
    }

    /// The same, in a file.
    pub(super) fn in_file(mut self, file: &Path) -> Self {
        self.file = Some(file.to_owned());
        self
    }

    /// The same, at `at`, where no place further within is known.
    pub(super) fn at(mut self, at: Position) -> Self {
        self.at.get_or_insert(at);
        self
    }

    /// The same, one step further out.
    pub(super) fn below(mut self, step: Step) -> Self {
        self.path.push(step);
        self
    }

    /// The same; where it is of an unknown key, with the other places where that key is known.
    pub(super) fn with_elsewhere(mut self, places: impl FnOnce(&str) -> Vec<String>) -> Self {
        if let Problem::UnknownKey { key, elsewhere, .. } = self.problem.as_mut() {
            *elsewhere = places(key);
        }
        self
    }

    /// The same; where it is of an unknown name that was filled in, with what stands in the file.
    pub(super) fn naming(mut self, template: Option<&str>) -> Self {
        if let (Problem::UnknownName { found, .. }, Some(template)) =
            (self.problem.as_mut(), template)
        {
            template.clone_into(found);
        }
        self
    }

    /// What was found in place of what a type expects, where that is not known yet.
    pub(super) fn found(mut self, node: &Node, expected: &str, show: bool) -> Self {
        if self.at.is_none()
            && let Problem::WrongType {
                expected: wanted,
                found,
            } = self.problem.as_mut()
            && found.is_empty()
        {
            if !expected.is_empty() {
                wanted.clear();
                wanted.push_str(expected);
            }
            *found = describe(node, show);
        }
        self
    }

    fn key_path(&self) -> String {
        let mut path = String::new();
        for step in self.path.iter().rev() {
            match step {
                Step::Index(index) => path += &format!("[{index}]"),
                Step::Key(key) => {
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(key);
                }
            }
        }
        path
    }
}

fn describe(node: &Node, show: bool) -> String {
    match &node.value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Integer(value) if show => value.to_string(),
        Value::Float(value) if show => value.to_string(),
        Value::Integer(_) | Value::Float(_) => "a number".to_owned(),
        Value::Text(text) => match &text.template {
            Some(template) => format!("something else in {template}"),
            None if show => format!("`{}`", text.text),
            None => "a text".to_owned(),
        },
        Value::List(_) => "a list".to_owned(),
        Value::Map(_) => "a group of keys".to_owned(),
    }
}

/// The name of `known` that is nearest to `name`, if one is near enough to have been meant.
pub(super) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len().min(name.len()) / 4)
        .min()
        .map(|(_, candidate)| candidate)
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}", file.display())?;
            if let Some(at) = self.at {
                write!(f, ":{}:{}", at.line, at.column)?;
            }
            f.write_str(": ")?;
        }
        let path = self.key_path();
        let (place, dot) = if path.is_empty() {
            (String::new(), String::new())
        } else {
            (format!("{path}: "), format!("{path}."))
        };
        match self.problem.as_ref() {
            Problem::Unreadable { reason } => write!(
                f,
                "the configuration cannot be read: {reason}. Name another file with -c FILE"
            ),
            Problem::Syntax { reason } => write!(f, "this is not valid YAML: {reason}"),
            Problem::UnclosedReference => write!(
                f,
                "{place}`${{` without a closing `}}`: write ${{NAME}} for an environment variable, or $${{ for the two characters themselves"
            ),
            Problem::NoVariableName { name } => write!(
                f,
                "{place}`${{{name}}}` names neither an environment variable (${{NAME}}: letters, digits and _) nor a file (${{file:/path}})"
            ),
            Problem::MissingVariable { name } => {
                write!(f, "{place}the environment variable {name} is not set")
            }
            Problem::EmptyVariable { name } => write!(
                f,
                "{place}the environment variable {name} is set, but empty"
            ),
            Problem::UnreadableReference { path, reason } => {
                write!(f, "{place}{} cannot be read: {reason}", path.display())
            }
            Problem::EmptyFile { path } => write!(f, "{place}{} is empty", path.display()),
            Problem::UnknownKey {
                key,
                known,
                elsewhere,
            } => {
                write!(f, "unknown key {dot}{key}: ")?;
                if let Some(near) = nearest(key, known.iter().map(String::as_str)) {
                    write!(f, "did you mean `{near}`?")
                } else if elsewhere.contains(key) {
                    f.write_str("it belongs at the top of the file")
                } else if !elsewhere.is_empty() {
                    write!(f, "it belongs at {}", elsewhere.join(" or "))
                } else {
                    write!(f, "known here are {}", known.join(", "))
                }
            }
            Problem::UnknownName { found, known } => {
                write!(f, "{place}`{found}` is not one of {}", known.join(", "))?;
                match nearest(found, known.iter().map(String::as_str)) {
                    Some(near) => write!(f, ": did you mean `{near}`?"),
                    None => Ok(()),
                }
            }
            Problem::MissingKey { key } => write!(f, "{dot}{key} is missing"),
            Problem::WrongType { expected, found } => {
                write!(f, "{place}expected {expected}, found {found}")?;
                if expected == "a text" && matches!(found.as_str(), "a number" | "true" | "false") {
                    f.write_str(": put it in quotes")?;
                }
                Ok(())
            }
            Problem::Other { message } => write!(f, "{place}{message}"),
            Problem::Needed { key, why } => write!(f, "{key} is missing: {why}"),
        }
    }
}
