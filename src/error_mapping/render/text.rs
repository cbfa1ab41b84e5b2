//! A problem as plain text, for a terminal.

use super::advice::{advice, wait};
use crate::Problem;

pub(super) fn lines(problem: &Problem) -> String {
    let mut out = format!("{} {}\n", problem.status().as_u16(), problem.title());
    for line in problem.detail().into_iter().chain([advice(problem)]).chain(wait(problem).as_deref()) {
        out.push('\n');
        // What a terminal would obey has no place in a text.
        out.extend(line.chars().filter(|character| *character == '\n' || !character.is_control()));
        out.push('\n');
    }
    if let Some(instance) = problem.instance() {
        out.push_str("\nReference: ");
        out.extend(instance.chars().filter(|character| !character.is_control()));
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;
    use std::time::Duration;

    #[test]
    fn all_that_a_person_can_use() {
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE)
            .with_detail("Too much to do.\u{1b}[2J")
            .with_instance("urn:x:1")
            .with_retry_after(Duration::from_secs(2));
        assert_eq!(
            lines(&problem),
            "503 Service Unavailable\n\nToo much to do.[2J\n\nYou may try again.\n\nPlease wait 2 seconds first.\n\nReference: urn:x:1\n"
        );
    }
}
