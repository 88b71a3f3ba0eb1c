"""Name templates: what they make, and that nothing leads out of the output folder."""

from pathlib import Path

import pytest

from avsep_plugin.errors import ConfigError
from avsep_plugin.naming import Template


def folder(template: str, name: str = "talk.mp4", model: str = "mini") -> str:
    return Template(template).folder(Path("clips") / name, model, "0").as_posix()


@pytest.mark.parametrize(
    ("template", "made"),
    [("{stem}", "talk"), ("{stem}.{ext}", "talk.mp4"), ("{model}/{stem}-{track}", "mini/talk-0"), ("all of it/{stem}", "all of it/talk"),
     ("{{{stem}}}", "{talk}")],
)  # fmt: skip
def test_fields_are_filled_in(template: str, made: str) -> None:
    assert folder(template) == made


@pytest.mark.parametrize(
    "template", ["../{stem}", "{stem}/..", "/{stem}", "a/../{stem}", "./{stem}", "a//{stem}", "{stem}/", "", "a\\{stem}"]
)
def test_a_template_that_leads_elsewhere_is_refused(template: str) -> None:
    with pytest.raises(ConfigError, match="which is no folder inside the output folder"):
        Template(template)


@pytest.mark.parametrize("template", ["{artist}", "{}", "{0}", "{stem!r}", "{stem:>30}", "{stem.parent}", "{stem"])
def test_a_field_that_is_not_known_is_refused(template: str) -> None:
    with pytest.raises(ConfigError, match="name template"):
        Template(template)


def test_values_make_no_folders() -> None:
    assert folder("{model}/{stem}", "a\\b:c.mp4", "../other/model.safetensors") == ".._other_model.safetensors/a_b_c"


@pytest.mark.parametrize(("template", "name"), [("{stem}", "...mp4"), ("{ext}", "talk"), (".{ext}", "talk")])
def test_a_clip_of_whose_name_no_folder_can_be_made_is_refused(template: str, name: str) -> None:
    with pytest.raises(ConfigError, match="which is no folder inside the output folder"):
        folder(template, name)
