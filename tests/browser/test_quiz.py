"""The page of a quiz in Chromium: by keyboard, over reloads, to a file of answers that Python takes."""

import base64
import io
import json
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from drawn_studies import lay_out, quiz_maps
from helpers import Command
from PIL import Image
from playwright.sync_api import expect

from igbatch.report.page.html import render_quiz
from igbatch.report.quiz.model import Answers, QuizPage, digest_of
from igbatch.store.output import Output
from igbatch.store.quiz_tables import read_quiz_tables

Open = Callable[..., QuizPage]

WIDTH, HEIGHT = 232, 330
"""Of a map with its numbers, in CSS pixels."""
WAIT = "ms => new Promise(done => setTimeout(done, ms))"
PALETTE = [
    level
    for place in range(64)
    for level in (min(8 * place, 255), 255 - 7 * abs(place - 32), min(8 * (64 - place), 255))
]
FACTORS = {"less-2": "up to 2 times", "2-5": "2 to 5 times", "5-20": "5 to 20 times"}
BOXES = {"box-0": "eagle", "box-1": "magpie", "box-2": "branch"}


@cache
def picture(seed: int, alt: str, width: int = WIDTH, height: int = HEIGHT) -> dict[str, Any]:
    """A picture of the size that maps have, with two pixels for each of CSS: many colours on white."""
    rng = np.random.default_rng(seed)
    places = (rng.standard_t(2, size=(224, 224)) * 12 + 32).clip(0, 63).astype(np.uint8)
    pixels = np.full((2 * height, 2 * width), 32, np.uint8)
    pixels[8:456, 8:456] = np.repeat(np.repeat(places, 2, axis=0), 2, axis=1)
    image = Image.fromarray(pixels, "P")
    image.putpalette(PALETTE)
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1)
    uri = "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")
    return {"uri": uri, "width": width, "height": height, "alt": alt}


def question(place: int, practice: bool, told: bool, name: str = "eagle") -> dict[str, Any]:
    """A question: by turns which map is stronger, whether both are of one class, and in which box."""
    kind = ("stronger", "targets", "box")[place % 3]
    labels = {
        "stronger": {"first": "", "second": ""},
        "targets": {"one": "one class", "two": "two classes"},
        "box": BOXES | {"box-0": name},
    }[kind]
    text = {
        "stronger": "Which of the two maps is stronger: whose magnitudes add up to more?",
        "targets": "Are these two maps of one class, or of two?",
        "box": f"In which box does the evidence for “{name}” add up to most?",
    }[kind]
    truth = {
        "choice": next(iter(labels)),
        "second": "2-5" if kind == "stronger" else None,
        "words": f"TRUTH-{place}: magnitudes add up to 0.421 and 0.137 of “{name}”.",
    }
    maps = [picture(10 * place + side, f"Map {side} of {name}") for side in range(1 if kind == "box" else 2)]
    return {
        "id": f"q-{place}",
        "practice": practice,
        "text": text,
        "hint": "Red adds to the score, blue takes from it. Each map has a range of its own.",
        "pictures": maps,
        "photograph": picture(10 * place + 9, f"Photograph of {name}", 232, 232) if kind == "box" else None,
        "choices": [{"id": choice, "label": label} for choice, label in labels.items()],
        "sided": kind == "stronger",
        "second_text": "By about how much?" if kind == "stronger" else "",
        "second_choices": [{"id": choice, "label": label} for choice, label in FACTORS.items()]
        if kind == "stronger"
        else [],
        "truth": truth if practice or told else None,
    }


def quiz(feedback: str, study: str, *, practice: int = 1, asked: int = 3, name: str = "eagle") -> QuizPage:
    """A quiz of some questions; `name` is in all its texts."""
    content = {
        "study": f"{study}: {name}",
        "feedback": feedback,
        "intro": [
            "Heat maps show which pixels speak for a class. This page asks what you can tell from them.",
            "There is no trick: every question has one right answer, which the study's numbers give.",
        ],
        "questions": [
            question(place, place < practice, feedback != "none", name) for place in range(practice + asked)
        ],
    }
    page = QuizPage.model_validate({"digest": "0" * 64, **content})
    return page.model_copy(update={"digest": digest_of(page.model_dump(mode="json", exclude={"digest"}))})


@pytest.fixture
def begin(tmp_path: Path) -> Open:
    """Open a quiz and begin it: `begin(tab, "none", asked=3)`; the browser knows none of it yet."""

    def open_page(page: Any, feedback: str, *, start: bool = True, **options: Any) -> QuizPage:
        made = quiz(feedback, tmp_path.name, **options)
        path = tmp_path / "quiz.html"
        path.write_text(render_quiz(made), "utf-8")
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-igbatch-ready]", state="attached")
        if start:
            page.get_by_role("button", name="Begin").click()
        return made

    return open_page


def kept(page: Any) -> dict[str, Any]:
    """What the browser keeps of the run."""
    found = page.evaluate(
        "Object.entries(localStorage).find(([key]) => key === 'igbatch-quiz-' + "
        "JSON.parse(document.getElementById('quiz-data').textContent).digest)[1]"
    )
    return dict(json.loads(found))


def downloaded(page: Any, button: str) -> tuple[str, Answers]:
    """The name and the content of the file of answers, which must be what Python takes."""
    with page.expect_download() as download:
        page.get_by_role("button", name=button).click()
    answers = Answers.model_validate_json(Path(download.value.path()).read_bytes(), strict=True)
    assert answers.checksum == digest_of(answers.model_dump(mode="json", exclude={"checksum"}))
    return download.value.suggested_filename, answers


def asked_of(page: Any, made: QuizPage) -> Any:
    """The question on the screen, by its pictures."""
    uri = page.locator(".pictures img.map").first.get_attribute("src")
    return next(each for each in made.questions if uri in [picture.uri for picture in each.pictures])


def answer(page: Any, made: QuizPage, key: int = 1) -> dict[str, Any]:
    """Answer the question on the screen by keyboard, with a choice and the second of a second part."""
    question = asked_of(page, made)
    swapped = page.locator(".pictures img.map").first.get_attribute("src") != question.pictures[0].uri
    page.keyboard.press(str(key))
    if question.second_choices:
        page.keyboard.press(str(len(question.choices) + 2))
    page.keyboard.press("Enter")
    places = [2, 1] if question.sided and swapped else range(1, 10)
    return {
        "question": question.id,
        "choice": question.choices[list(places).index(key)].id,
        "second": question.second_choices[1].id if question.second_choices else None,
        "swapped": swapped,
    }


def test_a_whole_quiz_by_keyboard_over_a_reload_gives_the_file_of_answers(tab: Any, begin: Open) -> None:
    made = begin(tab, "after", start=False, practice=2, asked=4)
    began = time.monotonic()
    tab.keyboard.press("Tab")
    tab.keyboard.type("r b")
    tab.keyboard.press("Enter")
    expect(tab.get_by_label("A code")).to_have_attribute("aria-invalid", "true")
    for key in ("Backspace", "Backspace", *"-7", "Enter"):
        tab.keyboard.press(key)
    heading, progress = tab.locator("article h2"), tab.locator(".progress")
    expect(heading).to_be_focused()
    expect(progress).to_have_text("Practice 1 of 2")
    tab.keyboard.press("Enter")  # nothing is chosen yet
    expect(tab.get_by_role("button", name="Answer")).to_be_disabled()
    given = [answer(tab, made, 2)]
    told = tab.get_by_role("region", name="What is true")
    expect(told).to_be_focused()
    expect(told).to_contain_text("TRUTH-0")
    tab.keyboard.press("1")
    expect(tab.get_by_role("radio", name="Map B")).to_be_checked()  # an answer stays
    expect(tab.get_by_role("radio", name="Map A")).to_be_disabled()
    tab.reload()
    expect(told).to_contain_text("TRUTH-0")
    expect(progress).to_have_text("Practice 1 of 2")
    tab.keyboard.press("Enter")
    expect(heading).to_be_focused()
    given.append(answer(tab, made))
    expect(told).to_contain_text("That was the last to practise on. 4 questions follow.")
    tab.keyboard.press("Enter")
    places = []
    for place in range(4):
        expect(progress).to_have_text(f"Question {place + 1} of 4")
        expect(heading).to_be_focused()
        places.append(tab.locator(".next button").bounding_box())
        if place == 1:
            name, early = downloaded(tab, "Download so far")
            tab.keyboard.press("1")
            expect(tab.get_by_role("radio").first).to_be_checked()
            tab.evaluate(WAIT, 300)
            before, question = kept(tab), heading.text_content()
            tab.reload()
            expect(progress).to_have_text("Question 2 of 4")
            expect(heading).to_have_text(question)
            expect(tab.get_by_role("radio").first).to_be_checked()
            assert {**kept(tab), "draft": 0} == {**before, "draft": 0}
        given.append(answer(tab, made))
        expect(told).to_contain_text(f"TRUTH-{given[-1]['question'][2:]}:")
        places.append(tab.locator(".next button").bounding_box())
        tab.keyboard.press("Enter")
    expect(tab.get_by_role("heading", level=2)).to_be_focused()
    expect(tab.get_by_role("heading", level=2)).to_contain_text("That was the last question")
    assert places == places[:1] * 8  # the button never moves
    again, whole = downloaded(tab, "Download answers")
    assert name == again == f"quiz-{made.digest[:8]}-{whole.session[:8]}.json"
    assert (early.complete, whole.complete) == (False, True)
    assert early.answers == whole.answers[:3]
    assert (whole.quiz, whole.reader) == (made.digest, "r-7")
    assert (whole.screen.width, whole.screen.height, whole.screen.percent) == (1280, 900, 100)
    found = [each.model_dump() for each in whole.answers]
    assert [each.pop("place") for each in found] == list(range(6))
    spent = [each.pop("ms") for each in found]
    assert spent[3] > 300  # that before the reload is not lost
    assert 0 < sum(spent) < 1000 * (time.monotonic() - began)
    assert found == given
    half, index = whole.arrangement >> 1, [int(each["question"][2:]) for each in found]
    assert index == [0, 1, *(2 + (half + place) % 4 for place in range(4))]


def test_tab_space_and_arrows_choose_too(tab: Any, begin: Open) -> None:
    begin(tab, "none", practice=0, asked=1)
    first, second = tab.get_by_role("group").all()
    for key, choice in (("Tab", None), ("Space", "Map A"), ("ArrowDown", "Map B"), ("ArrowUp", "Map A")):
        tab.keyboard.press(key)
        if choice:
            expect(first.get_by_role("radio", name=choice)).to_be_checked()
    expect(tab.get_by_role("button", name="Finish")).to_be_disabled()
    tab.keyboard.press("Tab")
    tab.keyboard.press("Space")
    expect(second.get_by_role("radio").first).to_be_checked()
    tab.keyboard.press("Tab")
    expect(tab.get_by_role("button", name="Finish")).to_be_focused()
    tab.keyboard.press("Enter")
    expect(tab.get_by_role("button", name="Download answers")).to_be_visible()


def test_time_counts_while_the_page_is_seen(tab: Any, begin: Open) -> None:
    begin(tab, "none", practice=0)
    see = """state => {
        Object.defineProperty(document, "visibilityState", {value: state, configurable: true});
        document.dispatchEvent(new Event("visibilitychange"));
    }"""
    tab.evaluate(WAIT, 60)
    tab.evaluate(see, "hidden")
    before = kept(tab)["draft"]["ms"]
    tab.evaluate(WAIT, 200)
    tab.keyboard.press("1")
    assert kept(tab)["draft"] == {"choice": kept(tab)["draft"]["choice"], "second": None, "ms": before}
    tab.evaluate(see, "visible")
    tab.evaluate(WAIT, 60)
    tab.evaluate(see, "hidden")
    assert before + 50 <= kept(tab)["draft"]["ms"] < before + 200


def test_without_feedback_the_page_holds_no_answer_but_those_to_practise_on(tab: Any, begin: Open) -> None:
    made = begin(tab, "none")
    source = tab.content()
    assert "TRUTH-0" in source
    assert not any(f"TRUTH-{place}" in source for place in (1, 2, 3))
    answer(tab, made)
    expect(tab.get_by_role("region", name="What is true")).to_contain_text("You are no longer told")
    tab.keyboard.press("Enter")
    for place in (1, 2, 3):
        expect(tab.locator(".progress")).to_have_text(f"Question {place} of 3")
        answer(tab, made)
    expect(tab.get_by_role("button", name="Download answers")).to_be_visible()
    expect(tab.locator(".review")).to_have_count(0)


def test_at_the_end_a_list_says_what_is_true(tab: Any, begin: Open) -> None:
    made = begin(tab, "end", practice=0)
    given = []
    for place in (1, 2, 3):
        expect(tab.locator(".progress")).to_have_text(f"Question {place} of 3")
        expect(tab.locator(".told")).to_have_count(0)
        given.append(answer(tab, made))
    review = tab.locator(".review")
    truths = {each.id: each.truth.choice for each in made.questions if each.truth}
    right = sum(truths[each["question"]] == each["choice"] for each in given)
    expect(review).to_contain_text(f"{right} of 3 questions right")
    lines = review.locator("li")
    for place, each in enumerate(given):
        expect(lines.nth(place)).to_contain_text(f"TRUTH-{each['question'][2:]}:")
        verdict = "Right:" if truths[each["question"]] == each["choice"] else "You chose"
        expect(lines.nth(place).locator("p").first).to_contain_text(verdict)
    expect(review.locator("img")).to_have_count(0)
    lines.first.get_by_text("Show the maps again").click()
    expect(lines.first.locator("img.map").first).to_be_visible()


def test_starting_anew_asks_and_another_tab_follows(tab: Any, begin: Open) -> None:
    made = begin(tab, "none", practice=0)
    other = tab.context.new_page()
    other.goto(tab.url)
    answer(tab, made)
    expect(other.locator(".progress")).to_have_text("Question 2 of 3")
    other.close()
    before = kept(tab)
    tab.get_by_role("button", name="Start anew").click()
    dialog = tab.get_by_role("dialog")
    expect(dialog).to_contain_text("forgets your 1 answer;")
    tab.keyboard.press("Escape")
    expect(tab.locator(".progress")).to_have_text("Question 2 of 3")
    tab.get_by_role("button", name="Start anew").click()
    dialog.get_by_role("button", name="Forget").click()
    tab.get_by_role("button", name="Begin").click()
    expect(tab.locator(".progress")).to_have_text("Question 1 of 3")
    assert kept(tab)["session"] != before["session"]


def test_a_browser_that_keeps_nothing_is_said_and_the_quiz_goes_on(page: Any, begin: Open) -> None:
    page.add_init_script(
        "Object.defineProperty(window, 'localStorage', {get() { throw new Error('denied') }})"
    )
    made = begin(page, "none", practice=0)
    expect(page.get_by_role("alert")).to_contain_text("a reload would lose your answers")
    answer(page, made)
    expect(page.locator(".progress")).to_have_text("Question 2 of 3")
    assert len(downloaded(page, "Download so far")[1].answers) == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_that_shuts_a_reader_out(tab: Any, begin: Open, scheme: Any) -> None:
    def check() -> None:
        found = Axe().run(tab).response["violations"]
        assert [(each["id"], [node["html"][:120] for node in each["nodes"]]) for each in found] == []

    tab.emulate_media(color_scheme=scheme)
    made = begin(tab, "end", start=False, asked=1)
    check()
    tab.get_by_role("button", name="Begin").click()
    expect(tab.locator(".pictures")).to_be_visible()
    check()
    answer(tab, made, 2)
    expect(tab.locator(".told")).to_be_visible()
    check()
    tab.get_by_role("button", name="Start anew").click()
    check()
    tab.keyboard.press("Escape")
    tab.get_by_role("button", name="Next").click()
    answer(tab, made)
    expect(tab.locator(".review")).to_be_visible()
    check()


def test_hostile_names_are_text_on_a_phone(phone: Any, begin: Open, hostile_name: str) -> None:
    phone.on("dialog", lambda dialog: pytest.fail(f"a name ran: {dialog.message}"))
    made = begin(phone, "after", start=False, practice=0, name=hostile_name)
    expect(phone.get_by_role("heading", level=1)).to_contain_text(hostile_name)
    phone.get_by_role("button", name="Begin").tap()
    for place in range(3):
        expect(phone.locator(".progress")).to_have_text(f"Question {place + 1} of 3")
        question = asked_of(phone, made)
        expect(phone.locator("article h2")).to_have_text(question.text)
        maps = phone.locator(".pictures img.map")
        assert maps.first.get_attribute("alt") in [each.alt for each in question.pictures]
        widths = maps.evaluate_all("all => all.map(each => each.getBoundingClientRect().width)")
        assert widths == [WIDTH] * len(question.pictures)
        assert phone.evaluate("document.documentElement.scrollWidth") == 390
        for part in phone.get_by_role("group").all():
            part.locator("label").first.tap()
        phone.get_by_role("button", name="Answer").tap()
        expect(phone.locator(".told")).to_contain_text(hostile_name)
        assert phone.evaluate("document.documentElement.scrollWidth") == 390
        if place == 0:
            assert Axe().run(phone).response["violations"] == []
        phone.locator(".next button").tap()
    expect(phone.locator("script:not([type])")).to_have_count(1)
    assert phone.locator("img[src=x], [onerror]").count() == 0


def test_the_next_question_is_there_within_a_fifth_of_a_second(tab: Any, begin: Open) -> None:
    made = begin(tab, "none", practice=0, asked=40)
    size = len(render_quiz(made))
    took = tab.evaluate(
        """async () => {
            const frame = () => new Promise(requestAnimationFrame);
            const press = key => document.dispatchEvent(new KeyboardEvent("keydown", {key}));
            const progress = () => document.querySelector(".progress")?.textContent;
            const took = [];
            for (let place = 1; place < 40; place++) {
                await new Promise(done => setTimeout(done, 30));  // no reader is faster
                for (const key of "14") press(key);
                await frame();
                const [before, begin] = [progress(), performance.now()];
                press("Enter");
                while (progress() === before) await new Promise(done => setTimeout(done));
                await Promise.all([...document.querySelectorAll(".pictures img")].map(each => each.decode()));
                await frame();
                await frame();  // that with the pictures is drawn
                took.push(performance.now() - begin);
            }
            return took;
        }"""
    )
    print(f"{size / 1e6:.1f} MB; milliseconds: median {np.median(took):.0f}, most {max(took):.0f}")
    expect(tab.locator(".progress")).to_have_text("Question 40 of 40")
    assert np.median(took) < 200
    assert np.quantile(took, 0.9) < 200  # the machine of the tests may be busy with others


def test_a_quiz_of_a_study_is_answered_by_keyboard_and_reduced(
    tab: Any, call: Command, tmp_path: Path
) -> None:
    output = Output(str(tmp_path / "out"))
    lay_out(output, quiz_maps(4), kept=True)
    made = call("quiz", output.uri, "--out", "quiz.html", "--questions", 8, "--feedback", "after")
    assert made.code == 0, made.err
    tab.goto((tmp_path / "quiz.html").as_uri())
    tab.get_by_role("button", name="Begin").click()
    for place in range(4 + 8):
        if place == 6:
            tab.reload()
        expect(tab.locator(".progress")).to_have_text(
            f"Practice {place + 1} of 4" if place < 4 else f"Question {place - 3} of 8"
        )
        tab.keyboard.press("1")
        if tab.get_by_role("group").count() > 1:
            tab.keyboard.press("4")
        tab.keyboard.press("Enter")
        expect(tab.get_by_role("region", name="What is true")).to_be_focused()
        tab.keyboard.press("Enter")
    with tab.expect_download() as download:
        tab.get_by_role("button", name="Download answers").click()
    file = tmp_path / "answers.json"
    file.write_bytes(Path(download.value.path()).read_bytes())
    done = call("quiz-results", output.uri, file)
    assert done.code == 0, done.err
    tables = read_quiz_tables(output)
    assert tables is not None
    rows = tables.answers[tables.answers["simulated"].isna()]
    (key,) = (json.loads(path.read_text()) for path in Path(output.uri, "quiz").glob("*[0-9a-f].json"))
    truth = {each["id"]: each["truth"]["choice"] for each in key["questions"]}
    assert len(rows) == 12
    assert (rows["right"] == (rows["choice"] == rows["question"].map(truth))).all()
    changed = json.loads(file.read_text())
    changed["answers"][5]["ms"] += 1
    file.write_text(json.dumps(changed))
    call("quiz-results", output.uri, file).refused("answers.json", "changed after it was downloaded")
