//! How the platform tells that something failed: its codes, and the shapes they come in.

use serde_json::{Value, json};

use super::version::Version;

/// The shapes in which platforms write errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Up to 6.2.12: code and data at the top of the error.
    Old,
    /// 6.2.13 only: code, name and data under `extensions`.
    Inner,
    /// From 6.2.14 on: code and data under `extensions`, the code again as `name`, and
    /// `BAD_USER_INPUT` told as `VALIDATION_ERROR`.
    Renamed,
    /// From 6.4.7 on: the same, with every code as it is.
    New,
}

impl Shape {
    /// The shape that a platform of `version` uses.
    pub(super) fn of(version: Version) -> Self {
        if version < Version(6, 2, 13) {
            Self::Old
        } else if version < Version(6, 2, 14) {
            Self::Inner
        } else if version < Version(6, 4, 7) {
            Self::Renamed
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
    /// What `http_status` in the error's data says.
    pub(super) status: Option<u16>,
    /// The status of the HTTP answer: 200 for most errors.
    pub(super) http: u16,
}

impl Refusal {
    pub(super) fn auth_required() -> Self {
        Self::platform("AUTH_REQUIRED", 401, "You must be logged in to do this.")
    }

    pub(super) fn forbidden() -> Self {
        Self::platform("FORBIDDEN_ACCESS", 403, "You are not allowed to do this.")
    }

    pub(super) fn functional(message: &str) -> Self {
        Self::platform("FUNCTIONAL_ERROR", 400, message)
    }

    pub(super) fn unsupported(message: &str) -> Self {
        Self::platform("UNSUPPORTED_ERROR", 500, message)
    }

    pub(super) fn work_not_alive() -> Self {
        Self {
            http: 500,
            ..Self::platform(
                "WORK_NOT_ALIVE",
                400,
                "Work is no longer alive, no request can be done within the context of this work",
            )
        }
    }

    /// An attribute that must not become empty.
    pub(super) fn validation(attribute: &str) -> Self {
        let message = format!(
            "Validation against schema failed on attribute [{attribute}]: this mandatory field \
             cannot be nil"
        );
        Self::platform("VALIDATION_ERROR", 500, &message)
    }

    /// Somebody else is at work on the same thing.
    pub(super) fn locked() -> Self {
        let message = "Execution timeout, too many concurrent call on the same entities";
        Self::platform("LOCK_ERROR", 500, message)
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
            http: 200,
        }
    }

    /// One of the GraphQL server's errors.
    pub(super) fn native(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
            status: None,
            http: 200,
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
        let code = self.code_in(shape);
        let data = self
            .status
            .map(|status| json!({ "http_status": status, "genre": "TECHNICAL" }));
        let mut error = json!({ "message": self.message });
        if let (Shape::Old, Some(data)) = (shape, &data) {
            error["name"] = json!(code);
            error["time_thrown"] = json!("2026-01-01T00:00:00.000Z");
            error["data"] = data.clone();
            return error;
        }
        error["locations"] = json!([{ "line": 1, "column": 1 }]);
        error["extensions"] = json!({ "code": code });
        if let Some(data) = data {
            error["extensions"]["data"] = data;
        }
        match shape {
            Shape::Old => return error,
            Shape::Inner => error["extensions"]["name"] = json!(code),
            Shape::Renamed | Shape::New => error["name"] = json!(code),
        }
        if !path.is_empty() {
            error["path"] = json!(path);
        }
        error
    }

    fn code_in(&self, shape: Shape) -> &str {
        match (shape, self.code.as_str()) {
            (Shape::Renamed, "BAD_USER_INPUT") => "VALIDATION_ERROR",
            (_, code) => code,
        }
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
            ("6.2.13", Shape::Inner),
            ("6.2.14", Shape::Renamed),
            ("6.4.6", Shape::Renamed),
            ("6.4.7", Shape::New),
            ("6.9.29", Shape::New),
            ("7.260309.0-lts.2", Shape::New),
        ] {
            assert_eq!(Shape::of(Version::read(version)), shape, "{version}");
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
        let inner = Refusal::auth_required().to_body(Shape::Inner, &["about"], None);
        assert_eq!(inner["errors"][0]["extensions"]["name"], "AUTH_REQUIRED");
        assert_eq!(inner["errors"][0].get("name"), None);
        let renamed = Refusal::native("BAD_USER_INPUT", "x").to_body(Shape::Renamed, &[], None);
        assert_eq!(renamed["errors"][0]["name"], "VALIDATION_ERROR");
    }
}
