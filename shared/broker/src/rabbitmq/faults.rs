//! What an error of the AMQP client means to us.

use interlock_runtime::ports::broker::BrokerError;
use lapin::ErrorKind;

const NOT_FOUND: u16 = 404;
/// In the text of a 404 for a queue that is there, but not up yet: RabbitMQ says so while it boots (seen with 3.10).
const NOT_UP_YET: &str = "is down or inaccessible";

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
        Some(NOT_FOUND) if text(error).contains(NOT_UP_YET) => {
            BrokerError::Unavailable(format!("{what}: {}", text(error)))
        }
        Some(NOT_FOUND) => BrokerError::Missing(what.to_owned()),
        Some(_) => BrokerError::Refused(format!("{what}: {}", text(error))),
        None => BrokerError::Unavailable(format!("{what}: {}", text(error))),
    }
}

/// The reason that [`about`] gives says that the user may not do that.
pub fn is_denied(reason: &str) -> bool {
    reason.contains("ACCESS_REFUSED") || reason.contains("ACCESS-REFUSED")
}

#[cfg(test)]
mod tests {
    use super::*;
    use lapin::protocol::{AMQPError, AMQPErrorKind, AMQPSoftError};

    fn not_found(text: &str) -> lapin::Error {
        let kind = AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND);
        ErrorKind::ProtocolError(AMQPError::new(kind, text.into())).into()
    }

    #[test]
    fn a_queue_of_a_node_that_is_still_starting_is_not_missing() {
        let absent = not_found("NOT_FOUND - no queue 'q' in vhost 'v'");
        assert!(matches!(about("q", &absent), BrokerError::Missing(_)));
        let booting =
            not_found("NOT_FOUND - home node 'n' of durable queue 'q' in vhost 'v' is down or inaccessible");
        assert!(matches!(about("q", &booting), BrokerError::Unavailable(_)));
    }
}
