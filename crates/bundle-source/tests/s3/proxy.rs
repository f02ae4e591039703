//! A proxy between source and store that spoils some answers.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is answered.
    None,
    /// The store's answer breaks off after so many bytes of its body.
    CutAfter(usize),
    /// The store does it, but its answer is lost.
    AnswerLost,
    /// The store does it, and never answers.
    AnswerHeld,
    /// It is answered with this status and code, and never gets to the store.
    Refused(u16, &'static str),
    /// It is answered with just this, and never gets to the store.
    Answered(&'static str),
    /// It gets to the store only after so long.
    Delayed(Duration),
}

/// A proxy; it ends with the test's runtime.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    /// The first lines and the headers of the requests so far.
    requests: Arc<Mutex<Vec<String>>>,
}

/// Decides on a request by its first line and by how many there were with the same method.
type Plan = dyn Fn(&str, usize) -> Fault + Send + Sync;

impl Proxy {
    /// Starts a proxy to `store`.
    pub(crate) async fn start(
        store: SocketAddr,
        plan: impl Fn(&str, usize) -> Fault + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self {
            address: listener.local_addr().unwrap(),
            requests: Arc::default(),
        };
        let (plan, requests): (Arc<Plan>, _) = (Arc::new(plan), Arc::clone(&proxy.requests));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (plan, requests) = (Arc::clone(&plan), Arc::clone(&requests));
                tokio::spawn(serve(client, store, plan, requests));
            }
        });
        proxy
    }

    /// The first lines and the headers of the requests so far.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// How many requests there were with this method.
    pub(crate) fn count(&self, method: &str) -> usize {
        count(&self.requests.lock().unwrap(), method)
    }
}

fn count(requests: &[String], method: &str) -> usize {
    let of_method = |line: &&String| line.split(' ').next() == Some(method);
    requests.iter().filter(of_method).count()
}

/// Serves one request. Each has a connection of its own, because both sides are told so.
async fn serve(
    mut client: TcpStream,
    store: SocketAddr,
    plan: Arc<Plan>,
    requests: Arc<Mutex<Vec<String>>>,
) -> std::io::Result<()> {
    let (head, rest) = read_head(&mut client).await?;
    let (line, headers) = head.split_once("\r\n").unwrap();
    let fault = {
        let mut requests = requests.lock().unwrap();
        let method = line.split(' ').next().unwrap();
        let fault = plan(line, count(&requests, method));
        requests.push(head.clone());
        fault
    };
    if let Fault::Refused(status, code) = fault {
        let body = format!("<Error><Code>{code}</Code></Error>");
        let length = body.len();
        let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close");
        client
            .write_all(format!("{head}\r\n\r\n{body}").as_bytes())
            .await?;
        return client.shutdown().await;
    }
    if let Fault::Answered(answer) = fault {
        client.write_all(answer.as_bytes()).await?;
        return client.shutdown().await;
    }
    if let Fault::Delayed(delay) = fault {
        tokio::time::sleep(delay).await;
    }
    let mut upstream = TcpStream::connect(store).await?;
    let head = format!("{line}\r\nconnection: close\r\n{headers}");
    upstream.write_all(head.as_bytes()).await?;
    upstream.write_all(&rest).await?;
    match fault {
        Fault::AnswerLost => {
            forward_body(&mut client, &mut upstream, &head, rest.len()).await?;
            tokio::io::copy(&mut upstream, &mut tokio::io::sink()).await?;
        }
        Fault::AnswerHeld => {
            forward_body(&mut client, &mut upstream, &head, rest.len()).await?;
            tokio::io::copy(&mut upstream, &mut tokio::io::sink()).await?;
            std::future::pending::<()>().await;
        }
        Fault::CutAfter(bytes) => {
            let (head, rest) = read_head(&mut upstream).await?;
            client.write_all(head.as_bytes()).await?;
            let mut body = rest;
            upstream.read_to_end(&mut body).await?;
            client.write_all(&body[..bytes.min(body.len())]).await?;
        }
        Fault::None | Fault::Refused(..) | Fault::Answered(_) | Fault::Delayed(_) => {
            tokio::io::copy_bidirectional(&mut client, &mut upstream).await?;
        }
    }
    Ok(())
}

/// Sends the store what is missing of a request's body.
async fn forward_body(
    client: &mut TcpStream,
    upstream: &mut TcpStream,
    head: &str,
    sent: usize,
) -> std::io::Result<()> {
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse().unwrap())
    });
    let missing = length.unwrap_or(0) - sent as u64;
    tokio::io::copy(&mut client.take(missing), upstream).await?;
    Ok(())
}

/// Reads to the end of the headers, and perhaps some of the body.
pub(crate) async fn read_head(
    stream: &mut (impl AsyncRead + Unpin),
) -> std::io::Result<(String, Vec<u8>)> {
    let mut read = Vec::new();
    loop {
        if let Some(end) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let rest = read.split_off(end + 4);
            return Ok((String::from_utf8(read).unwrap(), rest));
        }
        if stream.read_buf(&mut read).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
}
