"""The page in a real browser, opened from the disk: it plays, switches, sorts, answers the keys, runs nothing that a name holds.

Needs a Chromium with H.264 and AAC: $AVSEP_CHROMIUM names one, else what is installed is taken.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic as clock
from typing import Any

import pytest
from processed import FAILED, MARKUP, process

from avsep_plugin.report.build import build

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

MakeClip = Callable[..., Path]
CHROMIUM = os.environ.get("AVSEP_CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"))), None
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed and AVSEP_CHROMIUM names none")
ARGUMENTS = ["--no-sandbox", "--mute-audio", "--disable-background-networking"]
"""Without a sandbox it also starts as root in a container; it opens nothing but the page that was just made."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, make_clip: MakeClip, tiny_models: dict[str, Path]) -> Path:
    out = process(tmp_path_factory.mktemp("made"), make_clip, tiny_models)
    (out / "foreign <b>.avsep.json").write_text("{}")
    build(out, title="</title><img src=x onerror=boom()>")
    return out


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Any, folder: Path) -> Iterator[Any]:
    """The opened page. At the end: nothing was complained about, and nothing was asked for but files."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    page.on("request", lambda request: None if request.url.startswith(("file:", "data:")) else wrong.append(request.url))
    page.add_init_script("window.boomed = 0; window.boom = () => { window.boomed += 1; }; window.alert = window.boom;")
    page.goto((folder / "report.html").as_uri())
    choose(page, "b-long.mov")
    yield page
    assert page.evaluate("window.boomed") == 0
    context.close()
    assert wrong == []


def choose(page: Any, name: str) -> None:
    page.locator("#rows .open").nth(page.locator("#rows .open").all_inner_texts().index(name)).click()


def wait(page: Any, condition: str) -> None:
    """Until something holds in the page, whose policy keeps Playwright's own way to wait from working."""
    end = clock() + 20
    while not page.evaluate(condition):
        assert clock() < end, condition
        page.wait_for_timeout(30)


def names(page: Any) -> list[str]:
    """Of the rows that are to be seen, in their order."""
    return list(page.locator("#rows tr:not([hidden]) .open").all_inner_texts())


def current(page: Any) -> str:
    return str(page.locator("#rows tr[aria-current] .open").inner_text())


def time(page: Any, element: str = "video.picture") -> float:
    return float(page.evaluate(f"document.querySelector({element!r}).currentTime"))


def audible(page: Any) -> list[str]:
    """Which sounds are played and not muted."""
    script = "[...document.querySelectorAll('audio, video')].filter((e) => !e.muted && !e.paused).map((e) => e.dataset.key)"
    return list(page.evaluate(script))


def playing(page: Any, at: float = 0.3) -> None:
    """Play and wait until picture and sound have come to a time."""
    if page.locator("#play").get_attribute("aria-label") == "Play":
        page.keyboard.press("Space")
    for element in ("video.picture", "audio[data-key=on]"):
        wait(page, f"document.querySelector({element!r}).currentTime > {at}")


def test_it_plays_picture_and_sound(page: Any) -> None:
    assert audible(page) == []
    playing(page)
    assert audible(page) == ["original"]
    assert page.evaluate("document.querySelector('video.picture').videoWidth") == 64
    assert page.evaluate("document.querySelector('audio[data-key=original]').webkitAudioDecodedByteCount") > 0
    assert page.locator("#clock").inner_text().endswith(" / 0:03.0")
    page.keyboard.press("Space")
    assert audible(page) == []
    stopped = time(page)
    page.wait_for_timeout(200)
    assert time(page) == stopped


def test_it_stops_at_the_end_and_begins_again(page: Any) -> None:
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    playing(page, 2.1)
    wait(page, "document.getElementById('play').getAttribute('aria-label') === 'Play'")
    assert page.locator("#clock").inner_text() == "0:03.0 / 0:03.0"
    page.keyboard.press("Space")
    wait(page, "document.querySelector('video.picture').currentTime < 1")
    assert page.locator("#play").get_attribute("aria-label") == "Pause"


@pytest.mark.parametrize(("key", "sound"), [("2", "on"), ("3", "off"), ("1", "original")])
def test_a_switch_of_the_sound_keeps_its_place(page: Any, key: str, sound: str) -> None:
    playing(page)
    before, after = page.evaluate(
        """(key) => {
            const at = () => [...document.querySelectorAll('audio')].find((e) => !e.muted).currentTime;
            const before = at();
            document.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}));
            return [before, at()];
        }""",
        key,
    )
    assert abs(after - before) < 0.1
    assert audible(page) == [sound]
    page.wait_for_timeout(300)
    apart = page.evaluate(
        "(key) => document.querySelector(`audio[data-key=${key}]`).currentTime - document.querySelector('video.picture').currentTime", sound
    )
    assert abs(apart) < 0.1
    assert page.locator(f".sound[data-key={sound}]").get_attribute("aria-pressed") == "true"
    assert page.locator(".sound[aria-pressed=true]").count() == 1


def test_all_sounds_run_together(page: Any) -> None:
    playing(page, 0.8)
    places = page.evaluate("[...document.querySelectorAll('audio, video')].map((e) => e.currentTime)")
    assert len(places) == 4
    assert max(places) - min(places) < 0.1


def test_a_switch_while_it_stands_still(page: Any) -> None:
    page.keyboard.press("ArrowRight")
    page.locator(".sound.off").click()
    assert (time(page), time(page, "audio[data-key=off]")) == (1, 1)
    playing(page, 1.1)
    assert audible(page) == ["off"]


def test_what_was_chosen_stays_chosen_from_clip_to_clip(page: Any) -> None:
    page.keyboard.press("2")
    playing(page)
    page.keyboard.press("k")
    wait(page, "document.querySelector('audio[data-key=on]').currentTime > 0.1")
    assert (current(page), audible(page)) == ("a-short.mp4", ["on"])


def test_a_click_on_the_strip_seeks(page: Any) -> None:
    box = page.locator("#strip").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 3, box["y"] + box["height"] / 2)
    assert time(page) == pytest.approx(1.0, abs=0.02)
    assert page.locator("#track").get_attribute("aria-valuenow") == "1.0"
    page.locator(".stills button").last.click()
    assert time(page) > 2


def test_the_heat_map_lies_over_the_picture(page: Any) -> None:
    assert page.locator("video.heat").count() == 0
    playing(page)
    page.keyboard.press("h")
    wait(page, "document.querySelector('video.heat').readyState >= 2")
    page.wait_for_timeout(300)
    assert page.locator("video.heat").is_visible()
    assert abs(time(page) - time(page, "video.heat")) < 0.1
    page.locator("#heat").click()
    assert not page.locator("video.heat").is_visible()


def test_the_list_is_sorted_by_every_column(page: Any) -> None:
    lengths = {"a-short.mp4": 1, MARKUP: 2, "b-long.mov": 3, Path(FAILED).name: None}
    assert set(names(page)) == set(lengths)
    header = page.locator("thead button", has_text="Length")
    header.click()
    assert names(page) == ["a-short.mp4", MARKUP, "b-long.mov", Path(FAILED).name]
    assert header.locator("..").get_attribute("aria-sort") == "ascending"
    header.click()
    assert names(page) == ["b-long.mov", MARKUP, "a-short.mp4", Path(FAILED).name]
    page.locator("thead button", has_text="Clip").click()
    assert [name for name in names(page) if name[0].isalpha()] == ["a-short.mp4", "b-long.mov", Path(FAILED).name]
    for column in ("Before", "After", "Match"):
        page.locator("thead button", has_text=column).click()
        assert names(page)[-1] == Path(FAILED).name  # what has no value comes last
    assert page.locator("th[aria-sort=none]").count() == 4


def test_the_list_is_narrowed_by_words_and_marks(page: Any) -> None:
    page.keyboard.press("/")
    page.keyboard.type("LONG b")
    assert names(page) == ["b-long.mov"]
    page.locator("#search").fill("nothing like it")
    assert (names(page), page.locator("#empty").is_visible()) == ([], True)
    page.locator("#search").fill("")
    page.locator(".chip", has_text="Failed").click()
    assert names(page) == [Path(FAILED).name]
    page.locator(".chip", has_text="All").click()
    assert len(names(page)) == 4


def test_the_keys_go_from_clip_to_clip(page: Any) -> None:
    order = names(page)
    page.keyboard.press("k")
    page.keyboard.press("k")
    seen = [current(page)]
    for key in ("j", "ArrowDown", "j", "j", "ArrowUp"):
        page.keyboard.press(key)
        seen.append(current(page))
    assert seen == [order[0], order[1], order[2], order[3], order[3], order[2]]


def test_keys_in_the_search_box_are_letters(page: Any) -> None:
    page.keyboard.press("/")
    page.keyboard.type("b 2jk")
    assert page.locator("#search").input_value() == "b 2jk"
    assert (current(page), audible(page)) == ("b-long.mov", [])
    page.keyboard.press("Escape")
    page.keyboard.press("2")
    assert page.locator(".sound.on").get_attribute("aria-pressed") == "true"


def test_space_presses_the_button_that_the_keyboard_is_on(page: Any) -> None:
    page.keyboard.press("/")
    for _ in range(2):
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.dataset.kind") == "failed"
    page.keyboard.press("Space")
    assert (names(page), audible(page)) == ([Path(FAILED).name], [])
    page.locator(".chip", has_text="All").click()
    page.keyboard.press("Space")  # a button that was only clicked does not take it
    wait(page, "document.getElementById('play').getAttribute('aria-label') === 'Pause'")


def test_a_name_is_shown_as_it_is_and_nothing_of_it_runs(page: Any) -> None:
    choose(page, MARKUP)
    assert page.locator(".viewer h2").inner_text() == MARKUP
    assert page.title() == "</title><img src=x onerror=boom()>"
    playing(page)
    page.locator("summary", has_text="Files").click()
    choose(page, Path(FAILED).name)
    assert FAILED in page.locator(".viewer .path").inner_text()
    assert page.locator("#viewer img, #rows img").count() == 3
    assert "foreign <b>.avsep.json" in page.locator(".notes li").text_content()


def test_no_other_script_runs(browser: Any, folder: Path) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto((folder / "report.html").as_uri())
    page.evaluate(
        """() => {
            const script = document.createElement('script');
            script.textContent = 'window.injected = 1';
            document.body.append(script);
            document.body.insertAdjacentHTML('beforeend', '<img src="data:," onerror="window.injected = 2">');
        }"""
    )
    page.wait_for_timeout(100)
    assert page.evaluate("window.injected") is None
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_follow_the_system_until_they_are_switched(browser: Any, folder: Path, scheme: str) -> None:
    context = browser.new_context(color_scheme=scheme)
    page = context.new_page()
    page.goto((folder / "report.html").as_uri())

    def is_dark() -> bool:
        return bool(page.evaluate("Number(getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0]) < 128"))

    assert is_dark() == (scheme == "dark")
    page.keyboard.press("t")
    assert is_dark() != (scheme == "dark")
    page.reload()
    assert is_dark() != (scheme == "dark")
    context.close()


@pytest.mark.parametrize("size", [(390, 844), (1280, 800), (1920, 1080)])
def test_nothing_sticks_out_at_the_side(browser: Any, folder: Path, size: tuple[int, int]) -> None:
    context = browser.new_context(viewport={"width": size[0], "height": size[1]})
    page = context.new_page()
    page.goto((folder / "report.html").as_uri())
    for number in range(4):
        page.locator("#rows .open").nth(number).click()
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    context.close()


def test_it_is_to_be_read_by_a_screen_reader(page: Any) -> None:
    unnamed = """[...document.querySelectorAll('button, input, video, [role]:not([role=status])')]
        .filter((element) => !element.getAttribute('aria-label') && !element.textContent.trim()).length"""
    assert page.evaluate(unnamed) == 0
    assert page.locator("[role=status]").inner_text() == "b-long.mov, 2 of 4"
    page.keyboard.press("?")
    assert page.locator("dialog").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("dialog").is_visible()
