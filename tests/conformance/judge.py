"""What linters say of each answer: a `conftest.py` imports the fixture and the hook."""

from collections import Counter

import pytest

# For the record at the end.
RECORD = {}


@pytest.fixture
def judge():
    """Takes the notes of one answer, each a level and what it is called at the end; a bad one fails."""

    def judge(answer, notes):
        RECORD[answer] = notes
        bad = [note for level, *note in notes if level == "bad"]
        assert not bad, f"{answer}: {bad}"

    return judge


def pytest_terminal_summary(terminalreporter):
    for answer, notes in RECORD.items():
        counts = Counter(level for level, *_ in notes)
        warnings = sorted({note[-1] for note in notes if note[0] == "warning"})
        numbers = "  ".join(f"{level} {counts[level]:2}" for level in ["bad", "warning", "info", "good"])
        terminalreporter.write_line(f"{answer:75} {numbers}  {' '.join(warnings)}")
