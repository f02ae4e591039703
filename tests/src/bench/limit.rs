//! The limit: ready-made messages, published as fast as the broker confirms them.

use std::collections::VecDeque;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use lapin::options::{
    BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, ExchangeDeleteOptions,
    QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind};
use lapin::{Confirmation, PublisherConfirm};

use crate::platform::Message;

/// How many messages may be unconfirmed at once: as many as ours, at most.
const WINDOW: usize = 4096;

/// The word that makes the benchmark's program publish.
pub(super) const LIMIT: &str = "limit";

/// Writes messages for [`publish`]: each has its length before it.
pub(super) fn prepare(messages: &[Message], path: &Path) -> anyhow::Result<()> {
    let mut all = Vec::new();
    for message in messages {
        all.extend_from_slice(&u32::try_from(message.body.len())?.to_le_bytes());
        all.extend_from_slice(&message.body);
    }
    fs::write(path, all).context("cannot write the messages")
}

/// Publishes the messages in the file at `path` to a queue of its own at `broker`, persistent,
/// mandatory and confirmed, and returns the microseconds from before the connection is opened
/// until the last one is confirmed.
///
/// # Errors
/// If the broker refuses, returns or loses one.
pub async fn publish(broker: &str, path: &Path) -> anyhow::Result<u128> {
    let all = fs::read(path).context("cannot read the messages")?;
    let bodies = bodies(&all)?;
    let name = format!("limit_{}", std::process::id());
    let setup = Connection::connect(broker, ConnectionProperties::default()).await?;
    let channel = setup.create_channel().await?;
    declare(&channel, &name).await?;

    let began = Instant::now();
    let connection = Connection::connect(broker, ConnectionProperties::default()).await?;
    // Kept until the connection is closed, which fails on a channel that is being closed.
    let publisher = connection.create_channel().await?;
    send(&publisher, &name, &bodies).await?;
    let took = began.elapsed();

    connection.close(200, "done".into()).await?;
    let held = remove(&channel, &name).await?;
    setup.close(200, "done".into()).await?;
    anyhow::ensure!(
        held == bodies.len(),
        "of {} messages the broker held {held}",
        bodies.len()
    );
    Ok(took.as_micros())
}

/// Publishes so many messages like [`publish`], but the next one only when the last is confirmed, and
/// returns what each took.
pub(super) async fn one_by_one(
    broker: &str,
    messages: usize,
    body: &[u8],
) -> anyhow::Result<Vec<Duration>> {
    let name = format!("one_by_one_{}", std::process::id());
    let connection = Connection::connect(broker, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    declare(&channel, &name).await?;
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await?;
    let mut times = Vec::with_capacity(messages);
    for _ in 0..messages {
        let began = Instant::now();
        let sent = publish_one(&channel, &name, body).await?;
        confirm(Some(sent)).await?;
        times.push(began.elapsed());
    }
    remove(&channel, &name).await?;
    connection.close(200, "done".into()).await?;
    Ok(times)
}

fn bodies(mut all: &[u8]) -> anyhow::Result<Vec<&[u8]>> {
    let mut bodies = Vec::new();
    while let Some((length, rest)) = all.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_le_bytes(*length))?;
        let (body, rest) = rest.split_at_checked(length).context("half a message")?;
        bodies.push(body);
        all = rest;
    }
    Ok(bodies)
}

async fn declare(channel: &Channel, name: &str) -> anyhow::Result<()> {
    let durable = ExchangeDeclareOptions {
        durable: true,
        ..ExchangeDeclareOptions::default()
    };
    let none = FieldTable::default;
    channel
        .exchange_declare(name.into(), ExchangeKind::Direct, durable, none())
        .await?;
    let durable = QueueDeclareOptions {
        durable: true,
        ..QueueDeclareOptions::default()
    };
    channel.queue_declare(name.into(), durable, none()).await?;
    let bind = QueueBindOptions::default();
    channel
        .queue_bind(name.into(), name.into(), name.into(), bind, none())
        .await?;
    Ok(())
}

async fn send(channel: &Channel, name: &str, bodies: &[&[u8]]) -> anyhow::Result<()> {
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await?;
    let mut window = VecDeque::with_capacity(WINDOW);
    for body in bodies {
        if window.len() == WINDOW {
            confirm(window.pop_front()).await?;
        }
        window.push_back(publish_one(channel, name, body).await?);
    }
    while !window.is_empty() {
        confirm(window.pop_front()).await?;
    }
    Ok(())
}

async fn publish_one(
    channel: &Channel,
    name: &str,
    body: &[u8],
) -> lapin::Result<PublisherConfirm> {
    let options = BasicPublishOptions {
        mandatory: true,
        ..BasicPublishOptions::default()
    };
    let properties = BasicProperties::default()
        .with_delivery_mode(2)
        .with_content_encoding("utf-8".into());
    channel
        .basic_publish(name.into(), name.into(), options, body, properties)
        .await
}

async fn confirm(sent: Option<PublisherConfirm>) -> anyhow::Result<()> {
    let Some(sent) = sent else { return Ok(()) };
    let confirmation = sent.await?;
    anyhow::ensure!(
        matches!(confirmation, Confirmation::Ack(None)),
        "the broker did not take a message"
    );
    Ok(())
}

/// Deletes queue and exchange, and returns how many messages the queue held.
async fn remove(channel: &Channel, name: &str) -> anyhow::Result<usize> {
    let held = channel
        .queue_delete(name.into(), QueueDeleteOptions::default())
        .await?;
    channel
        .exchange_delete(name.into(), ExchangeDeleteOptions::default())
        .await?;
    Ok(usize::try_from(held)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_back_as_they_were_written() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let message = |body: &[u8]| Message {
            body: body.to_vec(),
            delivery_mode: None,
            content_encoding: None,
            content_type: None,
        };
        prepare(
            &[message(b"one"), message(b""), message(b"three")],
            file.path(),
        )
        .unwrap();
        let all = fs::read(file.path()).unwrap();
        assert_eq!(bodies(&all).unwrap(), [&b"one"[..], b"", b"three"]);
        assert!(bodies(&all[..all.len() - 1]).is_err());
    }
}
