"""`audit.xml`: an audit as CI systems read tests, in the JUnit format of Ant and Jenkins.

A comparison is a test suite, a check is a test case.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from xml.etree import ElementTree as ET

from igbatch.audit.verdict import Audit, Check, Outcome

_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML 1.0 document may hold, however it is escaped (W3C, XML 1.0, section 2.2)."""


def junit(audit: Audit, seconds: Sequence[float]) -> bytes:
    """Return an audit as JUnit XML, UTF-8; characters that XML cannot hold become �.

    Args:
        audit: what was found.
        seconds: how long each comparison took. Checks share reading and have no times of their own.
    """
    every = [check for comparison in audit.comparisons for check in comparison.checks]
    attributes = {"name": f"igbatch audit {audit.study}", "time": f"{sum(seconds):.3f}"}
    suites = ET.Element("testsuites", attributes | _counts(every))
    for place, (comparison, taken) in enumerate(zip(audit.comparisons, seconds, strict=True)):
        suite = ET.SubElement(suites, "testsuite", {
            "name": f"{comparison.role}: {comparison.study}", "id": str(place),
            "timestamp": audit.made_at.removesuffix("Z").removesuffix("+00:00"), "hostname": "",
            "time": f"{taken:.3f}", **_counts(comparison.checks),
        })  # fmt: skip
        properties = ET.SubElement(suite, "properties")
        named = {"output": audit.uri, "reference": comparison.uri, "igbatch": audit.igbatch}
        named |= {f"changed: {each.what}": f"{each.before} -> {each.now}" for each in comparison.changes}
        for name, value in named.items():
            ET.SubElement(properties, "property", {"name": name, "value": value})
        for check in comparison.checks:
            case = {"classname": f"audit.{comparison.role}", "name": check.name}
            ET.SubElement(suite, "testcase", case).append(_outcome(check))
    for element in suites.iter():
        element.attrib = {name: _legal(value) for name, value in element.attrib.items()}
        element.text = element.text and _legal(element.text)
    ET.indent(suites)
    content: bytes = ET.tostring(suites, encoding="utf-8", xml_declaration=True)
    return content + b"\n"


def _outcome(check: Check) -> ET.Element:
    if check.outcome is Outcome.SKIPPED:
        return ET.Element("skipped", {"message": check.words})
    if check.outcome is Outcome.FAILED:
        element = ET.Element("failure", {"type": "threshold", "message": check.words})
        offenders = [f"{offender.image_id}: {offender.words}" for offender in check.offenders]
        element.text = "\n".join([check.title, check.compared, check.words, *offenders])
    else:
        element = ET.Element("system-out")
        element.text = check.words
    return element


def _counts(checks: Iterable[Check]) -> dict[str, str]:
    outcomes = [check.outcome for check in checks]
    failed, skipped = outcomes.count(Outcome.FAILED), outcomes.count(Outcome.SKIPPED)
    return {"tests": str(len(outcomes)), "failures": str(failed), "errors": "0", "skipped": str(skipped)}


def _legal(text: str) -> str:
    return _ILLEGAL.sub("�", text)
