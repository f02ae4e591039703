//! A broker that speaks just enough AMQP to do what no real one can be made to do at will.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use opencti_client::BrokerAddress;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::at_port;

const METHOD: u8 = 1;
const HEADER: u8 = 2;
const BODY: u8 = 3;
const FRAME_END: u8 = 0xce;

/// `queue.declare`
const FIND_QUEUE: (u64, u64) = (50, 10);

/// What the broker says once it has all messages.
#[derive(Clone, Copy)]
pub(crate) enum Answer {
    /// It takes them.
    Takes,
    /// It gives the first one back, and acknowledges them all at once.
    GivesFirstBack,
    /// It takes them, and has no queue afterwards.
    LosesQueue,
    /// It takes them, and says nothing when it is asked for the queue.
    HidesQueue,
}

/// A broker that waits for so many messages.
pub(crate) struct Scripted {
    port: u16,
    cues: Arc<Cues>,
}

#[derive(Default)]
struct Cues {
    all_there: Notify,
    answer: Notify,
    asked_for_queue: Notify,
}

impl Scripted {
    /// It takes `pause` for each frame that it reads.
    pub(crate) async fn start(messages: u64, answer: Answer, pause: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let cues = Arc::new(Cues::default());
        let copy = Arc::clone(&cues);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                // Ends as its client goes.
                let _ = serve(socket, messages, answer, pause, &copy).await;
            }
        });
        Self { port, cues }
    }

    pub(crate) fn address(&self) -> BrokerAddress {
        at_port(self.port)
    }

    /// Waits until all messages are there.
    pub(crate) async fn all_there(&self) {
        self.cues.all_there.notified().await;
    }

    /// Waits until it is asked for the queue, which it hides.
    pub(crate) async fn asked_for_queue(&self) {
        self.cues.asked_for_queue.notified().await;
    }

    /// Lets it answer then.
    pub(crate) fn answer(&self) {
        self.cues.answer.notify_one();
    }
}

async fn serve(
    mut socket: TcpStream,
    messages: u64,
    answer: Answer,
    pause: Duration,
    cues: &Cues,
) -> io::Result<()> {
    let mut greeting = [0; 8];
    socket.read_exact(&mut greeting).await?;
    let start = [&[0, 9][..], &long(b""), &long(b"PLAIN"), &long(b"en_US")].concat();
    socket.write_all(&method(0, 10, 10, &start)).await?;
    let (mut bodies, mut taken, mut missing) = (Vec::new(), 0, 0);
    loop {
        let (kind, channel, payload) = frame_of(&mut socket).await?;
        sleep(pause).await;
        match kind {
            METHOD => {
                let id = (number(&payload[..2]), number(&payload[2..4]));
                let said = match (id, answer) {
                    (FIND_QUEUE, Answer::LosesQueue) => not_found(channel),
                    (FIND_QUEUE, Answer::HidesQueue) => {
                        cues.asked_for_queue.notify_one();
                        Vec::new()
                    }
                    _ => answer_to(channel, id),
                };
                socket.write_all(&said).await?;
            }
            HEADER => missing = number(&payload[4..12]),
            BODY => {
                missing -= payload.len() as u64;
                taken += u64::from(missing == 0);
                bodies.push(payload);
                if missing == 0 && taken == messages {
                    cues.all_there.notify_one();
                    cues.answer.notified().await;
                    let back = match answer {
                        Answer::Takes | Answer::LosesQueue | Answer::HidesQueue => Vec::new(),
                        Answer::GivesFirstBack => returned(channel, &bodies[0]),
                    };
                    let said = [back, ack_up_to(channel, messages)].concat();
                    socket.write_all(&said).await?;
                }
            }
            _ => {}
        }
    }
}

/// What a method is answered with; nothing where it wants no answer.
fn answer_to(channel: u16, id: (u64, u64)) -> Vec<u8> {
    match id {
        (10, 11) => {
            let tune = [&[0, 0][..], &131_072_u32.to_be_bytes(), &[0, 0]].concat();
            method(0, 10, 30, &tune)
        }
        (10, 40) => method(0, 10, 41, &[0]),
        (10, 50) => method(0, 10, 51, &[]),
        (20, 10) => method(channel, 20, 11, &long(b"")),
        (20, 40) => method(channel, 20, 41, &[]),
        (85, 10) => method(channel, 85, 11, &[]),
        FIND_QUEUE => method(channel, 50, 11, &[&[1, b'q'][..], &[0; 8]].concat()),
        _ => Vec::new(),
    }
}

/// `channel.close`, because of `queue.declare`.
fn not_found(channel: u16) -> Vec<u8> {
    let why = b"\x01\x94\x14NOT_FOUND - no queue\x00\x32\x00\x0a";
    method(channel, 20, 40, why)
}

/// `basic.return` with its content.
fn returned(channel: u16, body: &[u8]) -> Vec<u8> {
    let why = [&312_u16.to_be_bytes()[..], b"\x08NO_ROUTE\x01e\x01r"].concat();
    let size = (body.len() as u64).to_be_bytes();
    let header = [&60_u16.to_be_bytes()[..], &[0, 0], &size, &[0, 0]].concat();
    let frames = [
        method(channel, 60, 50, &why),
        frame(HEADER, channel, &header),
        frame(BODY, channel, body),
    ];
    frames.concat()
}

/// `basic.ack` of all messages up to this one.
fn ack_up_to(channel: u16, tag: u64) -> Vec<u8> {
    method(channel, 60, 80, &[&tag.to_be_bytes()[..], &[1]].concat())
}

fn method(channel: u16, class: u16, id: u16, arguments: &[u8]) -> Vec<u8> {
    let payload = [&class.to_be_bytes()[..], &id.to_be_bytes(), arguments].concat();
    frame(METHOD, channel, &payload)
}

fn frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [
        &[kind][..],
        &channel.to_be_bytes(),
        &length,
        payload,
        &[FRAME_END],
    ]
    .concat()
}

fn long(text: &[u8]) -> Vec<u8> {
    let length = u32::try_from(text.len()).unwrap().to_be_bytes();
    [&length[..], text].concat()
}

async fn frame_of(socket: &mut TcpStream) -> io::Result<(u8, u16, Vec<u8>)> {
    let mut head = [0; 7];
    socket.read_exact(&mut head).await?;
    let channel = u16::from_be_bytes([head[1], head[2]]);
    let length = usize::try_from(number(&head[3..7])).unwrap();
    let mut payload = vec![0; length + 1];
    socket.read_exact(&mut payload).await?;
    payload.pop();
    Ok((head[0], channel, payload))
}

/// A number of up to eight bytes.
fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}
