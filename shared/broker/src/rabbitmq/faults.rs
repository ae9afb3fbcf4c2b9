//! What an error of the AMQP client means to us.

use interlock_runtime::ports::broker::BrokerError;
use lapin::ErrorKind;

const NOT_FOUND: u16 = 404;

/// The error as one line; the client's messages carry no credentials and no bodies.
pub fn text(error: &lapin::Error) -> String {
    error.to_string()
}

/// The broker's reply code, if it is the broker's word and concerns one channel only.
pub fn reply_code(error: &lapin::Error) -> Option<u16> {
    match error.kind() {
        ErrorKind::ProtocolError(fault) if error.is_amqp_soft_error() => Some(fault.get_id()),
        _ => None,
    }
}

/// What an answer about an exchange or queue means.
pub fn about(what: &str, error: &lapin::Error) -> BrokerError {
    match reply_code(error) {
        Some(NOT_FOUND) => BrokerError::Missing(what.to_owned()),
        Some(_) => BrokerError::Refused(format!("{what}: {}", text(error))),
        None => BrokerError::Unavailable(format!("{what}: {}", text(error))),
    }
}

/// The reason that [`about`] gives says that the user may not do that.
pub fn is_denied(reason: &str) -> bool {
    reason.contains("ACCESS_REFUSED") || reason.contains("ACCESS-REFUSED")
}
