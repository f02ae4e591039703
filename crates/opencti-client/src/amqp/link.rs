//! A connection to the broker with one channel on it: all that is said to lapin.

use std::future::Future;
use std::io;
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::tcp::{AsyncTcpStream, RustlsConnector};
use lapin::types::{FieldTable, ShortString, ShortStringError};
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties, ErrorKind, PublisherConfirm,
};
use tokio::time::timeout;

use super::options::AmqpOptions;
use crate::tls::TlsFault;
use crate::{BrokerAddress, Route, TlsError};

/// Delivery mode 2: the broker keeps the message over a restart.
const PERSISTENT: u8 = 2;

/// The largest frame that we ask for, in bytes. lapin keeps room for 32 frames each way, all of it
/// resident: 8 MiB with RabbitMQ's own 128 KiB. Nearly all messages fit into one of these.
const FRAME_MAX: u32 = 32 << 10;

/// AMQP's limit on names, in bytes.
const NAME_LIMIT: usize = 255;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    /// The address cannot be written in AMQP.
    #[error("the virtual host's name is longer than 255 bytes")]
    Vhost,
    #[error("cannot set up TLS")]
    Tls(#[source] TlsError),
    #[error("no connection within {0:?}")]
    Timeout(Duration),
    #[error("the TLS handshake failed")]
    Handshake(TlsFault, #[source] Told),
    #[error("the broker, or the network, refuses the connection")]
    Lapin(#[source] Told),
}

/// An error of lapin's as a cause: it prints its own source, so it must not give it as well.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Told(pub(super) lapin::Error);

impl From<lapin::Error> for LinkError {
    fn from(error: lapin::Error) -> Self {
        match TlsFault::in_chain(&error) {
            Some(fault) => Self::Handshake(fault, Told(error)),
            None => Self::Lapin(Told(error)),
        }
    }
}

/// A connection with one channel in confirm mode.
pub(super) struct Link {
    connection: Connection,
    channel: Channel,
}

impl Link {
    pub(super) async fn open(
        address: &BrokerAddress,
        options: &AmqpOptions,
    ) -> Result<Self, LinkError> {
        let kill = KillSwitch::default();
        let guard = KillGuard(kill.clone());
        let opening = async {
            let connection = connect(address, options, kill).await?;
            let channel = open_channel(&connection).await?;
            Ok(Self {
                connection,
                channel,
            })
        };
        let limit = options.connect_timeout;
        let opened = timeout(limit, opening)
            .await
            .map_err(|_| LinkError::Timeout(limit))?;
        guard.spare();
        opened
    }

    /// Whether the connection stands, as far as is known.
    pub(super) fn is_connected(&self) -> bool {
        self.connection.status().connected()
    }

    /// Whether the channel is open, as far as is known.
    pub(super) fn is_open(&self) -> bool {
        self.is_connected() && self.channel.status().connected()
    }

    /// Whether the broker takes no messages for now, for want of memory or disk.
    pub(super) fn is_blocked(&self) -> bool {
        self.connection.status().blocked()
    }

    /// Opens another channel in place of one that the broker closed.
    pub(super) async fn renew_channel(&mut self, limit: Duration) -> Result<(), LinkError> {
        let opening = timeout(limit, open_channel(&self.connection)).await;
        let opened = opening.map_err(|_| LinkError::Timeout(limit))?;
        self.channel = opened?;
        Ok(())
    }

    /// Sends a message; what comes back is the promise of its confirm.
    pub(super) fn publish<'a>(
        &'a self,
        target: &Target,
        body: &'a [u8],
    ) -> impl Future<Output = lapin::Result<PublisherConfirm>> + Send + 'a {
        let options = BasicPublishOptions {
            mandatory: true,
            ..BasicPublishOptions::default()
        };
        let properties = BasicProperties::default()
            .with_delivery_mode(PERSISTENT)
            .with_content_encoding("utf-8".into());
        let Target {
            exchange,
            routing_key,
            ..
        } = target.clone();
        self.channel
            .basic_publish(exchange, routing_key, options, body, properties)
    }

    /// Asks whether the queue is there. The broker closes the channel where it is not.
    pub(super) async fn find_queue(&self, target: &Target) -> lapin::Result<()> {
        let options = QueueDeclareOptions {
            passive: true,
            ..QueueDeclareOptions::default()
        };
        let name = target.queue.clone();
        let asking = self
            .channel
            .queue_declare(name, options, FieldTable::default());
        asking.await.map(drop)
    }
}

/// A route in AMQP's own strings.
#[derive(Clone, Debug)]
pub(super) struct Target {
    exchange: ShortString,
    routing_key: ShortString,
    queue: ShortString,
}

impl TryFrom<&Route> for Target {
    type Error = ShortStringError;

    fn try_from(route: &Route) -> Result<Self, Self::Error> {
        Ok(Self {
            exchange: ShortString::try_new(route.exchange.as_str())?,
            routing_key: ShortString::try_new(route.routing_key.as_str())?,
            queue: ShortString::try_new(route.queue.as_str())?,
        })
    }
}

/// The code and text with which the broker closed a channel or connection.
pub(super) fn reply(error: &lapin::Error) -> Option<(u16, &str)> {
    match error.kind() {
        ErrorKind::ProtocolError(error) => Some((error.get_id(), error.get_message().as_str())),
        _ => None,
    }
}

async fn open_channel(connection: &Connection) -> lapin::Result<Channel> {
    let channel = connection.create_channel().await?;
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await?;
    Ok(channel)
}

async fn connect(
    address: &BrokerAddress,
    options: &AmqpOptions,
    kill: KillSwitch,
) -> Result<Connection, LinkError> {
    let uri = uri(address, options)?;
    let tls = connector(address, options)?;
    let limit = options.connect_timeout;
    let name = options.connection_name.as_str();
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    let runtime = lapin::runtime::default_runtime()?;
    // lapin connects on a thread of its own, which would outlive our patience: so the limit stands
    // in there as well, and what was opened can be shut from here.
    let connecting = Connection::connector(
        uri,
        runtime,
        async move |uri, runtime| {
            let AMQPAuthority { host, port, .. } = uri.authority;
            let dial = async {
                let resolving = runtime.to_socket_addrs((host.clone(), port));
                let plain = AsyncTcpStream::connect(&runtime, resolving).await?;
                if let AsyncTcpStream::Plain(stream) = &plain {
                    kill.arm(stream.get_ref())?;
                }
                match &tls {
                    Some(tls) => plain.into_rustls(tls, &host).await,
                    None => Ok(plain),
                }
            };
            let dialled = timeout(limit, dial).await;
            Ok(dialled.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?)
        },
        properties,
    );
    Ok(connecting.await?)
}

fn uri(address: &BrokerAddress, options: &AmqpOptions) -> Result<AMQPUri, LinkError> {
    if address.vhost.len() > NAME_LIMIT {
        return Err(LinkError::Vhost);
    }
    let scheme = if address.use_ssl {
        AMQPScheme::AMQPS
    } else {
        AMQPScheme::AMQP
    };
    let heartbeat = u16::try_from(options.heartbeat.as_secs()).unwrap_or(u16::MAX);
    Ok(AMQPUri {
        scheme,
        authority: AMQPAuthority {
            userinfo: AMQPUserInfo {
                username: address.user.clone(),
                password: address.password.expose().to_owned(),
            },
            host: bare(&address.host).to_owned(),
            port: address.port,
        },
        vhost: address.vhost.clone(),
        query: AMQPQueryString {
            heartbeat: Some(heartbeat),
            frame_max: Some(FRAME_MAX),
            ..AMQPQueryString::default()
        },
    })
}

/// An IPv6 address without the brackets that it has in URLs.
fn bare(host: &str) -> &str {
    host.strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host)
}

fn connector(
    address: &BrokerAddress,
    options: &AmqpOptions,
) -> Result<Option<RustlsConnector>, LinkError> {
    if !address.use_ssl {
        return Ok(None);
    }
    let config = options.tls.config().map_err(LinkError::Tls)?;
    Ok(Some(RustlsConnector::from(config)))
}

/// Shuts a socket that lapin holds, so that its thread ends.
#[derive(Clone, Default)]
struct KillSwitch(Arc<Mutex<Fuse>>);

/// What a kill switch is connected to.
#[derive(Default)]
enum Fuse {
    #[default]
    Open,
    Armed(TcpStream),
    Blown,
}

impl KillSwitch {
    fn arm(&self, socket: &impl AsFd) -> io::Result<()> {
        let mut fuse = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*fuse, Fuse::Blown) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        *fuse = Fuse::Armed(TcpStream::from(socket.as_fd().try_clone_to_owned()?));
        Ok(())
    }

    fn set(&self, fuse: Fuse) -> Fuse {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *held, fuse)
    }
}

/// Pulls the switch of an attempt to connect that is given up, by us or by whoever drops us.
struct KillGuard(KillSwitch);

impl KillGuard {
    /// The attempt is over: lapin does what is right for the socket.
    fn spare(self) {
        self.0.set(Fuse::Open);
    }
}

impl Drop for KillGuard {
    fn drop(&mut self) {
        if let Fuse::Armed(socket) = self.0.set(Fuse::Blown) {
            // It may be closed already, which is just as well.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}
