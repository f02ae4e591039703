//! The queue over TLS, with a broker that shows the certificate of a private authority and lets
//! nobody in who has none of it.

use std::time::Instant;

use opencti_client::{
    AmqpOptions, AmqpQueue, BrokerAddress, DeliveryErrorKind, Identity, Pem, Queue, Secret,
    TlsOptions, Trust,
};

use crate::broker::{self, Mailbox, certificate};
use crate::parts::Numbered;
use crate::{chain, indices, send};

#[tokio::test]
async fn messages_arrive_over_tls_with_a_client_certificate() {
    let encrypted = Identity {
        key: certificate("client-encrypted.key"),
        passphrase: Some(Secret::new("of-the-tests")),
        ..identity()
    };
    for tls in [
        trusting("ca.pem", Some(identity())),
        trusting("ca.pem", Some(encrypted)),
        TlsOptions {
            trust: Trust::Anyone,
            ..trusting("other-ca.pem", Some(identity()))
        },
    ] {
        let mailbox = Mailbox::new().await;
        let queue = queue(broker::tls_address(), tls);
        let delivery = send(&queue, &mailbox, &Numbered::new(100)).await.unwrap();
        assert_eq!(delivery.confirmed, 100);
        assert_eq!(mailbox.drain().await, indices(100));
    }
}

#[tokio::test]
async fn what_fails_is_told_at_once_with_the_setting_that_mends_it() {
    let tls = broker::tls_address;
    let good = || trusting("ca.pem", Some(identity()));
    let check = async |address: BrokerAddress, options: TlsOptions, expect: &[&str]| {
        let began = Instant::now();
        let error = queue(address, options).prepare().await.unwrap_err();
        assert_eq!(error.kind, DeliveryErrorKind::Unavailable);
        let told = chain(&error);
        for words in expect {
            assert!(told.contains(words), "no {words:?} in {told}");
        }
        assert!(
            began.elapsed() < AmqpOptions::default().retry_budget,
            "tried again: {told}"
        );
    };
    check(
        tls(),
        trusting("other-ca.pem", Some(identity())),
        &[
            "not trusted",
            "MQ_USE_SSL_CA",
            "MQ_USE_SSL_REJECT_UNAUTHORIZED",
        ],
    )
    .await;
    check(
        tls(),
        trusting("ca.pem", None),
        &[
            "wants a client certificate",
            "MQ_USE_SSL_CERT",
            "MQ_USE_SSL_KEY",
        ],
    )
    .await;
    let by_number = BrokerAddress {
        host: "127.0.0.1".to_owned(),
        ..tls()
    };
    check(by_number, good(), &["another host name", "MQ_HOST"]).await;
    let plain = BrokerAddress {
        use_ssl: true,
        ..broker::address()
    };
    check(plain, good(), &["does not speak TLS", "MQ_PORT"]).await;
    let missing = Pem::File("/nonexistent/ca.pem".into());
    check(
        tls(),
        TlsOptions {
            trust: Trust::Only(missing),
            ..TlsOptions::default()
        },
        &["cannot read /nonexistent/ca.pem"],
    )
    .await;
}

fn queue(address: BrokerAddress, tls: TlsOptions) -> AmqpQueue {
    let options = AmqpOptions {
        tls,
        ..AmqpOptions::default()
    };
    AmqpQueue::new(address, options)
}

fn trusting(authority: &str, identity: Option<Identity>) -> TlsOptions {
    TlsOptions {
        trust: Trust::Only(certificate(authority)),
        identity,
        ..TlsOptions::default()
    }
}

fn identity() -> Identity {
    Identity {
        certificate: certificate("client.pem"),
        key: certificate("client.key"),
        passphrase: None,
    }
}
