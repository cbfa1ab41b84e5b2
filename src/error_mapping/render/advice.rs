//! What a person is told of trying again, in every form that has sentences.

use super::super::{correlation::REQUEST_ID, exposure::CAUSES};
use crate::{Problem, Retryability, Value};

/// What happened, and what to do now: two texts for two places, which say nothing twice.
///
/// A detail that ends in the very advice is told without it.
pub(super) fn detail_and_advice(problem: &Problem) -> (Option<&str>, &'static str) {
    let advice = advice(problem);
    let detail = problem.detail().map(|detail| detail.strip_suffix(advice).unwrap_or(detail).trim_end());
    (detail.filter(|detail| !detail.is_empty()), advice)
}

fn advice(problem: &Problem) -> &'static str {
    match problem.retryability() {
        Retryability::Never if problem.status().is_client_error() => "Sending the same request again will not help.",
        Retryability::Never => "Do not send the same data again.",
        Retryability::IdempotentOnly => "Trying again may work, if repeating the request does no harm.",
        Retryability::Safe => "Trying again may work.",
    }
}

/// How long to wait, in words: as many seconds as `Retry-After` says.
pub(super) fn wait(problem: &Problem) -> Option<String> {
    let seconds = problem.retry_after_seconds()?;
    Some(format!("Please wait {seconds} second{} first.", if seconds == 1 { "" } else { "s" }))
}

/// By what this occurrence is found again.
pub(super) fn reference(problem: &Problem) -> Option<&str> {
    problem.instance().or_else(|| match member(problem, REQUEST_ID) {
        Some(Value::String(id)) => Some(id),
        _ => None,
    })
}

/// What is shown on the machine itself.
pub(super) fn causes(problem: &Problem) -> Vec<&str> {
    let Some(Value::Array(causes)) = member(problem, CAUSES) else { return Vec::new() };
    causes.iter().filter_map(|cause| if let Value::String(text) = cause { Some(&**text) } else { None }).collect()
}

fn member<'a>(problem: &'a Problem, name: &str) -> Option<&'a Value> {
    problem.members().find(|member| member.0 == name).map(|member| member.1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;
    use std::time::Duration;

    #[test]
    fn advice_for_people() {
        for (name, status, expected) in [
            ("own failure", StatusCode::INTERNAL_SERVER_ERROR, "Do not send the same data again."),
            ("refusal", StatusCode::FORBIDDEN, "Sending the same request again will not help."),
            ("upstream", StatusCode::BAD_GATEWAY, "Trying again may work, if repeating the request does no harm."),
            ("overload", StatusCode::SERVICE_UNAVAILABLE, "Trying again may work."),
        ] {
            assert_eq!(advice(&Problem::new(status)), expected, "{name}");
        }
    }

    #[test]
    fn what_the_detail_has_said_already_is_said_once() {
        for (name, detail, expected) in [
            ("with the advice", "It broke. Do not send the same data again.", Some("It broke.")),
            ("without it", "It broke.", Some("It broke.")),
            ("nothing else", "Do not send the same data again.", None),
            ("in other words", "Do not send the same data again!", Some("Do not send the same data again!")),
        ] {
            let problem = Problem::new(StatusCode::INTERNAL_SERVER_ERROR).with_detail(detail);
            assert_eq!(detail_and_advice(&problem), (expected, "Do not send the same data again."), "{name}");
        }
        assert_eq!(detail_and_advice(&Problem::new(StatusCode::FORBIDDEN)).0, None);
    }

    #[test]
    fn the_wait_is_that_of_the_field() {
        for (wait_for, expected) in [
            (Duration::ZERO, "Please wait 0 seconds first."),
            (Duration::from_nanos(1), "Please wait 1 second first."),
            (Duration::from_millis(1_001), "Please wait 2 seconds first."),
            (Duration::from_secs(90), "Please wait 90 seconds first."),
            (Duration::from_secs((1 << 53) + 1), "Please wait 9007199254740993 seconds first."),
            (Duration::MAX, "Please wait 18446744073709551615 seconds first."),
        ] {
            let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE).with_retry_after(wait_for);
            assert_eq!(wait(&problem).as_deref(), Some(expected));
            let field = problem.retry_after_value().unwrap();
            assert!(expected.contains(&format!(" {} ", field.to_str().unwrap())), "{expected}");
        }
        assert_eq!(wait(&Problem::new(StatusCode::SERVICE_UNAVAILABLE)), None);
    }
}
