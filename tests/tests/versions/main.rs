//! What the client asks of each version of the platform, held against what that version has.
//!
//! The project's own schema says what came when. The platform's published schemas, where they lie
//! beside the project in `../shared/schema`, say whether it is right.

mod agreement;
mod published;
mod requests;
