//! What a person is told of trying again, in every form that has sentences.

use crate::{Problem, Retryability};

/// What a person is told of trying again.
pub(super) fn advice(problem: &Problem) -> &'static str {
    match problem.retryability() {
        Retryability::Never if problem.status().is_client_error() => "Sending the same request again will not help.",
        Retryability::Never => "Do not send the same data again.",
        Retryability::IdempotentOnly => "You may try again if repeating the request does no harm.",
        Retryability::Safe => "You may try again.",
    }
}

/// How long to wait, in words.
pub(super) fn wait(problem: &Problem) -> Option<String> {
    let seconds = problem.retry_after()?.as_secs_f64().ceil();
    Some(format!("Please wait {seconds} second{} first.", if seconds == 1.0 { "" } else { "s" }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;
    use std::time::Duration;

    #[test]
    fn advice_for_people() {
        for (name, problem, expected, waiting) in [
            ("own failure", Problem::new(StatusCode::INTERNAL_SERVER_ERROR), "Do not send the same data again.", None),
            ("refusal", Problem::new(StatusCode::FORBIDDEN), "Sending the same request again will not help.", None),
            ("upstream", Problem::new(StatusCode::BAD_GATEWAY), "You may try again if repeating the request does no harm.", None),
            (
                "overload",
                Problem::new(StatusCode::SERVICE_UNAVAILABLE).with_retry_after(Duration::from_millis(999)),
                "You may try again.",
                Some("Please wait 1 second first."),
            ),
            (
                "long overload",
                Problem::new(StatusCode::SERVICE_UNAVAILABLE).with_retry_after(Duration::from_secs(90)),
                "You may try again.",
                Some("Please wait 90 seconds first."),
            ),
        ] {
            assert_eq!(advice(&problem), expected, "{name}");
            assert_eq!(wait(&problem).as_deref(), waiting, "{name}");
        }
    }
}
