import itertools
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from igbatch.audit.markdown import MAX_SHOWN, escape, markdown
from igbatch.audit.verdict import Audit, Offender

READER = MarkdownIt("commonmark").enable("table")
HOSTILE = "<img src=x onerror=alert(1)> [a](http://b) **c** `d` | e\n# f ~~g~~ &amp; \\ ![h](i) http://j _k_"


def texts(content: str, kind: str) -> list[str]:
    """The texts of all inline tokens below opening tokens of a kind."""
    tokens = READER.parse(content)
    pairs = itertools.pairwise(tokens)
    return [
        "".join(c.content for c in inline.children) for tag, inline in pairs if tag.type == f"{kind}_open"
    ]


def test_the_verdict_stands_first_then_every_check(audit_of: Callable[..., Audit]) -> None:
    content = markdown(audit_of())
    assert content.startswith("# Failed: audit of eagle\n")
    assert markdown(audit_of(failed=False)).startswith("# Passed: audit of eagle\n")
    cells = texts(content, "td")
    assert cells[:4] == ["Box sums changed", "failed", "0.5", "at most 0.1"]
    assert cells[4:8] == ["Maps differ", "passed", "0.99 of 1", "at least 0.95"]
    assert cells[8:12] == ["Sanity ratio fell", "skipped", "-", "at most 0.7"]
    assert "1 of 3 checks failed (against 2 references, 1 skipped)." in content
    assert "The box of eagle fell." in texts(content, "paragraph")
    assert {"eagle: eagle: 0.41", "weights: eagle → other"} <= set(texts(content, "paragraph"))


def test_few_offenders_are_shown_and_the_rest_counted(audit_of: Callable[..., Audit]) -> None:
    audit = audit_of()
    check = audit.comparisons[0].checks[0]
    many = tuple(Offender(image_id=f"{n}.png", value=n, words="worse") for n in range(MAX_SHOWN + 2))
    comparison = audit.comparisons[0].model_copy(
        update={"checks": (check.model_copy(update={"offenders": many}),)}
    )
    lines = texts(markdown(audit.model_copy(update={"comparisons": (comparison,)})), "paragraph")
    assert [line for line in lines if line.endswith("worse")] == [f"{n}.png: worse" for n in range(MAX_SHOWN)]
    assert "and 2 more images in audit.json" in lines


@given(
    text=st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1) | st.just(HOSTILE)
)
@example("1. a")
@example("12) a")
@example("- a")
@example("+")
@example("===")
@example("---")
@example("```")
@example("[a]: b")
def test_a_name_is_read_as_its_own_text_and_nothing_else(text: str) -> None:
    tokens = READER.parse(f"- {escape(text)}")
    assert [token.type.partition("_")[0] for token in tokens] == [
        "bullet", "list", "paragraph", "inline", "paragraph", "list", "bullet",
    ]  # fmt: skip
    assert all(child.type == "text" for child in tokens[3].children)
    assert "".join(child.content for child in tokens[3].children) == " ".join(text.split())


def test_numbers_and_paths_stay_readable() -> None:
    assert (
        escape("/nights/2026-11-26/a.png fell to 0.5 (was 1.0)")
        == "/nights/2026-11-26/a.png fell to 0.5 (was 1.0)"
    )


@pytest.mark.parametrize("text", ["\x1b[31m", "a\u202eb", "\x00"])
def test_control_characters_are_shown_as_replaced(text: str) -> None:
    assert "�" in escape(text)
    assert all(each.isprintable() for each in escape(text))


def test_hostile_names_leave_tables_and_headings_whole(audit_of: Callable[..., Audit]) -> None:
    plain, hostile = (READER.parse(markdown(audit_of(name))) for name in ("eagle", HOSTILE))
    assert [token.type for token in hostile] == [token.type for token in plain]
