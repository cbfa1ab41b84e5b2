"""Judges the reports of a pass: the suite itself ends with 0 whatever failed, and does not look at close codes.

    check.py NAME FOLDER
"""

import collections
import json
import pathlib
import sys

# Cases that have no right and wrong, with what they watch.
INFORMATIONAL = {
    "7.1.6": "whether a message of 256 KiB is sent before the close that follows it",
    "7.13.1": "what becomes of close code 5000, which nobody has defined",
    "7.13.2": "what becomes of close code 65536, which does not fit",
}


def faults(case):
    """What is wrong with the outcome of one case, told in words."""
    name, behaviour, at_close = case["id"], case["behavior"], case["behaviorClose"]
    if name in INFORMATIONAL:
        if behaviour not in ("OK", "INFORMATIONAL"):
            yield f"{behaviour}: {case['result']}"
        return
    if behaviour != "OK":
        yield f"{behaviour}: {case['result']}"
    if at_close != "OK":
        yield f"closing {at_close}: {case['resultClose']}"
    allowed, code = case["expectedClose"]["closeCode"], case["remoteCloseCode"]
    # A Close frame without a code is answered by one without (RFC 6455 §7.1.5).
    bare = code is None and case["localCloseCode"] is None
    if allowed and code not in allowed and not bare:
        yield f"close code {code}, expected one of {allowed}"


def main(name, folder):
    folder = pathlib.Path(folder)
    cases = json.loads((folder / "index.json").read_text())["donjon"]
    reports = [json.loads((folder / case["reportfile"]).read_text()) for case in cases.values()]
    wrong = {case["id"]: list(faults(case)) for case in reports}
    wrong = {case: words for case, words in wrong.items() if words}
    behaviours = collections.Counter(case["behavior"] for case in reports)
    codes = collections.Counter(case["remoteCloseCode"] for case in reports)
    print(f"autobahn {name}: {len(reports)} cases,", ", ".join(f"{count} {kind}" for kind, count in behaviours.most_common()))
    print("  close codes:", ", ".join(f"{code} ({count})" for code, count in codes.most_common()))
    for case, words in wrong.items():
        print(f"  {case}: {'; '.join(words)}")
    if wrong or not reports:
        sys.exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
