//! What the platform answers when it does not do what it was asked, and what that means for us.

use std::error::Error;

use crate::Capability;

/// What a caller can do about a failed call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// The token is wrong, or its account cannot be used. Nobody but an operator can mend it.
    Credentials,
    /// The account of the token lacks a capability for this operation; others may go well.
    Forbidden,
    /// The platform does not understand the request, or refuses what it says. The same request
    /// will be refused again.
    Contract,
    /// The work was deleted, or its connector.
    WorkGone,
    /// The same request may succeed later.
    Transient,
}

/// A call to the platform that failed.
///
/// `Display` says what was asked and how it ended; the cause is in the chain.
///
/// ```
/// use opencti_client::{ApiError, ErrorClass};
///
/// let error = ApiError::new("workAdd", ErrorClass::Transient, "no answer within 60 s");
/// assert_eq!(error.to_string(), "workAdd: no answer within 60 s");
/// assert!(error.is_transient());
/// assert_eq!(error.code(), None);
/// ```
#[derive(Debug, thiserror::Error)]
#[error("{operation}: {message}")]
pub struct ApiError {
    operation: &'static str,
    class: ErrorClass,
    code: Option<String>,
    capability: Option<Capability>,
    message: String,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl ApiError {
    /// An error of `class` in `operation`, in words for an operator.
    pub fn new(operation: &'static str, class: ErrorClass, message: impl Into<String>) -> Self {
        Self {
            operation,
            class,
            code: None,
            capability: None,
            message: message.into(),
            source: None,
        }
    }

    /// The same error, with the platform's own code.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// The same error, for the lack of a capability, which it then names.
    #[must_use]
    pub fn for_lack_of(mut self, capability: Capability) -> Self {
        self.capability = Some(capability);
        self.message = format!(
            "the account of OPENCTI_TOKEN lacks the capability {}; without it, {} ({})",
            capability.as_str(),
            capability.consequence(),
            self.message
        );
        self
    }

    /// The same error, with its cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What a caller can do about it.
    pub fn class(&self) -> ErrorClass {
        self.class
    }

    /// Whether the same call may succeed later.
    pub fn is_transient(&self) -> bool {
        self.class == ErrorClass::Transient
    }

    /// The platform's own code, such as `AUTH_REQUIRED`, where it gave one.
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// The capability that our account lacks, where it is one that we know of.
    pub fn capability(&self) -> Option<Capability> {
        self.capability
    }

    /// The GraphQL operation that was called.
    pub fn operation(&self) -> &'static str {
        self.operation
    }
}
