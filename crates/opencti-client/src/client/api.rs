//! The platform's API, operation by operation.

use std::fmt;
use std::future::ready;
use std::sync::RwLock;

use async_trait::async_trait;

use super::config::{ClientConfig, ClientError};
use super::convert;
use super::operations as op;
use super::speaker::{self, Speaker};
use super::transport::Transport;
use crate::features::Feature;
use crate::{
    Account, ApiError, Applicant, BundlePush, DraftId, ErrorClass, KnownConnector, PendingFile,
    Ping, Platform, PlatformVersion, QueueDetails, Registered, Registration, S3Connection, WorkEnd,
    WorkId, WorkProgress,
};

/// The API of one platform, over HTTP.
///
/// It retries by itself what is harmless to repeat or was surely not seen, see [`RetryPolicy`].
/// It keeps the version that [`Platform::version`] learned, and asks accordingly.
///
/// ```
/// use opencti_client::{Client, ClientConfig, Secret};
///
/// let token = Secret::new("b7fbcb4e-5c9e-4a4e-9d7c-5c6d2f0a2f11");
/// let client = Client::new(ClientConfig::new("http://opencti:8080", token.clone()))?;
/// assert_eq!(format!("{client:?}"), r#"Client { host: "opencti:8080", .. }"#);
///
/// let error = Client::new(ClientConfig::new("opencti", token)).unwrap_err();
/// assert_eq!(error.to_string(), r#"the platform's address "opencti" is not a URL"#);
/// # Ok::<(), opencti_client::ClientError>(())
/// ```
///
/// [`RetryPolicy`]: crate::RetryPolicy
pub struct Client {
    pub(super) transport: Transport,
    pub(super) version: RwLock<Option<PlatformVersion>>,
}

impl Client {
    /// A client of the platform that `config` names; nothing is sent yet.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn new(config: ClientConfig) -> Result<Self, ClientError> {
        Ok(Self {
            transport: Transport::new(config)?,
            version: RwLock::new(None),
        })
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("host", &self.transport.host())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Platform for Client {
    async fn version(&self) -> Result<Option<PlatformVersion>, ApiError> {
        let call = self.call::<op::About>(&op::ABOUT, op::about::Variables);
        let about = call.await?.about;
        let version = about.and_then(|about| PlatformVersion::parse(&about.version));
        self.learn_version(version);
        Ok(version)
    }

    async fn register_connector(
        &self,
        registration: &Registration,
    ) -> Result<Registered, ApiError> {
        let input = || convert::registration_input(registration);
        let newer = op::register_connector::RegisterConnectorInput {
            auto_update: Some(false),
            ..input()
        };
        let answer = self
            .newer_or_first(
                Feature::AutoUpdate,
                self.register(newer),
                self.register(input()),
            )
            .await?;
        convert::registered(answer.ok_or_else(|| convert::missing(&op::REGISTER_CONNECTOR))?)
    }

    async fn platform_storage(
        &self,
        registration: &Registration,
    ) -> Result<Option<S3Connection>, ApiError> {
        if !Feature::S3Connection.is_in(self.known_version()) {
            return Ok(None);
        }
        let variables = op::platform_storage::Variables {
            input: Some(convert::registration_input(registration)),
        };
        let call = self.call::<op::PlatformStorage>(&op::REGISTER_CONNECTOR, variables);
        let connector = call.await?.register_connector;
        let config = connector.and_then(|connector| connector.config);
        let config = config.ok_or_else(|| convert::missing(&op::REGISTER_CONNECTOR))?;
        convert::storage(config.s3).map(Some)
    }

    async fn ping_connector(&self, ping: &Ping<'_>) -> Result<Option<String>, ApiError> {
        self.newer_or_first(
            Feature::ConnectorInfo,
            self.ping_with_info(ping),
            self.ping_bare(ping),
        )
        .await
    }

    async fn add_work(&self, connector_id: &str, name: &str) -> Result<WorkId, ApiError> {
        let variables = op::work_add::Variables {
            connector_id: connector_id.to_owned(),
            friendly_name: Some(name.to_owned()),
        };
        let answer = self.call::<op::WorkAdd>(&op::WORK_ADD, variables).await?;
        Ok(WorkId(answer.work_add.id))
    }

    async fn add_expectations(&self, work: &WorkId, count: i32) -> Result<(), ApiError> {
        let variables = op::add_expectations::Variables {
            id: work.0.clone(),
            expectations: Some(count.into()),
        };
        let add = &op::ADD_EXPECTATIONS;
        let call = self.call_for_work::<op::AddExpectations>(add, variables, work);
        convert::done(call.await?.work_edit, add)?;
        if count > 0
            && self.tells_of_works_only_when_asked()
            && let Ok(Some(false)) = self.ask_whether_alive(work).await
        {
            return Err(convert::work_not_alive(add));
        }
        Ok(())
    }

    async fn report_expectation(&self, work: &WorkId, error: Option<&str>) -> Result<(), ApiError> {
        let error = error.map(|error| op::report_expectation::WorkErrorInput {
            error: Some(error.to_owned()),
            source: None,
        });
        let variables = op::report_expectation::Variables {
            id: work.0.clone(),
            error,
        };
        let call = self.call::<op::ReportExpectation>(&op::REPORT_EXPECTATION, variables);
        convert::done(call.await?.work_edit, &op::REPORT_EXPECTATION)
    }

    async fn finish_work(
        &self,
        work: &WorkId,
        message: &str,
        end: WorkEnd,
    ) -> Result<(), ApiError> {
        let variables = op::to_processed::Variables {
            id: work.0.clone(),
            message: Some(message.to_owned()),
            in_error: Some(end == WorkEnd::InError),
        };
        let call = self.call::<op::ToProcessed>(&op::TO_PROCESSED, variables);
        convert::done(call.await?.work_edit, &op::TO_PROCESSED)
    }

    async fn add_draft(&self, name: &str) -> Result<DraftId, ApiError> {
        let variables = op::draft_workspace_add::Variables {
            input: op::draft_workspace_add::DraftWorkspaceAddInput {
                name: name.to_owned(),
            },
        };
        let call = self.call::<op::DraftWorkspaceAdd>(&op::DRAFT_WORKSPACE_ADD, variables);
        let answer = call.await?.draft_workspace_add;
        Ok(DraftId(
            answer
                .ok_or_else(|| convert::missing(&op::DRAFT_WORKSPACE_ADD))?
                .id,
        ))
    }

    async fn add_draft_context(&self, work: &WorkId, draft: &DraftId) -> Result<(), ApiError> {
        let variables = op::add_draft_context::Variables {
            id: work.0.clone(),
            draft_context: Some(draft.0.clone()),
        };
        let call = self.call::<op::AddDraftContext>(&op::ADD_DRAFT_CONTEXT, variables);
        convert::done(call.await?.work_edit, &op::ADD_DRAFT_CONTEXT)
    }

    async fn upload_pending(&self, file: &PendingFile) -> Result<(), ApiError> {
        let answer = self.upload(file).await?;
        convert::done(answer, &op::UPLOAD_PENDING)
    }

    async fn push_bundle(&self, push: BundlePush<'_>) -> Result<(), ApiError> {
        let pushed = match push.work {
            Some(work) => self.push_to_work(push, work).await?,
            None => self.push_bare(push).await?,
        };
        convert::pushed(pushed)
    }

    async fn work(&self, work: &WorkId) -> Result<Option<WorkProgress>, ApiError> {
        let variables = op::work::Variables { id: work.0.clone() };
        let answer = self.call::<op::Work>(&op::WORK, variables).await?;
        Ok(answer.work.as_ref().map(convert::progress))
    }

    async fn is_work_alive(&self, work: &WorkId) -> Result<Option<bool>, ApiError> {
        let version = self.known_version();
        if version.is_some() && !Feature::WorkAlive.is_in(version) {
            return Ok(None);
        }
        match self.ask_whether_alive(work).await {
            Err(error) if error.class() != ErrorClass::Credentials => {
                match self.probe_whether_alive(work).await {
                    Ok(Some(alive)) => Ok(Some(alive)),
                    Ok(None) | Err(_) => Err(error),
                }
            }
            answer => answer,
        }
    }

    async fn queue_details(&self, connector_id: &str) -> Result<Option<QueueDetails>, ApiError> {
        let variables = op::queue_details::Variables {
            id: connector_id.to_owned(),
        };
        let newer = async {
            let answer = self.call::<op::QueueDetails>(&op::QUEUE_DETAILS, variables);
            let connector = answer.await?.connector;
            connector.as_ref().map(convert::queue_details).transpose()
        };
        self.newer_or_first(Feature::QueueDetails, newer, ready(Ok(None)))
            .await
    }

    async fn connectors(&self) -> Result<Vec<KnownConnector>, ApiError> {
        let call = self.call::<op::Connectors>(&op::CONNECTORS, op::connectors::Variables);
        let connectors = call.await?.connectors;
        let connectors = connectors.ok_or_else(|| convert::missing(&op::CONNECTORS))?;
        Ok(convert::known_connectors(connectors))
    }

    async fn me(&self) -> Result<Account, ApiError> {
        let me = self.me_as(Speaker::Ourselves).await?;
        Ok(speaker::account(&me))
    }

    async fn applicant(&self, user_id: &str) -> Result<Applicant, ApiError> {
        // What no header can carry is no id of a user.
        let Some(user) = Speaker::user(user_id) else {
            return Ok(Applicant::Unknown);
        };
        let answer = self.me_as(user).await;
        if let Some(applicant) = speaker::judge(user_id, &answer) {
            return Ok(applicant);
        }
        match answer {
            Err(error) if !speaker::is_about_someone(&error) => Err(error),
            // Refused: if we are let in ourselves, it is the user who is not.
            _ if speaker::may_impersonate(&self.me_as(Speaker::Ourselves).await?) => {
                Ok(Applicant::Unknown)
            }
            _ => Ok(Applicant::CannotTell),
        }
    }
}
