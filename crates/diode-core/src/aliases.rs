//! Connectors that share an id: each registers anew what the other registered.

use std::collections::HashMap;

use opencti_client::{ConnectorType, Registration};

/// So many names and types of an id are remembered, the latest.
const MOST: usize = 16;

/// The names and types under which ids of connectors came.
#[derive(Debug, Default)]
pub(crate) struct Aliases(HashMap<String, Seen>);

#[derive(Debug, Default)]
struct Seen {
    /// The latest at the end.
    aliases: Vec<Alias>,
    /// Whether it was told that they come in turn.
    is_told: bool,
}

/// What a connector calls itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Alias {
    pub(crate) name: String,
    pub(crate) connector_type: ConnectorType,
}

impl Aliases {
    /// Takes note of a connector as it comes. Returns what came under its id in between where it came
    /// before, too, the first time: two connectors have one id then. One that was merely given another
    /// name does not return to the old one.
    pub(crate) fn in_turn(&mut self, connector: &Registration) -> Option<Alias> {
        let alias = Alias {
            name: connector.name.clone(),
            connector_type: connector.connector_type,
        };
        let seen = self.0.entry(connector.id.clone()).or_default();
        let between = seen.aliases.last().filter(|last| **last != alias).cloned();
        let before = seen.aliases.iter().position(|before| *before == alias);
        match before {
            Some(number) => {
                seen.aliases.remove(number);
            }
            None if seen.aliases.len() == MOST => {
                seen.aliases.remove(0);
            }
            None => {}
        }
        seen.aliases.push(alias);
        let between = between.filter(|_| before.is_some() && !seen.is_told)?;
        seen.is_told = true;
        Some(between)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connector(id: &str, name: &str, connector_type: ConnectorType) -> Registration {
        Registration {
            id: id.to_owned(),
            name: name.to_owned(),
            connector_type,
            scope: Vec::new(),
        }
    }

    #[test]
    fn only_what_comes_in_turn_is_told_and_only_once() {
        use ConnectorType::{ExternalImport, Stream};
        let mut aliases = Aliases::default();
        for (id, name, connector_type, expect) in [
            ("1", "a", ExternalImport, None),
            ("1", "a", ExternalImport, None),
            ("1", "b", ExternalImport, None),
            ("2", "a", ExternalImport, None),
            ("1", "b", ExternalImport, None),
            ("1", "a", ExternalImport, Some("b")),
            ("1", "b", ExternalImport, None),
            ("1", "a", ExternalImport, None),
            ("2", "a", Stream, None),
            ("2", "a", ExternalImport, Some("a")),
        ] {
            let told = aliases.in_turn(&connector(id, name, connector_type));
            let name_told = told.map(|alias| alias.name);
            assert_eq!(
                name_told.as_deref(),
                expect,
                "{id} {name} {connector_type:?}"
            );
        }
    }

    #[test]
    fn names_without_end_take_no_memory_without_end() {
        let mut aliases = Aliases::default();
        for number in 0..1000 {
            let name = number.to_string();
            aliases.in_turn(&connector("1", &name, ConnectorType::Stream));
        }
        assert_eq!(aliases.0["1"].aliases.len(), MOST);
    }
}
