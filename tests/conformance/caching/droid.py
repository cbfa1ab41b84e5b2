"""Looks at one URL as REDbot does, with all the requests that it makes of its own: python droid.py URL

In a process of its own, because its event loop runs once. Prints the status and a list of [level, check, note] as JSON.
"""

import json
import sys
from configparser import ConfigParser

import thor
from redbot.resource import HttpResource

# Long after the slowest of the routes.
PATIENCE = 25


def main(url):
    config = ConfigParser()
    config.read_dict({"redbot": {"enable_local_access": "True"}})
    resource = HttpResource(config["redbot"])
    resource.set_request(url)
    resource.once("check_done", thor.stop)
    thor.schedule(PATIENCE, thor.stop)
    resource.check()
    thor.run()
    assert resource.check_done and resource.response.complete, f"{url} was not looked at to the end: {resource.fetch_error}"
    checks = [check for check in [resource, *resource.subreqs.values()] if check.fetch_started]
    notes = [[note.level.value, type(check).__name__, type(note).__name__] for check in checks for note in check.response.notes]
    json.dump({"status": resource.response.status_code, "notes": notes}, sys.stdout)


main(sys.argv[1])
