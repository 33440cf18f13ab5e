"""`audit.xml`: an audit as CI systems read tests, in the JUnit format of Ant and Jenkins.

A comparison is a test suite, a check is a test case.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree as ET

from igbatch.audit.verdict import Audit, Check, Comparison, Outcome

_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML 1.0 document may hold, however it is escaped (W3C, XML 1.0, section 2.2)."""


def junit(audit: Audit, seconds: Sequence[float]) -> bytes:
    """Return an audit as JUnit XML, UTF-8; characters that XML cannot hold become �.

    Args:
        audit: what was found.
        seconds: how long each comparison took. Checks share reading and have no times of their own.
    """
    suites = ET.Element("testsuites", {
        "name": _legal(f"igbatch audit {audit.study}"), "time": f"{sum(seconds):.3f}",
        **_counts([check for comparison in audit.comparisons for check in comparison.checks]),
    })  # fmt: skip
    for place, (comparison, taken) in enumerate(zip(audit.comparisons, seconds, strict=True)):
        suites.append(_suite(audit, comparison, place, taken))
    ET.indent(suites)
    content: bytes = ET.tostring(suites, encoding="utf-8", xml_declaration=True)
    return content + b"\n"


def _suite(audit: Audit, comparison: Comparison, place: int, seconds: float) -> ET.Element:
    suite = ET.Element("testsuite", {
        "name": _legal(f"{comparison.role}: {comparison.study}"), "id": str(place),
        "timestamp": audit.made_at.removesuffix("Z").removesuffix("+00:00"), "hostname": "",
        "time": f"{seconds:.3f}", **_counts(comparison.checks),
    })  # fmt: skip
    properties = ET.SubElement(suite, "properties")
    told = {"output": audit.uri, "reference": comparison.uri, "igbatch": audit.igbatch}
    changes = {f"changed: {change.what}": f"{change.before} -> {change.now}" for change in comparison.changes}
    for name, value in {**told, **changes}.items():
        ET.SubElement(properties, "property", {"name": _legal(name), "value": _legal(value)})
    for check in comparison.checks:
        suite.append(_case(comparison, check))
    return suite


def _case(comparison: Comparison, check: Check) -> ET.Element:
    case = ET.Element(
        "testcase", {"classname": f"audit.{_legal(comparison.role)}", "name": _legal(check.name)}
    )
    if check.outcome is Outcome.FAILED:
        failure = ET.SubElement(case, "failure", {"type": "threshold", "message": _legal(check.words)})
        offenders = [f"{offender.image_id}: {offender.words}" for offender in check.offenders]
        failure.text = _legal("\n".join([check.title, check.compared, check.words, *offenders]))
    elif check.outcome is Outcome.SKIPPED:
        ET.SubElement(case, "skipped", {"message": _legal(check.words)})
    else:
        ET.SubElement(case, "system-out").text = _legal(check.words)
    return case


def _counts(checks: Sequence[Check]) -> dict[str, str]:
    outcomes = [check.outcome for check in checks]
    return {
        "tests": str(len(outcomes)), "failures": str(outcomes.count(Outcome.FAILED)), "errors": "0",
        "skipped": str(outcomes.count(Outcome.SKIPPED)),
    }  # fmt: skip


def _legal(text: str) -> str:
    return _ILLEGAL.sub("�", text)
