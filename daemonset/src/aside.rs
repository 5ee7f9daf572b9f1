//! Work that waits for files, done where nobody else waits for it: the kubelet's calls, the metrics and all that
//! the agent follows are answered by one thread.

use std::panic::resume_unwind;

/// What `work` comes to, on a thread that may take its time. A panic there is one here.
pub(crate) async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // Only a runtime that is being shut down ends it so: nobody goes on from here.
            Err(_) => std::future::pending().await,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_panics_aside_panics_whoever_waits_for_it() {
        assert_eq!(aside(|| 7).await, 7);
        let waited = tokio::spawn(aside::<()>(|| panic!("this test wants it"))).await;
        assert!(waited.is_err_and(|error| error.is_panic()));
    }
}
