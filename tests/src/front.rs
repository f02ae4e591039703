//! What stands before a platform: a server that speaks TLS for it, and an HTTP proxy.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::certificates::Certified;

/// How long a request's head may be.
const MAX_HEAD: usize = 64 * 1024;

/// A server that speaks TLS, and passes on what is in it. It stops when it is dropped.
pub struct TlsFront {
    port: u16,
    _stop: DropGuard,
}

impl TlsFront {
    /// A front before `target` that shows this certificate.
    ///
    /// # Errors
    /// If the certificate and its key cannot be used.
    pub async fn start(certified: Certified, target: SocketAddr) -> anyhow::Result<Self> {
        let provider = Arc::new(ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certified.certificate], certified.key)?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let (port, stop) = listen(move |stream| {
            let acceptor = acceptor.clone();
            async move { pass_on(acceptor.accept(stream).await?, target, &[]).await }
        })
        .await?;
        Ok(Self {
            port,
            _stop: stop.drop_guard(),
        })
    }

    /// Its port on the loopback interface.
    pub fn port(&self) -> u16 {
        self.port
    }
}

/// An HTTP proxy that passes everything on to one place, whatever it is asked for. It stops when it
/// is dropped.
pub struct Proxy {
    port: u16,
    heads: Arc<Mutex<Vec<String>>>,
    _stop: DropGuard,
}

impl Proxy {
    /// A proxy before `target`.
    ///
    /// # Errors
    /// If it cannot listen.
    pub async fn start(target: SocketAddr) -> anyhow::Result<Self> {
        let heads = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&heads);
        let (port, stop) = listen(move |stream| {
            let seen = Arc::clone(&seen);
            async move { serve(stream, target, &seen).await }
        })
        .await?;
        Ok(Self {
            port,
            heads,
            _stop: stop.drop_guard(),
        })
    }

    /// Its address, without a scheme.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The head of the first request on each connection so far.
    pub fn heads(&self) -> Vec<String> {
        lock(&self.heads).clone()
    }
}

async fn serve(
    mut stream: TcpStream,
    target: SocketAddr,
    heads: &Mutex<Vec<String>>,
) -> anyhow::Result<()> {
    let (head, rest) = read_head(&mut stream).await?;
    lock(heads).push(head.clone());
    if head.starts_with("CONNECT ") {
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
        return pass_on(stream, target, &rest).await;
    }
    pass_on(stream, target, &[head.as_bytes(), &rest].concat()).await
}

/// A request's head, with its empty line, and what came after it.
async fn read_head(stream: &mut TcpStream) -> anyhow::Result<(String, Vec<u8>)> {
    let mut read = Vec::new();
    loop {
        anyhow::ensure!(read.len() < MAX_HEAD, "a head without an end");
        anyhow::ensure!(stream.read_buf(&mut read).await? > 0, "half a head");
        let end = read.windows(4).position(|window| window == b"\r\n\r\n");
        if let Some(end) = end {
            let rest = read.split_off(end + 4);
            return Ok((String::from_utf8(read)?, rest));
        }
    }
}

/// Sends `first` to `target`, then passes on in both directions.
async fn pass_on(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    target: SocketAddr,
    first: &[u8],
) -> anyhow::Result<()> {
    let mut target = TcpStream::connect(target).await?;
    target.write_all(first).await?;
    tokio::io::copy_bidirectional(&mut stream, &mut target).await?;
    Ok(())
}

/// Listens on a free port of the loopback interface until the token is cancelled.
async fn listen<F>(
    handle: impl Fn(TcpStream) -> F + Send + Sync + 'static,
) -> anyhow::Result<(u16, CancellationToken)>
where
    F: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .context("cannot listen on the loopback interface")?;
    let port = listener.local_addr()?.port();
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    tokio::spawn(async move {
        let accept = async {
            while let Ok((stream, _)) = listener.accept().await {
                // A connection that ends badly is the client's business.
                tokio::spawn(stopped.clone().run_until_cancelled_owned(handle(stream)));
            }
        };
        stopped.run_until_cancelled(accept).await;
    });
    Ok((port, stop))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
