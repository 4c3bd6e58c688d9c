"""A skip is a check that did not happen: only missing films excuse one.  skips.py REPORT (pytest's JUnit XML)"""

import sys
import xml.etree.ElementTree as ElementTree

skipped = [
    (f"{case.get('classname')}.{case.get('name')}", found.get("message") or "")
    for case in ElementTree.parse(sys.argv[1]).iter("testcase")
    for found in case.iter("skipped")
    if found.get("type") == "pytest.skip"
]
unexcused = [f"skipped: {test}: {reason}" for test, reason in skipped if "COVIDWEB_DATA" not in reason]
if unexcused:
    sys.exit(
        "\n".join([*unexcused, f"{len(unexcused)} tests were skipped for another reason than missing films"])
    )
