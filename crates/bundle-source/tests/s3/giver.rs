//! A server that gives out credentials, as the services of a cloud do.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::proxy::read_head;

/// A server of credentials; it ends with the test's runtime.
pub(crate) struct Giver {
    pub(crate) address: SocketAddr,
    /// The first lines of the requests so far.
    requests: Arc<Mutex<Vec<String>>>,
}

/// Answers a request, which has no body, by its head; without an answer, it is refused. It is told
/// how many there were before.
type Answers = dyn Fn(&Head, usize) -> Option<String> + Send + Sync;

/// A request's first line and headers.
pub(crate) struct Head(String);

impl Giver {
    /// Starts one that speaks no TLS.
    pub(crate) async fn start(
        answers: impl Fn(&Head, usize) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        Self::listen(None, Arc::new(answers)).await
    }

    /// Starts one that speaks TLS, as `localhost`. Returns who vouches for it, too, as a PEM text.
    pub(crate) async fn start_with_tls(
        answers: impl Fn(&Head, usize) -> Option<String> + Send + Sync + 'static,
    ) -> (Self, String) {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let tls = TlsAcceptor::from(Arc::new(config));
        let giver = Self::listen(Some(tls), Arc::new(answers)).await;
        (giver, cert.pem())
    }

    async fn listen(tls: Option<TlsAcceptor>, answers: Arc<Answers>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let giver = Self {
            address: listener.local_addr().unwrap(),
            requests: Arc::default(),
        };
        let requests = Arc::clone(&giver.requests);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (answers, requests) = (Arc::clone(&answers), Arc::clone(&requests));
                let tls = tls.clone();
                tokio::spawn(async move {
                    match tls {
                        None => serve(client, answers, requests).await,
                        Some(tls) => serve(tls.accept(client).await?, answers, requests).await,
                    }
                });
            }
        });
        giver
    }

    /// The first lines of the requests so far, without what says that they are HTTP.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

impl Head {
    /// Method and address.
    pub(crate) fn line(&self) -> &str {
        let line = self.0.lines().next().unwrap();
        line.trim_end_matches(" HTTP/1.1")
    }

    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.0.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// Serves one request. Each has a connection of its own, because the client is told so.
async fn serve(
    mut client: impl AsyncRead + AsyncWrite + Unpin,
    answers: Arc<Answers>,
    requests: Arc<Mutex<Vec<String>>>,
) -> std::io::Result<()> {
    let (head, _) = read_head(&mut client).await?;
    let head = Head(head);
    let answer = {
        let mut requests = requests.lock().unwrap();
        let answer = answers(&head, requests.len());
        requests.push(head.line().to_owned());
        answer
    };
    let status = if answer.is_some() { "200" } else { "401" };
    let body = answer.unwrap_or_default();
    let length = body.len();
    let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close");
    let answer = format!("{head}\r\n\r\n{body}");
    client.write_all(answer.as_bytes()).await?;
    client.shutdown().await
}
