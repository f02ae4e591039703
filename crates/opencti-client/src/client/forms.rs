//! Asking in the form that the platform's version knows.

use std::future::Future;
use std::sync::PoisonError;

use graphql_client::GraphQLQuery;

use super::api::Client;
use super::convert;
use super::operations::{self as op, Operation};
use super::speaker::Speaker;
use crate::capability::Capability;
use crate::features::Feature;
use crate::{ApiError, BundlePush, ErrorClass, PendingFile, Ping, PlatformVersion, WorkId};

impl Client {
    /// Calls an operation in our own name.
    pub(super) async fn call<Q: GraphQLQuery>(
        &self,
        operation: &Operation,
        variables: Q::Variables,
    ) -> Result<Q::ResponseData, ApiError> {
        self.call_as::<Q>(operation, variables, Speaker::Ourselves)
            .await
    }

    async fn call_as<Q: GraphQLQuery>(
        &self,
        operation: &Operation,
        variables: Q::Variables,
        speaker: Speaker,
    ) -> Result<Q::ResponseData, ApiError> {
        let is_our_account = matches!(speaker, Speaker::Ourselves);
        let answer = self.transport.call::<Q>(operation, variables, speaker);
        answer.await.map_err(|error| {
            if is_our_account {
                self.explain(error)
            } else {
                error
            }
        })
    }

    /// Calls an operation that belongs to a work, see [`Transport::call_for_work`].
    ///
    /// [`Transport::call_for_work`]: super::transport::Transport::call_for_work
    pub(super) async fn call_for_work<Q: GraphQLQuery>(
        &self,
        operation: &Operation,
        variables: Q::Variables,
        work: &WorkId,
    ) -> Result<Q::ResponseData, ApiError> {
        let answer = self
            .transport
            .call_for_work::<Q>(operation, variables, work);
        answer.await.map_err(|error| self.explain(error))
    }

    /// Whether a work is alive, by asking; `None` where the platform does not know the question.
    pub(super) async fn ask_whether_alive(&self, work: &WorkId) -> Result<Option<bool>, ApiError> {
        let variables = op::is_work_alive::Variables { id: work.0.clone() };
        let answer = self.call::<op::IsWorkAlive>(&op::IS_WORK_ALIVE, variables);
        match answer.await {
            Ok(answer) => Ok(answer.is_work_alive),
            Err(error) if error.is_not_known() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether a work is alive, by a request that belongs to it and asks for nothing that needs a
    /// capability; `None` where the platform may not look at what a request belongs to.
    pub(super) async fn probe_whether_alive(
        &self,
        work: &WorkId,
    ) -> Result<Option<bool>, ApiError> {
        let probe = self.call_for_work::<op::About>(&op::ABOUT, op::about::Variables, work);
        match probe.await {
            Ok(_) => Ok(Feature::WorkHeader
                .is_in(self.known_version())
                .then_some(true)),
            Err(error) if error.class() == ErrorClass::WorkGone => Ok(Some(false)),
            Err(error) => Err(error),
        }
    }

    /// Whether the platform drops messages of works that are not alive, without telling that in its
    /// answer to a request that belongs to one.
    pub(super) fn tells_of_works_only_when_asked(&self) -> bool {
        match self.known_version() {
            None => true,
            version => Feature::WorkAlive.is_in(version) && !Feature::WorkHeader.is_in(version),
        }
    }

    /// Names the capability that our account lacks, where it lacks one.
    fn explain(&self, error: ApiError) -> ApiError {
        if error.class() != ErrorClass::Forbidden {
            return error;
        }
        match Capability::of(error.operation(), self.known_version()) {
            Some(capability) => error.for_lack_of(capability),
            None => error,
        }
    }

    /// The version that the platform last told, if what it knows can be told from it.
    pub(super) fn known_version(&self) -> Option<PlatformVersion> {
        *self.version.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn learn_version(&self, version: Option<PlatformVersion>) {
        *self.version.write().unwrap_or_else(PoisonError::into_inner) = version;
    }

    /// Asks in a newer form where the platform should know it, and in the form of 6.0.0 where it
    /// should not, or does not after all. A platform that knows less than its version says is
    /// asked in the forms of 6.0.0 from then on.
    pub(super) async fn newer_or_first<T>(
        &self,
        feature: Feature,
        newer: impl Future<Output = Result<T, ApiError>> + Send,
        first: impl Future<Output = Result<T, ApiError>> + Send,
    ) -> Result<T, ApiError> {
        if !feature.is_in(self.known_version()) {
            return first.await;
        }
        match newer.await {
            Err(error) if not_understood(&error) => {
                let answer = first.await?;
                tracing::warn!(
                    error = %error,
                    "the platform does not know what its version should; it is asked as 6.0.0 \
                     from now on"
                );
                self.learn_version(None);
                Ok(answer)
            }
            answer => answer,
        }
    }

    pub(super) async fn me_as(&self, speaker: Speaker) -> Result<op::me::MeMe, ApiError> {
        let answer = self.call_as::<op::Me>(&op::ME, op::me::Variables, speaker);
        Ok(answer.await?.me)
    }

    pub(super) async fn register(
        &self,
        input: op::register_connector::RegisterConnectorInput,
    ) -> Result<Option<op::register_connector::RegisterConnectorRegisterConnector>, ApiError> {
        let variables = op::register_connector::Variables { input: Some(input) };
        let answer = self.call::<op::RegisterConnector>(&op::REGISTER_CONNECTOR, variables);
        Ok(answer.await?.register_connector)
    }

    pub(super) async fn ping_with_info(&self, ping: &Ping<'_>) -> Result<Option<String>, ApiError> {
        let variables = op::ping_connector_with_info::Variables {
            id: ping.connector_id.to_owned(),
            state: Some(ping.state.to_owned()),
            connector_info: Some(convert::connector_info(&ping.info)),
        };
        let call = self.call::<op::PingConnectorWithInfo>(&op::PING_CONNECTOR, variables);
        let answer = call.await?.ping_connector;
        let connector = answer.ok_or_else(|| convert::missing(&op::PING_CONNECTOR))?;
        Ok(connector.connector_state)
    }

    pub(super) async fn ping_bare(&self, ping: &Ping<'_>) -> Result<Option<String>, ApiError> {
        let variables = op::ping_connector::Variables {
            id: ping.connector_id.to_owned(),
            state: Some(ping.state.to_owned()),
        };
        let call = self.call::<op::PingConnector>(&op::PING_CONNECTOR, variables);
        let answer = call.await?.ping_connector;
        let connector = answer.ok_or_else(|| convert::missing(&op::PING_CONNECTOR))?;
        Ok(connector.connector_state)
    }

    pub(super) async fn push_to_work(
        &self,
        push: BundlePush<'_>,
        work: &WorkId,
    ) -> Result<Option<bool>, ApiError> {
        let speaker = speaker_of(&push)?;
        let variables = op::stix_bundle_push_to_work::Variables {
            connector_id: push.connector_id.to_owned(),
            bundle: push.bundle,
            work_id: Some(work.0.clone()),
        };
        let push = &op::STIX_BUNDLE_PUSH;
        let answer = self.call_as::<op::StixBundlePushToWork>(push, variables, speaker);
        Ok(answer.await?.stix_bundle_push)
    }

    pub(super) async fn push_bare(&self, push: BundlePush<'_>) -> Result<Option<bool>, ApiError> {
        let speaker = speaker_of(&push)?;
        let variables = op::stix_bundle_push::Variables {
            connector_id: push.connector_id.to_owned(),
            bundle: push.bundle,
        };
        let push = &op::STIX_BUNDLE_PUSH;
        let answer = self.call_as::<op::StixBundlePush>(push, variables, speaker);
        Ok(answer.await?.stix_bundle_push)
    }

    pub(super) async fn upload(
        &self,
        file: &PendingFile,
    ) -> Result<Option<op::upload_pending::UploadPendingUploadPending>, ApiError> {
        let variables = op::upload_pending::Variables { file: () };
        let answer =
            self.transport
                .upload::<op::UploadPending>(&op::UPLOAD_PENDING, variables, file);
        let answer = answer.await.map_err(|error| self.explain(error))?;
        Ok(answer.upload_pending)
    }
}

fn speaker_of(push: &BundlePush<'_>) -> Result<Speaker, ApiError> {
    match push.applicant_id {
        None => Ok(Speaker::Ourselves),
        Some(id) => Speaker::user(id).ok_or_else(|| convert::unspeakable(&op::STIX_BUNDLE_PUSH)),
    }
}

/// Whether the platform does not know what the request names; then it has done nothing.
pub(super) fn not_understood(error: &ApiError) -> bool {
    let codes = [
        "GRAPHQL_VALIDATION_FAILED",
        "BAD_USER_INPUT",
        "VALIDATION_ERROR",
    ];
    error.code().is_some_and(|code| codes.contains(&code))
}
