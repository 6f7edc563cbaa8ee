//! Where a configuration was read: the file, and where each of its groups stands.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::document::{Node, Position, Value};

/// The file of a configuration, and the places of its groups by their ways of keys.
#[derive(Clone, Debug, Default)]
pub(super) struct Origin {
    pub(super) file: PathBuf,
    groups: BTreeMap<String, Position>,
}

impl Origin {
    pub(super) fn of(file: &Path, tree: &Node) -> Self {
        let mut groups = BTreeMap::new();
        collect(tree, "", &mut groups);
        Self {
            file: file.to_owned(),
            groups,
        }
    }

    /// The place of the innermost group around `key` that the file has; else the file's first line.
    pub(super) fn nearest(&self, key: &str) -> Position {
        let mut way = key;
        while let Some((group, _)) = way.rsplit_once('.') {
            if let Some(at) = self.groups.get(group) {
                return *at;
            }
            way = group;
        }
        Position { line: 1, column: 1 }
    }
}

fn collect(node: &Node, way: &str, groups: &mut BTreeMap<String, Position>) {
    let Value::Map(entries) = &node.value else {
        return;
    };
    for (key, value) in entries {
        let way = if way.is_empty() {
            key.name.clone()
        } else {
            format!("{way}.{}", key.name)
        };
        collect(value, &way, groups);
        groups.insert(way, key.at);
    }
}
