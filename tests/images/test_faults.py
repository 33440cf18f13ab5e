from igbatch.images.faults import MAX_CELL, MAX_NAMED, cite, shown


def test_the_first_faults_are_named_and_the_others_counted() -> None:
    texts = [f"line {number}" for number in range(2000)]
    assert cite(texts[:1], 1) == "line 0"
    assert cite(texts[:MAX_NAMED], MAX_NAMED).count("line") == MAX_NAMED
    assert cite(texts, 2000).endswith("line 9; and 1,990 more")
    assert cite(texts[:MAX_NAMED], 11).endswith("line 9; and 1 more")


def test_a_long_value_loses_its_middle() -> None:
    assert shown("a'b") == '"a\'b"'
    assert len(shown("x" * 500)) == MAX_CELL + 1
    assert shown(10**5000) == "a number of thousands of digits"
