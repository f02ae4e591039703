//! Requests: validated against the schema, and boiled down to one operation with its arguments.

use apollo_compiler::ast::Value as Literal;
use apollo_compiler::executable::{Field, SelectionSet};
use apollo_compiler::request::coerce_variable_values;
use apollo_compiler::response::JsonMap;
use apollo_compiler::validation::{DiagnosticList, Valid};
use apollo_compiler::{ExecutableDocument, Node, Schema};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::error::Refusal;
use super::schema::{needs, schema_of};
use super::version::Version;

/// A version's schema, to validate requests against.
#[derive(Debug)]
pub(super) struct Contract {
    schema: Valid<Schema>,
    version: Version,
}

/// The body of a request.
#[derive(Debug, Deserialize)]
pub(super) struct Body {
    query: String,
    #[serde(default)]
    variables: Option<Map<String, Value>>,
    #[serde(default, rename = "operationName")]
    operation_name: Option<String>,
}

/// A valid request: one operation, and what is asked back.
#[derive(Debug)]
pub(super) struct Request {
    document: Valid<ExecutableDocument>,
    root: Node<Field>,
    /// The field within `workEdit`.
    inner: Option<Node<Field>>,
    /// The operation's arguments, with variables filled in.
    pub(super) arguments: Value,
    /// The variables as they were sent.
    pub(super) variables: Value,
    /// The document as it was sent.
    pub(super) text: String,
    /// The capabilities any one of which is needed.
    needs: Vec<String>,
}

impl Contract {
    /// What an annotated schema says of `version`.
    pub(super) fn new(annotated: &str, version: Version) -> anyhow::Result<Self> {
        let schema = schema_of(annotated, version)?;
        Ok(Self { schema, version })
    }

    /// Validates a request's document and variables.
    pub(super) fn check(&self, body: Body) -> Result<Request, Refusal> {
        let document =
            ExecutableDocument::parse_and_validate(&self.schema, &body.query, "request.graphql")
                .map_err(|invalid| not_valid(&invalid.errors))?;
        let bad_input = |message: String| Refusal::native("BAD_USER_INPUT", message);
        let operation = document
            .operations
            .get(body.operation_name.as_deref())
            .map_err(|e| bad_input(e.message().to_string()))?;
        let variables = Value::Object(body.variables.unwrap_or_default());
        let coerced: JsonMap =
            serde_json::from_value(variables.clone()).map_err(|e| bad_input(e.to_string()))?;
        let coerced = coerce_variable_values(&self.schema, operation, &coerced)
            .map_err(|e| bad_input(e.message().to_string()))?;
        let coerced = serde_json::to_value(&*coerced).map_err(|e| bad_input(e.to_string()))?;

        let root = only_field(&operation.selection_set, &document)?;
        let inner = match root.name.as_str() {
            "workEdit" => Some(only_field(&root.selection_set, &document)?),
            _ => None,
        };
        let mut arguments = Map::new();
        for argument in [Some(&root), inner.as_ref()].into_iter().flatten() {
            read_arguments(argument, &coerced, &mut arguments);
        }
        Ok(Request {
            needs: needs(&root.definition, self.version),
            text: body.query,
            root,
            inner,
            arguments: Value::Object(arguments),
            variables,
            document,
        })
    }
}

impl Request {
    /// The operation's name: the root field's, or that of the field within `workEdit`.
    pub(super) fn operation(&self) -> &str {
        self.inner.as_ref().unwrap_or(&self.root).name.as_str()
    }

    /// Whether an account with these capabilities may ask it. As in the platform, a capability
    /// is held by who holds one that its name is part of, and all are by who may bypass.
    pub(super) fn is_allowed(&self, capabilities: &[String]) -> bool {
        let holds = |needed: &String| capabilities.iter().any(|held| held.contains(needed));
        self.needs.is_empty()
            || capabilities.iter().any(|held| held == "BYPASS")
            || self.needs.iter().any(holds)
    }

    /// Where the operation stands in the answer.
    pub(super) fn path(&self) -> Vec<&str> {
        [Some(&self.root), self.inner.as_ref()]
            .into_iter()
            .flatten()
            .map(|field| field.response_key().as_str())
            .collect()
    }

    /// The answer's `data` for a result: only what was asked for.
    ///
    /// # Errors
    /// If something is null that may not be.
    pub(super) fn data(&self, result: &Value) -> Result<Value, Refusal> {
        let key = self.root.response_key().as_str();
        Ok(match &self.inner {
            Some(inner) => json!({ key: { inner.response_key().as_str(): result } }),
            None => json!({ key: select(result, "Mutation", &self.root, &self.document)? }),
        })
    }

    /// The answer's `data` for an operation that failed: as much of it as may be null.
    pub(super) fn no_data(&self) -> Value {
        if self.root.definition.ty.is_non_null() {
            Value::Null
        } else {
            json!({ self.root.response_key().as_str(): null })
        }
    }
}

/// The refusal of a document, in one line.
fn not_valid(errors: &DiagnosticList) -> Refusal {
    let messages: Vec<String> = errors.iter().map(|error| error.to_json().message).collect();
    Refusal::native("GRAPHQL_VALIDATION_FAILED", messages.join("; "))
}

/// The one field that is selected; the double takes one operation per request.
fn only_field(set: &SelectionSet, document: &ExecutableDocument) -> Result<Node<Field>, Refusal> {
    let mut fields = set.root_fields(document);
    match (fields.next(), fields.next()) {
        (Some(field), None) => Ok(field.clone()),
        _ => Err(Refusal::functional("one operation per request")),
    }
}

fn read_arguments(field: &Field, variables: &Value, into: &mut Map<String, Value>) {
    for argument in &field.arguments {
        if let Some(value) = fill(&argument.value, variables) {
            into.insert(argument.name.to_string(), value);
        }
    }
}

/// A literal with its variables filled in; `None` for a variable that was not given.
fn fill(literal: &Literal, variables: &Value) -> Option<Value> {
    Some(match literal {
        Literal::Null => Value::Null,
        Literal::Enum(name) => json!(name.as_str()),
        Literal::Variable(name) => variables.get(name.as_str())?.clone(),
        Literal::String(text) => json!(text),
        Literal::Boolean(value) => json!(value),
        Literal::Int(number) => json!(number.try_to_i32().ok()?),
        Literal::Float(number) => json!(number.try_to_f64().ok()?),
        Literal::List(items) => {
            Value::Array(items.iter().filter_map(|i| fill(i, variables)).collect())
        }
        Literal::Object(members) => Value::Object(
            members
                .iter()
                .filter_map(|(key, value)| Some((key.to_string(), fill(value, variables)?)))
                .collect(),
        ),
    })
}

/// The members of a field's value that are asked for, under the names they are asked for.
fn select(
    value: &Value,
    parent: &str,
    field: &Field,
    document: &ExecutableDocument,
) -> Result<Value, Refusal> {
    let set = &field.selection_set;
    Ok(match value {
        Value::Null if field.definition.ty.is_non_null() => {
            let name = &field.name;
            let message = format!("Cannot return null for non-nullable field {parent}.{name}.");
            return Err(Refusal::internal(message));
        }
        Value::Object(members) if !set.is_empty() => {
            let mut selected = Map::new();
            for field in set.root_fields(document) {
                let member = members.get(field.name.as_str()).unwrap_or(&Value::Null);
                let key = field.response_key().to_string();
                selected.insert(key, select(member, &set.ty, field, document)?);
            }
            Value::Object(selected)
        }
        Value::Array(items) => {
            let items = items
                .iter()
                .map(|item| select(item, parent, field, document));
            Value::Array(items.collect::<Result<_, _>>()?)
        }
        other => other.clone(),
    })
}
