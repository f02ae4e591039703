//! The schema of one version, out of one that says since when each thing is there.

use anyhow::Context as _;
use apollo_compiler::Node;
use apollo_compiler::Schema;
use apollo_compiler::ast::{
    Definition, Directive, DirectiveList, Document, FieldDefinition, InputValueDefinition,
};
use apollo_compiler::validation::Valid;

use super::version::Version;

/// The schema of the project, with `@since` and `@needs`.
pub const SCHEMA: &str = include_str!("../../../crates/opencti-client/graphql/schema.graphql");

/// What an annotated schema says of one version.
///
/// # Errors
/// If the schema, or what is left of it, is not valid.
pub fn schema_of(annotated: &str, version: Version) -> anyhow::Result<Valid<Schema>> {
    let mut document = Document::parse(annotated, "schema.graphql")
        .map_err(|invalid| anyhow::anyhow!("{}", invalid.errors))
        .context("the schema cannot be parsed")?;
    document
        .definitions
        .retain_mut(|definition| keep(definition, version));
    document
        .to_schema_validate()
        .map_err(|invalid| anyhow::anyhow!("{}", invalid.errors))
        .with_context(|| format!("the schema of {version} is not valid"))
}

/// The capabilities any one of which a field needs on a platform of `version`; none where any
/// account may ask for it.
pub fn needs(field: &FieldDefinition, version: Version) -> Vec<String> {
    let fitting = field
        .directives
        .get_all("needs")
        .map(|needs| {
            (
                text(needs, "since").map_or(Version(0, 0, 0), Version::read),
                needs,
            )
        })
        .filter(|(since, _)| *since <= version);
    let Some((_, needs)) = fitting.max_by_key(|(since, _)| *since) else {
        return Vec::new();
    };
    let any = needs.specified_argument_by_name("any");
    let names = any.and_then(|any| any.as_list()).unwrap_or_default();
    names
        .iter()
        .filter_map(|name| name.as_str().map(ToOwned::to_owned))
        .collect()
}

/// Cuts a definition down to what a version has of it; false where it has nothing of it.
fn keep(definition: &mut Definition, version: Version) -> bool {
    if !has(definition.directives(), version) {
        return false;
    }
    match definition {
        Definition::ObjectTypeDefinition(object) => {
            let fields = &mut object.make_mut().fields;
            fields.retain_mut(|field| {
                let known = has(&field.directives, version);
                keep_inputs(&mut field.make_mut().arguments, version);
                known
            });
        }
        Definition::InputObjectTypeDefinition(input) => {
            keep_inputs(&mut input.make_mut().fields, version);
        }
        Definition::EnumTypeDefinition(values) => {
            let values = &mut values.make_mut().values;
            values.retain(|value| has(&value.directives, version));
        }
        _ => {}
    }
    true
}

fn keep_inputs(inputs: &mut Vec<Node<InputValueDefinition>>, version: Version) {
    inputs.retain(|input| has(&input.directives, version));
}

fn has(directives: &DirectiveList, version: Version) -> bool {
    let since = directives
        .get("since")
        .and_then(|since| text(since, "version"));
    since.is_none_or(|since| Version::read(since) <= version)
}

fn text<'a>(directive: &'a Directive, argument: &str) -> Option<&'a str> {
    directive.specified_argument_by_name(argument)?.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANNOTATED: &str = r#"
        directive @since(version: String!) on OBJECT | FIELD_DEFINITION | ARGUMENT_DEFINITION | INPUT_FIELD_DEFINITION | ENUM_VALUE
        directive @needs(any: [String!]!, since: String) repeatable on FIELD_DEFINITION
        type Query {
          old(a: Int, b: Int @since(version: "6.1.0")): Int
            @needs(any: ["ONE", "TWO"])
            @needs(any: ["THREE"], since: "6.0.9")
          new(kind: Kind, input: Input): New @since(version: "6.2.0")
        }
        enum Kind { A B @since(version: "6.2.1") }
        input Input { a: Int b: Int @since(version: "7.260224.0") }
        type New @since(version: "6.2.0") { x: Int }
    "#;

    #[test]
    fn each_version_has_what_was_there_by_then() {
        check("6.0.0", &["old(a)"], &["ONE", "TWO"]);
        check("6.0.9", &["old(a)"], &["THREE"]);
        check("6.1.0", &["old(a,b)"], &["THREE"]);
        check("6.9.29", &["old(a,b)", "new(kind,input)"], &["THREE"]);
    }

    #[test]
    fn values_and_keys_come_with_their_version() {
        for (version, values, keys) in
            [("6.2.0", 1, 1), ("6.2.1", 2, 1), ("7.260309.0-lts.2", 2, 2)]
        {
            let schema = schema_of(ANNOTATED, Version::read(version)).unwrap();
            assert_eq!(schema.get_enum("Kind").unwrap().values.len(), values);
            assert_eq!(schema.get_input_object("Input").unwrap().fields.len(), keys);
        }
    }

    fn check(version: &str, fields: &[&str], capabilities: &[&str]) {
        let version = Version::read(version);
        let schema = schema_of(ANNOTATED, version).unwrap();
        let query = schema.get_object("Query").unwrap();
        let found: Vec<String> = query
            .fields
            .values()
            .map(|field| {
                let arguments: Vec<&str> =
                    field.arguments.iter().map(|a| a.name.as_str()).collect();
                format!("{}({})", field.name, arguments.join(","))
            })
            .collect();
        assert_eq!(found, fields, "{version}");
        assert_eq!(needs(&query.fields["old"], version), capabilities);
    }
}
