//! A TCP proxy that breaks connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// Forwards connections to a broker, and breaks some.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    accepted: Arc<AtomicUsize>,
    cut: CancellationToken,
}

impl Proxy {
    /// A proxy before `target` that breaks the first `breaks` connections, each after so many
    /// bytes from the client.
    pub(crate) async fn start(target: (String, u16), breaks: usize, after: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let accepted = Arc::new(AtomicUsize::new(0));
        let cut = CancellationToken::new();
        let (counter, cutter) = (accepted.clone(), cut.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let number = counter.fetch_add(1, Ordering::SeqCst);
                let server = TcpStream::connect(target.clone()).await.unwrap();
                let limit = if number < breaks { after } else { usize::MAX };
                // Only connections that were made before a cut are cut.
                let cutter = cutter.clone();
                let cutter = if cutter.is_cancelled() {
                    CancellationToken::new()
                } else {
                    cutter
                };
                tokio::spawn(forward(client, server, limit, cutter));
            }
        });
        Self {
            port,
            accepted,
            cut,
        }
    }

    /// How many connections came in.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// Breaks all connections that there are.
    pub(crate) fn cut(&self) {
        self.cut.cancel();
    }
}

async fn forward(
    mut client: TcpStream,
    mut server: TcpStream,
    limit: usize,
    cut: CancellationToken,
) {
    let (mut client_read, mut client_write) = client.split();
    let (mut server_read, mut server_write) = server.split();
    let up = async {
        let mut passed = 0;
        let mut buffer = vec![0; 4096];
        while passed < limit {
            match client_read.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(read) => {
                    passed += read;
                    server_write.write_all(&buffer[..read]).await.unwrap();
                }
            }
        }
    };
    tokio::select! {
        () = up => {}
        _ = copy(&mut server_read, &mut client_write) => {}
        () = cut.cancelled() => {}
    }
}
