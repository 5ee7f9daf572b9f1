//! An API server of a test's own, and an account with it.

use std::fs;

use axum::Router;
use kube_api::Client;
use tempfile::TempDir;
use tokio::net::TcpListener;

/// Where it answers as `app` does, and the folder of the account.
pub(super) async fn serve(app: Router) -> (String, TempDir) {
    let account = tempfile::tempdir().unwrap();
    for file in ["ca.crt", "token"] {
        fs::write(account.path().join(file), "").unwrap();
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (base, account)
}

/// A client of one that answers as `app` does.
pub(super) async fn client(app: Router) -> (Client, TempDir) {
    let (base, account) = serve(app).await;
    (Client::new(&base, account.path(), "test").unwrap(), account)
}
