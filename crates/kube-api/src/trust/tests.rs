//! A server whose authority is exchanged under a client.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;

use hyper::http::Method;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, Stream};

use crate::{Body, Client};

/// Who signed itself.
type Key = rcgen::CertifiedKey<rcgen::KeyPair>;

fn key() -> Key {
    rcgen::generate_simple_self_signed(vec!["127.0.0.1".into()]).unwrap()
}

/// Answers one call with an empty object, and another if the first does not come to an end.
fn serve(listener: &TcpListener, key: &Key) {
    let secret = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.signing_key.serialize_der()));
    let tls = ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![key.cert.der().clone()], secret)
        .unwrap();
    let tls = Arc::new(tls);
    let answered = || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut connection = ServerConnection::new(tls.clone()).unwrap();
        let mut stream = Stream::new(&mut connection, &mut socket);
        let mut asked = [0; 4096];
        stream.read(&mut asked).is_ok()
            && stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")
                .is_ok()
    };
    if !answered() {
        answered();
    }
}

fn start(key: Key) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || serve(&listener, &key));
    address
}

#[tokio::test]
async fn an_authority_that_is_exchanged_is_believed_without_a_restart_and_another_is_not() {
    let account = tempfile::tempdir().unwrap();
    let (old, new) = (key(), key());
    let believe =
        |key: &Key| std::fs::write(account.path().join("ca.crt"), key.cert.pem()).unwrap();
    believe(&old);
    let (new_pem, address) = (new.cert.pem(), start(new));
    let client = Client::new(&format!("https://{address}"), account.path(), "test").unwrap();
    std::fs::write(account.path().join("ca.crt"), new_pem).unwrap();
    client.call(Method::GET, "/", Body::None).await.unwrap();
    let address = start(key());
    let client = Client::new(&format!("https://{address}"), account.path(), "test").unwrap();
    let error = client.call(Method::GET, "/", Body::None).await.unwrap_err().to_string();
    assert!(error.contains("certificate"), "{error}");
}
