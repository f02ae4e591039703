//! A proxy before the broker that knows as much of AMQP as it takes to break it at a chosen place.

use std::fmt;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

/// A proxy before a broker. It stops when it is dropped, and its connections with it.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    gate: watch::Sender<Gate>,
    passed: Arc<Passed>,
    _stop: DropGuard,
}

/// What went through so far.
#[derive(Debug, Default)]
struct Passed {
    messages: AtomicUsize,
    confirms: AtomicUsize,
    connections: AtomicUsize,
    /// Who wants to know of each message.
    listener: Option<Listener>,
}

/// Is told the number of a connection, from 1, and the body of a message that came by it.
type Listen = dyn Fn(usize, &[u8]) + Send + Sync;

struct Listener(Box<Listen>);

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener")
    }
}

/// What is let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Gate {
    /// Connections of an earlier generation are cut.
    generation: u64,
    connections: Flow,
    publishing: Flow,
    /// So many messages are let through in all.
    messages: usize,
    confirms: Flow,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    Free,
    Stopped,
}

impl Proxy {
    /// Starts a proxy before the broker at `broker`, on a free port of the loopback interface.
    ///
    /// # Errors
    /// If it cannot listen.
    pub async fn start(broker: impl Into<String>) -> anyhow::Result<Self> {
        Self::start_with(broker.into(), Passed::default()).await
    }

    /// The same, and tells `listener` of each message before the broker has it: the number of its
    /// connection, from 1, and its body, a frame at a time.
    ///
    /// # Errors
    /// If it cannot listen.
    pub async fn start_telling(
        broker: impl Into<String>,
        listener: impl Fn(usize, &[u8]) + Send + Sync + 'static,
    ) -> anyhow::Result<Self> {
        let passed = Passed {
            listener: Some(Listener(Box::new(listener))),
            ..Passed::default()
        };
        Self::start_with(broker.into(), passed).await
    }

    async fn start_with(broker: String, passed: Passed) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .context("cannot listen on the loopback interface")?;
        let address = listener.local_addr()?;
        let (gate, _) = watch::channel(Gate {
            generation: 0,
            connections: Flow::Free,
            publishing: Flow::Free,
            messages: usize::MAX,
            confirms: Flow::Free,
        });
        let passed = Arc::new(passed);
        let stop = CancellationToken::new();
        let accept = accept(listener, broker, gate.clone(), Arc::clone(&passed));
        let stopped = stop.clone();
        tokio::spawn(async move { stopped.run_until_cancelled(accept).await });
        Ok(Self {
            address,
            gate,
            passed,
            _stop: stop.drop_guard(),
        })
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// How many messages went through to the broker so far.
    pub fn published(&self) -> usize {
        self.passed.messages.load(Ordering::SeqCst)
    }

    /// How many confirms went through to the program so far; one may be for many messages.
    pub fn confirmed(&self) -> usize {
        self.passed.confirms.load(Ordering::SeqCst)
    }

    /// How many connections there were so far: the number of the last one.
    pub fn connections(&self) -> usize {
        self.passed.connections.load(Ordering::SeqCst)
    }

    /// Cuts all connections that there are.
    pub fn cut(&self) {
        self.gate.send_modify(|gate| gate.generation += 1);
    }

    /// Cuts all connections, and takes no new ones: the broker is down.
    pub fn go_down(&self) {
        self.gate.send_modify(|gate| {
            gate.generation += 1;
            gate.connections = Flow::Stopped;
        });
    }

    /// Takes connections again.
    pub fn come_up(&self) {
        self.gate.send_modify(|gate| gate.connections = Flow::Free);
    }

    /// Does as a broker without memory or disk to spare: tells a connection that publishes that it
    /// is blocked, and reads no further.
    pub fn block(&self) {
        self.gate
            .send_modify(|gate| gate.publishing = Flow::Stopped);
    }

    /// Ends what [`block`](Self::block) began.
    pub fn unblock(&self) {
        self.gate.send_modify(|gate| gate.publishing = Flow::Free);
    }

    /// Withholds messages, and what comes after them, once so many have gone through in all.
    pub fn withhold_messages_after(&self, messages: usize) {
        self.gate.send_modify(|gate| gate.messages = messages);
    }

    /// Lets messages through again, those withheld first.
    pub fn release_messages(&self) {
        self.withhold_messages_after(usize::MAX);
    }

    /// Withholds the broker's confirms, and what comes after them but for heartbeats.
    pub fn withhold_confirms(&self) {
        self.gate.send_modify(|gate| gate.confirms = Flow::Stopped);
    }

    /// Lets confirms through again, those withheld first.
    pub fn release_confirms(&self) {
        self.gate.send_modify(|gate| gate.confirms = Flow::Free);
    }
}

async fn accept(
    listener: TcpListener,
    broker: String,
    gate: watch::Sender<Gate>,
    passed: Arc<Passed>,
) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        if gate.borrow().connections == Flow::Stopped {
            continue;
        }
        let wire = Wire {
            gate: gate.subscribe(),
            number: passed.connections.fetch_add(1, Ordering::SeqCst) + 1,
            passed: Arc::clone(&passed),
        };
        connections.spawn(forward(client, broker.clone(), wire));
        while connections.try_join_next().is_some() {}
    }
}

async fn forward(client: TcpStream, broker: String, wire: Wire) {
    // Whoever cannot reach the broker has its connection closed, as without us.
    let Ok(server) = TcpStream::connect(broker).await else {
        return;
    };
    let (client_read, client_write) = client.into_split();
    let (server_read, server_write) = server.into_split();
    let client_write = Mutex::new(client_write);
    tokio::select! {
        _ = wire.up(client_read, server_write, &client_write) => {}
        _ = wire.down(server_read, &client_write) => {}
        () = wire.cut() => {}
    }
}

/// What both directions of a connection share.
struct Wire {
    gate: watch::Receiver<Gate>,
    number: usize,
    passed: Arc<Passed>,
}

impl Wire {
    /// From the program to the broker.
    async fn up(
        &self,
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
        back: &Mutex<OwnedWriteHalf>,
    ) -> std::io::Result<()> {
        let mut greeting = [0; 8];
        from.read_exact(&mut greeting).await?;
        to.write_all(&greeting).await?;
        loop {
            let frame = Frame::read(&mut from).await?;
            let publishes = frame.method() == Some(PUBLISH);
            if publishes && self.is_stopped(|gate| gate.publishing) {
                back.lock().await.write_all(&blocked()).await?;
                self.until_free(|gate| gate.publishing).await;
                back.lock().await.write_all(&unblocked()).await?;
            }
            if publishes {
                let passed = self.passed.messages.load(Ordering::SeqCst);
                wait(&mut self.gate.clone(), |gate| passed < gate.messages).await;
            }
            if let (Some(listener), Some(body)) = (&self.passed.listener, frame.body()) {
                (listener.0)(self.number, body);
            }
            to.write_all(&frame.0).await?;
            if publishes {
                self.passed.messages.fetch_add(1, Ordering::SeqCst);
            }
        }
    }

    /// From the broker to the program.
    async fn down(
        &self,
        mut from: OwnedReadHalf,
        to: &Mutex<OwnedWriteHalf>,
    ) -> std::io::Result<()> {
        let mut withheld = Vec::new();
        loop {
            let mut next = pin!(Frame::read(&mut from));
            let frame = loop {
                tokio::select! {
                    biased;
                    () = self.until_free(|gate| gate.confirms), if !withheld.is_empty() => {
                        for frame in withheld.drain(..) {
                            self.tell(&frame, to).await?;
                        }
                    }
                    frame = &mut next => break frame?,
                }
            };
            let stops = frame.confirms() && self.is_stopped(|gate| gate.confirms);
            if (stops || !withheld.is_empty()) && !frame.is_heartbeat() {
                withheld.push(frame);
            } else {
                self.tell(&frame, to).await?;
            }
        }
    }

    /// Hands the program a frame of the broker's.
    async fn tell(&self, frame: &Frame, to: &Mutex<OwnedWriteHalf>) -> std::io::Result<()> {
        to.lock().await.write_all(&frame.0).await?;
        if frame.confirms() {
            self.passed.confirms.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    }

    /// Returns when this connection is to be cut.
    async fn cut(&self) {
        let mut gate = self.gate.clone();
        let ours = gate.borrow().generation;
        wait(&mut gate, |gate| gate.generation != ours).await;
    }

    fn is_stopped(&self, which: impl Fn(&Gate) -> Flow) -> bool {
        which(&self.gate.borrow()) == Flow::Stopped
    }

    async fn until_free(&self, which: impl Fn(&Gate) -> Flow) {
        wait(&mut self.gate.clone(), |gate| which(gate) == Flow::Free).await;
    }
}

/// Waits until the gate is as wanted, or the proxy is gone.
async fn wait(gate: &mut watch::Receiver<Gate>, wanted: impl Fn(&Gate) -> bool) {
    drop(gate.wait_for(|gate| wanted(gate)).await);
}

/// Class and method of AMQP 0-9-1.
type Method = [u8; 4];

const PUBLISH: Method = [0, 60, 0, 40];
const ACK: Method = [0, 60, 0, 80];
const NACK: Method = [0, 60, 0, 120];
const BLOCKED: Method = [0, 10, 0, 60];
const UNBLOCKED: Method = [0, 10, 0, 61];

const METHOD_FRAME: u8 = 1;
const BODY_FRAME: u8 = 3;
const HEARTBEAT_FRAME: u8 = 8;
const FRAME_END: u8 = 0xCE;
const HEADER_BYTES: usize = 7;

/// A frame, from its type to its end octet.
struct Frame(Vec<u8>);

impl Frame {
    async fn read(from: &mut OwnedReadHalf) -> std::io::Result<Self> {
        let mut bytes = vec![0; HEADER_BYTES];
        from.read_exact(&mut bytes).await?;
        let size = u32::from_be_bytes([bytes[3], bytes[4], bytes[5], bytes[6]]);
        bytes.resize(HEADER_BYTES + size as usize + 1, 0);
        from.read_exact(&mut bytes[HEADER_BYTES..]).await?;
        Ok(Self(bytes))
    }

    fn confirms(&self) -> bool {
        matches!(self.method(), Some(ACK | NACK))
    }

    fn is_heartbeat(&self) -> bool {
        self.0.first() == Some(&HEARTBEAT_FRAME)
    }

    fn method(&self) -> Option<Method> {
        let is_method = self.0.first() == Some(&METHOD_FRAME);
        let method = self.0.get(HEADER_BYTES..HEADER_BYTES + 4)?;
        is_method.then(|| method.try_into().ok()).flatten()
    }

    fn body(&self) -> Option<&[u8]> {
        let is_body = self.0.first() == Some(&BODY_FRAME);
        let body = self.0.get(HEADER_BYTES..self.0.len() - 1)?;
        is_body.then_some(body)
    }
}

fn blocked() -> Vec<u8> {
    let reason = b"low on memory";
    let mut payload = BLOCKED.to_vec();
    payload.push(reason.len() as u8);
    payload.extend(reason);
    connection_frame(&payload)
}

fn unblocked() -> Vec<u8> {
    connection_frame(&UNBLOCKED)
}

/// A method frame on channel 0; the payload is short.
fn connection_frame(payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![METHOD_FRAME, 0, 0, 0, 0, 0, payload.len() as u8];
    frame.extend(payload);
    frame.push(FRAME_END);
    frame
}
