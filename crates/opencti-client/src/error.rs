//! What the platform answers when it does not do what it was asked, and what that means for us.

use std::error::Error;

use crate::Capability;

/// What a caller can do about a failed call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// The token is wrong, or its account cannot be used: it is locked, or in a draft that is
    /// closed. Nobody but an operator can mend it.
    Credentials,
    /// The account of the token lacks a capability for this operation; others may go well.
    Forbidden,
    /// The platform does not understand the request, refuses what it says, or takes none that is
    /// as large. The same request will be refused again. Whether that is because of what it says
    /// is told by [`ApiError::is_refusal`].
    Contract,
    /// The work was deleted, or its connector.
    WorkGone,
    /// The same request may succeed later. What does not come from the platform itself is of this
    /// class where it may be about what stands between rather than about the request.
    Transient,
}

/// The codes with which a platform refuses a request for what it says.
pub(crate) const REFUSALS: [&str; 6] = [
    "FUNCTIONAL_ERROR",
    "BAD_USER_INPUT",
    "BAD_REQUEST",
    "VALIDATION_ERROR",
    "UNSUPPORTED_ERROR",
    "DUPLICATE_ENTRY_ERROR",
];

/// The codes with which a platform says that it does not know what a request names.
pub(crate) const UNKNOWN: [&str; 2] = ["GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED"];

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
    too_large: bool,
    seen: bool,
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
            too_large: false,
            seen: class == ErrorClass::Transient,
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

    /// The same error, for a request that is larger than is taken.
    #[must_use]
    pub fn for_size(mut self) -> Self {
        self.too_large = true;
        self
    }

    /// The same error, for a request that the platform surely has not acted on.
    #[must_use]
    pub fn surely_unseen(mut self) -> Self {
        self.seen = false;
        self
    }

    /// The same error, for a request that the platform may have acted on, whatever was answered.
    #[must_use]
    pub(crate) fn perhaps_seen(mut self) -> Self {
        self.seen = true;
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

    /// Whether the platform itself refuses what the request says: it answered in GraphQL, and with
    /// a code that stands for that. Nothing was done, and the same content will be refused again.
    ///
    /// Only this tells against the content. An error may be of the class [`ErrorClass::Contract`]
    /// without it, such as for a request that is too large, a feature that is switched off, or an
    /// answer that we do not understand.
    ///
    /// ```
    /// use opencti_client::{ApiError, ErrorClass};
    ///
    /// let error = ApiError::new("registerConnector", ErrorClass::Contract, "name is too short");
    /// assert!(!error.is_refusal());
    /// assert!(error.with_code("BAD_USER_INPUT").is_refusal());
    /// ```
    pub fn is_refusal(&self) -> bool {
        let is_of_content = |code| REFUSALS.contains(&code);
        self.class == ErrorClass::Contract && self.code().is_some_and(is_of_content)
    }

    /// Whether the platform does not know what the request names: an operation, an argument, a field.
    /// It is of another version than it seems to be, and has done nothing. That says nothing against
    /// the content.
    pub fn is_not_known(&self) -> bool {
        let is_unknown = |code| UNKNOWN.contains(&code);
        self.code().is_some_and(is_unknown)
    }

    /// Whether the answer says that the request is larger than the platform, or a proxy before it,
    /// accepts. Nothing was done then.
    pub fn is_too_large(&self) -> bool {
        self.too_large
    }

    /// Whether the platform may have acted on the request, or on an earlier attempt at it: the
    /// answer is lost, or not one to rely on, so that the outcome is unknown. Where it does not
    /// hold, surely nothing was done: no connection was made, or the request was refused.
    ///
    /// ```
    /// use opencti_client::{ApiError, ErrorClass};
    ///
    /// let lost = ApiError::new("pingConnector", ErrorClass::Transient, "the connection broke");
    /// assert!(lost.may_have_been_seen());
    /// assert!(!lost.surely_unseen().may_have_been_seen());
    ///
    /// let refused = ApiError::new("pingConnector", ErrorClass::Forbidden, "not allowed");
    /// assert!(!refused.may_have_been_seen());
    /// ```
    pub fn may_have_been_seen(&self) -> bool {
        self.seen
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
