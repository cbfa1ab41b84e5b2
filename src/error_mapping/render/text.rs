//! A problem as plain text, for a terminal.

use super::advice::{causes, detail_and_advice, reference, wait};
use crate::Problem;

pub(super) fn lines(problem: &Problem) -> String {
    let mut out = format!("{} ", problem.status().as_u16());
    line(&mut out, problem.title());
    let (detail, advice) = detail_and_advice(problem);
    for paragraph in detail.into_iter().chain([advice]).chain(wait(problem).as_deref()) {
        out.push('\n');
        out.extend(paragraph.chars().filter(|character| *character == '\n' || is_shown(*character)));
        out.push('\n');
    }
    if let Some(reference) = reference(problem) {
        out.push_str("\nReference: ");
        line(&mut out, reference);
    }
    for cause in causes(problem) {
        out.push_str("\nCause: ");
        line(&mut out, cause);
    }
    out
}

fn line(out: &mut String, text: &str) {
    out.extend(text.chars().filter(|character| is_shown(*character)));
    out.push('\n');
}

/// What a terminal would obey has no place in a text.
fn is_shown(character: char) -> bool {
    !character.is_control()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;
    use proptest::prelude::*;
    use std::time::Duration;

    #[test]
    fn all_that_a_person_can_use() {
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE)
            .with_detail("Too much to do.\u{1b}[2J")
            .with_instance("urn:x:1")
            .with_retry_after(Duration::from_secs(2));
        assert_eq!(
            lines(&problem),
            "503 Service Unavailable\n\nToo much to do.[2J\n\nTrying again may work.\n\nPlease wait 2 seconds first.\n\nReference: urn:x:1\n"
        );
    }

    #[test]
    fn a_title_is_one_line_that_no_terminal_obeys() {
        let problem = Problem::new(StatusCode::CONFLICT).with_title("\u{1b}]0;owned\u{7}Taken\r\nX: 1\u{9b}2J");
        assert_eq!(lines(&problem), "409 ]0;ownedTakenX: 12J\n\nSending the same request again will not help.\n");
    }

    proptest! {
        #[test]
        fn no_text_brings_a_control(text in any::<String>()) {
            let problem = Problem::new(StatusCode::CONFLICT).with_title(text.clone()).with_detail(text.clone()).with_instance(text);
            prop_assert!(!lines(&problem).contains(|character: char| character != '\n' && character.is_control()));
        }
    }
}
