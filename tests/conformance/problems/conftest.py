from collections import Counter

import pytest
from server import Server

# What may be said, since it is meant: of the client that its request was bad, and of a success from an upstream that it says nothing of its age.
MEANT = {"STATUS_BAD_REQUEST", "FRESHNESS_HEURISTIC"}
# What was said of each answer, for the record at the end.
RECORD = {}


@pytest.fixture(scope="session")
def example():
    server = Server("error_mapping")
    yield server
    server.stop()


@pytest.fixture
def judge():
    """Takes the notes of one answer; one that is not good, and not meant, fails."""

    def judge(answer, notes):
        RECORD[answer] = notes
        bad = [note for level, note in notes if level in ("bad", "warning") and note not in MEANT]
        assert not bad, f"{answer}: {bad}"

    return judge


def pytest_terminal_summary(terminalreporter):
    for answer, notes in RECORD.items():
        counts = Counter(level for level, _ in notes)
        warnings = sorted({note for level, note in notes if level == "warning"})
        numbers = "  ".join(f"{level} {counts[level]:2}" for level in ["bad", "warning", "info", "good"])
        terminalreporter.write_line(f"{answer:60} {numbers}  {' '.join(warnings)}")
