"""The report page as one uses it, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from engine.page.page import write_page
from tests.engine.finished_runs import finished_run
from tests.engine.rows import sample_row
from tests.integration.browser import Seen, chromium, needs_chromium, seen

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.slow, needs_chromium]

TASKS = [f"t{number:04}" for number in range(2000)]
HOSTILE = "</script><script>document.title = 'owned'</script><img src=x onerror=\"document.title = 'owned'\">"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two checkpoints on 2,000 problems: the second won every fourth, and lost the second one."""
    folder = tmp_path_factory.mktemp("page")
    before = dict.fromkeys(TASKS, 0) | {TASKS[1]: 1}
    after = {task: int(number % 4 == 0) for number, task in enumerate(TASKS)}
    hostile = sample_row(
        TASKS[2], "wrong_answer", completion=HOSTILE, program=f"x = 1\ny = 2\n# {HOSTILE}", stderr_tail="needle"
    )
    first = finished_run(folder / "a", before, 1, name="m--step-1", step=1)
    second = finished_run(folder / "b", after, 1, name="m--step-2", step=2, faults=[hostile])
    return write_page([first, second], folder / "index.html", command="codeassay report a b").path


@pytest.fixture
def opened(browser: Browser, report: Path) -> Iterator[Seen]:
    """The page, which must not complain or ask for anything else, whatever is done with it."""
    with seen(browser, report) as found:
        found.page.wait_for_selector("#list .row")
        yield found
        assert found.complaints == []
        assert found.requests == [report.as_uri()]
        assert found.page.title() != "owned"


def rows(found: Seen) -> list[str]:
    """Tasks of the list, as far as they are drawn."""
    return found.page.locator("#list .row b").all_inner_texts()


def test_thousands_of_problems_are_listed_a_screen_at_a_time(opened: Seen) -> None:
    """All are found, few are drawn; at the end of the list the last one is there."""
    assert opened.text("#found") == "2,000 of 2,000 problems"
    assert len(rows(opened)) < 60
    opened.page.locator("#list").press("End")
    assert rows(opened)[-1] == TASKS[-1]
    assert TASKS[-1] in opened.text("#detail h3")


def test_problems_are_found_by_what_stands_in_them(opened: Seen) -> None:
    """A word of an output finds its problem, and only it; nonsense finds none."""
    opened.page.fill("#query", "NEEDLE")
    assert rows(opened) == [TASKS[2]]
    opened.page.fill("#query", "no such thing")
    assert opened.text("#detail") == "No problem fits."


def test_problems_are_filtered_by_status_and_by_change(opened: Seen) -> None:
    """500 were won, one was lost, and all but one of the others failed on both sides."""
    opened.page.select_option("#flip", "won")
    assert opened.text("#found") == "500 of 2,000 problems"
    opened.page.select_option("#flip", "lost")
    assert rows(opened) == [TASKS[1]]
    opened.page.select_option("#flip", "")
    opened.page.select_option("#status", "passed")
    assert opened.text("#found") == "501 of 2,000 problems"


def test_both_checkpoints_and_their_difference_are_shown(opened: Seen) -> None:
    """Programs side by side, and below line by line what the right one has in place of the left one's."""
    opened.page.fill("#query", "needle")
    assert opened.page.locator(".sides h3").all_inner_texts() == ["m--step-1", "m--step-2"]
    assert opened.page.locator(".diff .del").all_inner_texts() == ["- def f():", "-     return 1"]
    assert opened.page.locator(".diff .add").all_inner_texts()[:2] == ["+ x = 1", "+ y = 2"]


def test_what_models_write_is_shown_and_not_run(opened: Seen) -> None:
    """The very characters stand there; the title is as it was, and nothing was asked for."""
    opened.page.fill("#query", "needle")
    assert HOSTILE in opened.page.locator(".sides .panel").nth(1).locator("pre").first.inner_text()


def test_keys_are_enough(opened: Seen) -> None:
    """With j and k one goes on and back, / leads to the search, Escape back to the list, d folds the difference."""
    opened.page.keyboard.press("j")
    opened.page.keyboard.press("j")
    assert TASKS[2] in opened.text("#detail h3")
    assert opened.page.locator(".diff").is_visible()
    opened.page.keyboard.press("d")
    assert not opened.page.locator(".diff").is_visible()
    opened.page.keyboard.press("k")
    assert TASKS[1] in opened.text("#detail h3")
    opened.page.keyboard.press("/")
    opened.page.keyboard.type("t0007")
    assert rows(opened) == [TASKS[7]]
    opened.page.keyboard.press("Escape")
    assert opened.page.evaluate("document.activeElement.id") == "list"


def test_an_address_leads_back_to_the_same_problem(browser: Browser, report: Path, opened: Seen) -> None:
    """Filter and problem are in the address."""
    opened.page.select_option("#flip", "won")
    opened.page.locator("#list .row").nth(3).click()
    with seen(browser, opened.page.url) as again:
        again.page.wait_for_selector("#list .row")
        assert again.text("#found") == "500 of 2,000 problems"
        assert again.text("#detail h3") == opened.text("#detail h3")


def test_light_and_dark_follow_the_system_and_the_button(browser: Browser, report: Path) -> None:
    """The plots change with the page."""

    def colours(found: Seen) -> tuple[str, str]:
        page = found.page.evaluate("getComputedStyle(document.body).backgroundColor")
        line = found.page.evaluate("getComputedStyle(document.querySelector('#plot-forest svg text')).fill")
        return page, line

    with seen(browser, report, color_scheme="dark") as dark, seen(browser, report, color_scheme="light") as light:
        assert colours(dark)[0] != colours(light)[0]
        assert colours(dark)[1] != colours(light)[1]
        dark.page.click("#theme")
        assert colours(dark) == colours(light)


def test_a_narrow_screen_does_not_scroll_sideways(browser: Browser, report: Path) -> None:
    """At 400 pixels only tables and code scroll by themselves."""
    with seen(browser, report, viewport={"width": 400, "height": 800}) as found:
        found.page.wait_for_selector("#list .row")
        assert found.page.evaluate("document.documentElement.scrollWidth") <= 400


def test_without_scripts_all_but_the_browser_is_there(browser: Browser, report: Path) -> None:
    """Tables and plots are part of the page itself."""
    with seen(browser, report, java_script_enabled=False) as found:
        assert found.page.locator("#scores tbody tr").count() == 2
        assert found.page.locator("#plots svg").count() >= 3
        assert "needs JavaScript" in found.text("#browser")
