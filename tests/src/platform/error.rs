//! How the platform tells that something failed: its codes, and the shapes they come in.

use serde_json::{Value, json};

/// The two shapes in which platforms write errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Up to 6.2.12: code and data at the top of the error.
    Old,
    /// From 6.2.13 on: code and data under `extensions`, the code again as `name`.
    New,
}

impl Shape {
    /// The shape that a platform of `version` uses.
    pub(super) fn of(version: &str) -> Self {
        let mut numbers = version
            .split(['.', '-'])
            .map(|part| part.parse().unwrap_or(0));
        let mut next = || numbers.next().unwrap_or(0_u32);
        if (next(), next(), next()) < (6, 2, 13) {
            Self::Old
        } else {
            Self::New
        }
    }
}

/// Why an operation failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: String,
    pub(super) message: String,
    /// What `http_status` in the error's data says; the HTTP answer itself is a 200.
    pub(super) status: Option<u16>,
}

impl Refusal {
    pub(super) fn auth_required() -> Self {
        Self::platform("AUTH_REQUIRED", 401, "You must be logged in to do this.")
    }

    pub(super) fn functional(message: &str) -> Self {
        Self::platform("FUNCTIONAL_ERROR", 400, message)
    }

    pub(super) fn unsupported(message: &str) -> Self {
        Self::platform("UNSUPPORTED_ERROR", 500, message)
    }

    /// An exception that the platform did not catch.
    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self::native("INTERNAL_SERVER_ERROR", message)
    }

    /// One of the platform's own errors.
    pub(super) fn platform(code: &str, status: u16, message: &str) -> Self {
        Self {
            code: code.to_owned(),
            message: message.to_owned(),
            status: Some(status),
        }
    }

    /// One of the GraphQL server's errors.
    pub(super) fn native(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
            status: None,
        }
    }

    /// The answer's body. `data` is left out where the request was not executed at all.
    pub(super) fn to_body(&self, shape: Shape, path: &[&str], data: Option<Value>) -> Value {
        let mut body = json!({ "errors": [self.to_error(shape, path)] });
        if let Some(data) = data {
            body["data"] = data;
        }
        body
    }

    fn to_error(&self, shape: Shape, path: &[&str]) -> Value {
        let data = self
            .status
            .map(|status| json!({ "http_status": status, "genre": "TECHNICAL" }));
        let mut error = json!({ "message": self.message });
        match (shape, data) {
            (Shape::Old, Some(data)) => {
                error["name"] = json!(self.code);
                error["time_thrown"] = json!("2026-01-01T00:00:00.000Z");
                error["data"] = data;
            }
            (Shape::Old, None) => error["extensions"] = json!({ "code": self.code }),
            (Shape::New, data) => {
                error["extensions"] = json!({ "code": self.code });
                if let Some(data) = data {
                    error["extensions"]["data"] = data;
                }
                error["name"] = json!(self.code);
            }
        }
        if shape == Shape::New || self.status.is_none() {
            error["locations"] = json!([{ "line": 1, "column": 1 }]);
        }
        if shape == Shape::New && !path.is_empty() {
            error["path"] = json!(path);
        }
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shape_follows_the_version() {
        for (version, shape) in [
            ("6.0.0", Shape::Old),
            ("6.2.12", Shape::Old),
            ("6.2.13", Shape::New),
            ("6.9.29", Shape::New),
            ("7.260309.0-lts.2", Shape::New),
        ] {
            assert_eq!(Shape::of(version), shape, "{version}");
        }
    }

    #[test]
    fn shapes_are_the_platform_s() {
        let data = json!({ "about": null });
        assert_eq!(
            Refusal::auth_required().to_body(Shape::New, &["about"], Some(data.clone())),
            json!({
                "errors": [{
                    "message": "You must be logged in to do this.",
                    "locations": [{ "line": 1, "column": 1 }],
                    "path": ["about"],
                    "extensions": {
                        "code": "AUTH_REQUIRED",
                        "data": { "http_status": 401, "genre": "TECHNICAL" },
                    },
                    "name": "AUTH_REQUIRED",
                }],
                "data": { "about": null },
            })
        );
        let old = Refusal::auth_required().to_body(Shape::Old, &["about"], Some(data));
        assert_eq!(old["errors"][0]["name"], "AUTH_REQUIRED");
        assert_eq!(old["errors"][0]["data"]["http_status"], 401);
        assert_eq!(old["errors"][0].get("extensions"), None);
        let native = Refusal::internal("x").to_body(Shape::Old, &[], None);
        assert_eq!(
            native["errors"][0]["extensions"]["code"],
            "INTERNAL_SERVER_ERROR"
        );
        assert_eq!(native.get("data"), None);
    }
}
