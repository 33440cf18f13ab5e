from collections.abc import Callable
from xml.dom import minidom

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from junitparser import Failure, JUnitXml, Skipped, TestSuite

from igbatch.audit.junit import junit
from igbatch.audit.verdict import Audit

HOSTILE = "\x00\x1b[31m\ud800\ufffe<testcase/>]]>&amp;\"'\n\u202e|é"


def suites(content: bytes) -> list[TestSuite]:
    return list(JUnitXml.fromstring(content))


def test_a_comparison_is_a_suite_and_a_check_a_case(audit_of: Callable[..., Audit]) -> None:
    first, second = suites(junit(audit_of(), [1.5, 0.25]))
    assert (first.name, second.name) == ("reference: eagle", "last-good: eagle")
    assert (first.tests, first.failures, first.skipped, first.errors) == (3, 1, 1, 0)
    assert (second.tests, second.failures, second.skipped) == (1, 0, 0)
    assert (first.time, second.time) == (1.5, 0.25)
    failed, passed, skipped = first
    assert [case.name for case in first] == ["box_sums", "similarity", "sanity"]
    assert {case.classname for case in first} == {"audit.reference"}
    (failure,) = failed.result
    assert isinstance(failure, Failure)
    assert failure.message == "The box of eagle fell."
    assert "eagle: eagle: 0.41" in failure.text
    assert passed.is_passed
    assert isinstance(skipped.result[0], Skipped)
    assert skipped.result[0].message == "No random variant."
    properties = {each.name: each.value for each in first.properties()}
    assert properties["reference"] == "/nights/old"
    assert properties["changed: weights"] == "eagle -> other"


def test_counts_of_the_whole_are_those_of_its_suites(audit_of: Callable[..., Audit]) -> None:
    whole = JUnitXml.fromstring(junit(audit_of(), [1.5, 0.25]))
    for name in ("tests", "failures", "skipped", "errors", "time"):
        assert getattr(whole, name) == sum(getattr(suite, name) for suite in whole)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.text(st.characters(codec="utf-8"), min_size=1, max_size=12))
def test_xml_is_well_formed_whatever_the_names_hold(audit_of: Callable[..., Audit], name: str) -> None:
    document = minidom.parseString(junit(audit_of(name), [0.0, 0.0]))
    assert len(document.getElementsByTagName("testcase")) == 4


def test_what_xml_cannot_hold_is_replaced_and_the_rest_kept(audit_of: Callable[..., Audit]) -> None:
    audit = audit_of()
    check = audit.comparisons[0].checks[0].model_copy(update={"words": HOSTILE})
    comparison = audit.comparisons[0].model_copy(update={"checks": (check,)})
    (suite,) = suites(junit(audit.model_copy(update={"comparisons": (comparison,)}), [0.0]))
    (case,) = suite
    assert case.result[0].message == "��[31m��<testcase/>]]>&amp;\"'\n\u202e|é"


@pytest.mark.parametrize("seconds", [[], [1.0]])
def test_each_comparison_has_a_time(audit_of: Callable[..., Audit], seconds: list[float]) -> None:
    with pytest.raises(ValueError, match="zip"):
        junit(audit_of(), seconds)
