from collections.abc import Callable
from typing import Any

import pytest


def test_the_browser_is_the_first_that_is_found(browser_rule: Callable[..., str]) -> None:
    there = {"google-chrome": "/opt/chrome", "chromium": "/usr/bin/chromium"}
    assert browser_rule(there.get, {"CI": "true"}) == "/usr/bin/chromium"
    assert browser_rule({"google-chrome": "/opt/chrome"}.get, {}) == "/opt/chrome"


@pytest.mark.parametrize("environment", [{"CI": "true"}, {"CI": "1"}])
def test_without_a_browser_tests_fail_in_ci(browser_rule: Callable[..., Any], environment: Any) -> None:
    with pytest.raises(pytest.fail.Exception, match="no Chromium is installed"):
        browser_rule({}.get, environment)


@pytest.mark.parametrize("environment", [{}, {"CI": ""}, {"CI": "false"}])
def test_without_a_browser_tests_are_skipped_elsewhere(
    browser_rule: Callable[..., Any], environment: Any
) -> None:
    with pytest.raises(pytest.skip.Exception, match="apt-get install chromium"):
        browser_rule({}.get, environment)
