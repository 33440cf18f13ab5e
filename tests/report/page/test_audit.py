import html
import re
from collections.abc import Callable
from typing import Any

from igbatch.audit import history
from igbatch.audit.files import VERDICT, write_audit
from igbatch.report.page.audit import study_audit

HOSTILE = '"><script>alert(1)</script>{{7*7}}<img src=x onerror=alert(1)>\u202e'


def at(day: int) -> str:
    return f"2026-11-{day:02d}T02:00:00Z"


def audited(results: Any, *audits: Any) -> None:
    """Write the last audit into a study, with all of them as its history; where there is one, without."""
    past = history.joined(map(history.rows_of, audits)) if len(audits) > 1 else None
    write_audit(results.reader.output, audits[-1], [0.0] * len(audits[-1].comparisons), past)


def test_a_study_that_was_not_audited_has_no_section(small_study: Any, rendered: Callable[..., Any]) -> None:
    assert study_audit(small_study) == (None, [], "")
    assert 'id="audit"' not in rendered(small_study)["report/index.html"].decode()


def test_the_section_tells_what_the_audit_found(
    small_study: Any, audit_of: Callable[..., Any], rendered: Callable[..., Any]
) -> None:
    audited(small_study, audit_of())
    page = rendered(small_study)["report/index.html"].decode()
    section = re.search(r'<section id="audit">.*?</section>', page, re.DOTALL)[0]
    text = " ".join(html.unescape(re.sub("<[^>]*>", " ", section)).split())
    assert text.startswith("Audit failed 1 of 3 checks failed (against 2 references, 1 skipped). Made ")
    heading = "Against the reference, /nights/old check outcome figure allowed unit what was found"
    assert f"{heading} Box sums changed failed 0.500 at most 0.100" in text
    for row in ("Maps differ passed 0.990 at least 0.950", "Sanity ratio fell skipped – at most 0.700"):
        assert row in text
    assert "image variant target value in words eagle trained eagle 0.280 eagle: 0.41" in text
    assert "part outcome figure now before p effect images trained, eagle failed 0.500 1.00 2.00" in text
    assert "What changed around the numbers what before now weights eagle other" in text
    good = text.partition("Against the last good night, /nights/good")[2]
    assert good
    assert "failed" not in good
    assert "What changed" not in good
    assert "Figures over time" not in text


def test_each_check_has_its_figures_in_order_of_time(small_study: Any, audit_of: Callable[..., Any]) -> None:
    audited(
        small_study, audit_of(made_at=at(3)), audit_of(failed=False, made_at=at(1)), audit_of(made_at=at(2))
    )
    series = study_audit(small_study)[1]
    assert [(each.role, each.check) for each in series] == [
        ("the reference", "box_sums"), ("the reference", "similarity"), ("the last good night", "similarity"),
    ]  # fmt: skip
    points = series[0].points
    assert [point.at for point in points] == [at(1), at(2), at(3)]
    assert [point.figure for point in points] == [0.05, 0.5, 0.5]
    assert [point.outcome for point in points] == ["passed", "failed", "failed"]
    assert {point.threshold for point in points} == {0.1}


def test_of_two_references_of_one_role_the_worse_figure_counts(
    small_study: Any, audit_of: Callable[..., Any]
) -> None:
    audit = audit_of(made_at=at(2))
    worse = audit.comparisons[0].model_copy(
        update={"checks": tuple(
            check.model_copy(update={"figure": {"box_sums": 0.9, "similarity": 0.2}.get(check.name)})
            for check in audit.comparisons[0].checks
        )}
    )  # fmt: skip
    twice = audit.model_copy(update={"comparisons": (worse, audit.comparisons[0])})
    audited(small_study, audit_of(made_at=at(1)), twice)
    last = {each.check: each.points[-1].figure for each in study_audit(small_study)[1]}
    assert last == {"box_sums": 0.9, "similarity": 0.2}


def test_other_studies_of_a_shared_history_are_left_out(
    small_study: Any, audit_of: Callable[..., Any]
) -> None:
    audited(small_study, audit_of("other", made_at=at(1)), audit_of(made_at=at(2)))
    assert all([point.at for point in each.points] == [at(2)] for each in study_audit(small_study)[1])


def test_names_are_text_on_the_page(
    small_study: Any, audit_of: Callable[..., Any], rendered: Callable[..., Any]
) -> None:
    audited(small_study, audit_of(HOSTILE, made_at=at(1)), audit_of(HOSTILE, made_at=at(2)))
    page = rendered(small_study)["report/index.html"].decode()
    section = re.search(r'<section id="audit">.*?</section>', page, re.DOTALL)[0]
    assert page.index('id="findings"') < page.index('id="audit"') < page.index('id="cautions"')
    assert '<a href="#audit">' in page
    assert "<script" not in section
    assert "<img" not in section
    assert "\u202e" not in page
    assert "&lt;script&gt;" in section
    assert 'data-chart="history"' in section


def test_a_damaged_verdict_costs_the_page_its_section_alone(
    small_study: Any, rendered: Callable[..., Any]
) -> None:
    small_study.reader.output.put(small_study.reader.output.path(VERDICT), b"{")
    page = rendered(small_study)["report/index.html"].decode()
    assert 'id="audit"' not in page
    left_out = page.partition("Left out of this page")[2].partition("</ul>")[0]
    assert "audit.json" in left_out
    assert "run `igbatch audit` again" in left_out
