//! Our schema against the platform's: nothing too early, nothing too late, nothing else.

use std::collections::BTreeSet;

use apollo_compiler::ast::{FieldDefinition, InputValueDefinition};
use apollo_compiler::schema::ExtendedType;
use apollo_compiler::{Node, Schema};
use tests::platform::{SCHEMA, Version, needs, schema_of};

use crate::published::{Published, published};

const NEWEST: Version = Version(u32::MAX, 0, 0);

#[test]
fn everything_is_there_when_we_say_and_not_before() {
    let all = names(&schema_of(SCHEMA, NEWEST).unwrap());
    for Published { version, schema } in published() {
        let ours = names(&schema_of(SCHEMA, version).unwrap());
        let theirs = names(&schema);
        let too_early: Vec<_> = ours.difference(&theirs).collect();
        assert!(too_early.is_empty(), "not in {version}: {too_early:?}");
        let later: BTreeSet<_> = all.difference(&ours).cloned().collect();
        let too_late: Vec<_> = later.intersection(&theirs).collect();
        assert!(too_late.is_empty(), "in {version} already: {too_late:?}");
    }
}

#[test]
fn types_and_capabilities_are_the_platform_s() {
    for Published { version, schema } in published() {
        let ours = schema_of(SCHEMA, version).unwrap();
        let mut problems = Vec::new();
        for (name, kind) in &ours.types {
            match (kind, schema.types.get(name)) {
                (ExtendedType::Object(ours), Some(ExtendedType::Object(theirs))) => {
                    for (name, field) in &ours.fields {
                        compare_fields(field, &theirs.fields[name], version, &mut problems);
                    }
                }
                (ExtendedType::InputObject(ours), Some(ExtendedType::InputObject(theirs))) => {
                    for (name, key) in &ours.fields {
                        compare_inputs(key, &theirs.fields[name], &mut problems);
                    }
                }
                _ => {}
            }
        }
        assert!(problems.is_empty(), "{version}: {problems:#?}");
    }
}

/// What an answer holds may be stricter than we say; who may ask must be the same.
fn compare_fields(
    ours: &FieldDefinition,
    theirs: &FieldDefinition,
    version: Version,
    problems: &mut Vec<String>,
) {
    let name = &ours.name;
    if !theirs.ty.is_assignable_to(&ours.ty) {
        problems.push(format!("{name} is {}, we say {}", theirs.ty, ours.ty));
    }
    for argument in &ours.arguments {
        let of_same_name = |other: &&Node<InputValueDefinition>| other.name == argument.name;
        let other = theirs.arguments.iter().find(of_same_name).unwrap();
        compare_inputs(argument, other, problems);
    }
    let (our_needs, their_needs) = (sorted(needs(ours, version)), sorted(auth(theirs)));
    if our_needs != their_needs {
        problems.push(format!(
            "{name} needs {their_needs:?}, we say {our_needs:?}"
        ));
    }
}

/// What we may send must be what they take.
fn compare_inputs(
    ours: &InputValueDefinition,
    theirs: &InputValueDefinition,
    problems: &mut Vec<String>,
) {
    if !ours.ty.is_assignable_to(&theirs.ty) {
        let name = &ours.name;
        problems.push(format!("{name} takes {}, we say {}", theirs.ty, ours.ty));
    }
}

/// The capabilities that the platform's own directive names.
fn auth(field: &FieldDefinition) -> Vec<String> {
    let auth = field.directives.get("auth");
    let list = auth.and_then(|auth| auth.specified_argument_by_name("for")?.as_list());
    let names = list.unwrap_or_default().iter();
    names
        .map(|name| name.as_enum().unwrap().to_string())
        .collect()
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names
}

/// Everything that a schema has, by a name that says where: `Query.work(id)`.
fn names(schema: &Schema) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (name, kind) in &schema.types {
        if kind.is_built_in() {
            continue;
        }
        names.insert(name.to_string());
        match kind {
            ExtendedType::Object(object) => {
                for field in object.fields.values() {
                    names.insert(format!("{name}.{}", field.name));
                    for argument in &field.arguments {
                        names.insert(format!("{name}.{}({})", field.name, argument.name));
                    }
                }
            }
            ExtendedType::InputObject(input) => {
                names.extend(input.fields.keys().map(|key| format!("{name}.{key}")));
            }
            ExtendedType::Enum(values) => {
                names.extend(values.values.keys().map(|value| format!("{name}.{value}")));
            }
            _ => {}
        }
    }
    names
}
