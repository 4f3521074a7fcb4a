//! How calls to the API server are made: with a deadline, and with errors that say what it answered.

use std::error::Error as _;
use std::fmt::Write as _;
use std::time::Duration;

use kube::Error;
use tokio::time::timeout;

use crate::error::CertsError;

/// The longest that a call may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(5);

/// Makes a call. `doing` is told when it fails, as in "cannot DOING".
pub(crate) async fn call<T>(
    doing: &str,
    within: Duration,
    request: impl Future<Output = Result<T, Error>>,
) -> Result<T, Failed> {
    match timeout(within, request).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(Failed::new(doing, &error)),
        Err(_) => {
            Err(Failed { text: format!("cannot {doing}: the API server did not answer within {within:?}"), code: None })
        }
    }
}

/// Why a call failed.
#[derive(Debug)]
pub(crate) struct Failed {
    text: String,
    code: Option<u16>,
}

impl Failed {
    fn new(doing: &str, error: &Error) -> Self {
        let mut text = format!("cannot {doing}: ");
        let code = match error {
            Error::Api(status) => {
                let _ = write!(text, "the API server answered {} {}", status.code, status.reason);
                // That of other answers may quote the object.
                if matches!(status.code, 401 | 403 | 404 | 409 | 429 | 500..) {
                    let _ = write!(text, ": {}", status.message);
                }
                Some(status.code)
            }
            Error::SerdeError(_) => {
                text.push_str("the API server's answer cannot be read");
                None
            }
            error => {
                let _ = write!(text, "{error}");
                let mut source = error.source();
                while let Some(error) = source {
                    let inner = error.to_string();
                    if !text.contains(&inner) {
                        let _ = write!(text, ": {inner}");
                    }
                    source = error.source();
                }
                None
            }
        };
        Self { text, code }
    }

    /// Whether somebody else was faster: the object changed since it was read, or exists already.
    pub(crate) fn is_conflict(&self) -> bool {
        self.code == Some(409)
    }

    /// Whether the object, or what it lies in, is not there.
    pub(crate) fn is_absent(&self) -> bool {
        self.code == Some(404)
    }
}

impl From<Failed> for CertsError {
    fn from(failed: Failed) -> Self {
        Self::new(failed.text)
    }
}
