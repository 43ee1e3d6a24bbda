from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from text_dumps import DUMP, skeleton_of
from text_strategies import texts

from dumpy.text.emit import (
    ModelNames,
    Names,
    head,
    objects_function,
    section_head,
)
from dumpy.text.outline import YIELDED
from dumpy.text.words import source

Model = tuple[str, str, list[str], list[tuple[object, ...]]]


def written(
    description: str, version: str | None, migrations: dict[str, str], *models: Model
) -> str:
    """A dump of models given as (app label, model, fields, rows)."""
    names = Names()
    text = head(description, version, migrations)
    sections = []
    for app, model, fields, rows in models:
        called = names.for_model(app, model)
        sections.append(names.section(called))
        text += names.declaration(called, f"{app}.{model}", fields)
        text += section_head(sections[-1])
        for row in rows:
            values = ", ".join(map(source, row))
            text += f"{YIELDED.prefix(called.create)}{values}{YIELDED.suffix}\n"
    return text + objects_function(sections)


def test_a_dump_is_written_in_this_form() -> None:
    assert written(
        "The data of shop 2.3.0, written by dumpy.",
        "2.3.0",
        {"music": "0003_playlist"},
        ("music", "Genre", ["id", "name"], [(1, "Rock"), (2, "Jazz")]),
        (
            "music",
            "Track",
            ["id", "class", "genre_id"],
            [
                (1, "For Those About To Rock", 1),
                (2, "Balls to the Wall", None),
                (3, "Fast As a Shark", 2),
            ],
        ),
    ) == DUMP.replace("\n", "\n# fmt: off\n", 1)


def test_an_empty_dump_is_data() -> None:
    skeleton = skeleton_of(written("Nothing.", None, {}))
    assert (skeleton.version, skeleton.migrations, skeleton.sections) == (None, {}, ())


def test_many_migrations_are_sorted_and_stand_on_lines_of_their_own() -> None:
    migrations = {f"app_{number}": "0001_initial" for number in range(5, 0, -1)}
    text = head("Text.", None, migrations)
    assert text.endswith(
        "SOURCE_MIGRATIONS = {\n"
        "    'app_1': '0001_initial',\n"
        "    'app_2': '0001_initial',\n"
        "    'app_3': '0001_initial',\n"
        "    'app_4': '0001_initial',\n"
        "    'app_5': '0001_initial',\n"
        "}"
    )


HOSTILE = [
    '"""',
    "'''",
    '"',
    "\\",
    '\\"""\nimport os\n"""',
    "\n# dumpy: end\n",
    "a\rb\x0c\0\u2028\x85\ud800\u202e",
    "{x} %s ' \" \\N{BULLET}",
    "__dumpy_",
    "'; import os; '",
    "# coding: utf-7",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_that_looks_like_code_stays_text(text: str) -> None:
    dump = written(
        text, text, {text: text}, ("app", "Model", [text, "id"], [(text, {text: [text]})])
    )
    skeleton = skeleton_of(dump)
    assert skeleton.version == text
    assert skeleton.migrations == {text: text}
    assert skeleton.functions["create_app_model"].fields == {text: 0, "id": 1}


@given(texts(), texts(), st.dictionaries(texts(), texts(), max_size=3))
@settings(deadline=None)
def test_any_text_in_the_head_is_read_back(
    description: str, version: str, migrations: dict[str, str]
) -> None:
    safe = description.replace("__dumpy_rows__", "")
    skeleton = skeleton_of(written(safe, version, migrations))
    assert (skeleton.version, skeleton.migrations) == (version, migrations)


LABELS = st.text(min_size=1, max_size=6) | st.sampled_from(
    [
        "a",
        "a_b",
        "b_c",
        "c",
        "create",
        "create_x",
        "new",
        "objects",
        "é",
        "e9",
        "_",
        "1",
        "B",
        "b",
        "A",
    ]
)


@given(st.lists(st.tuples(LABELS, LABELS, st.lists(LABELS, max_size=4, unique=True)), max_size=6))
@settings(deadline=None)
def test_whatever_models_are_called_their_dump_is_data(
    models: list[tuple[str, str, list[str]]],
) -> None:
    rows = [(app, model, fields, [tuple(fields)] * 2) for app, model, fields in models]
    skeleton = skeleton_of(written("Text.", None, {}, *rows))
    functions = list(skeleton.functions.values())
    assert [function.model for function in functions] == [
        f"{app}.{model}" for app, model, _ in models
    ]
    for function, (_, _, fields) in zip(functions, models, strict=True):
        assert function.fields == {name: index for index, name in enumerate(fields)}
    assert [len(section.parts) for section in skeleton.sections] == [1] * len(models)


def test_models_are_called_by_app_and_name() -> None:
    assert Names().for_model("music", "PlaylistTrack") == ModelNames(
        "music_PlaylistTrack", "create_music_playlisttrack", "music_playlisttrack_objects"
    )


def test_clashing_models_are_numbered() -> None:
    names = Names()
    assert names.for_model("a_b", "C").create == "create_a_b_c"
    assert names.for_model("a", "b_C") == ModelNames("a_b_C_2", "create_a_b_c_2", "a_b_c_objects_2")
    assert names.for_model("a_b", "C").variable == "a_b_C_3"


@pytest.mark.parametrize(
    ("app", "model", "variable"),
    [
        ("field", "text", "field_text_2"),
        ("json", "null", "json_null_2"),
        ("resolve", "model", "resolve_model_2"),
        ("SOURCE", "VERSION", "SOURCE_VERSION_2"),
        ("café", "Maß", "caf_e9_Ma_df"),
        ("1st", "A", "_1st_A"),
    ],
)
def test_a_variable_is_never_a_name_of_dumpy(app: str, model: str, variable: str) -> None:
    assert Names().for_model(app, model).variable == variable


def test_a_section_is_never_called_like_a_create_function() -> None:
    assert Names().for_model("create", "Order").objects == "_create_order_objects"


def test_the_sections_of_a_model_are_numbered() -> None:
    names = Names()
    track = names.for_model("music", "Track")
    assert [names.section(track) for _ in range(3)] == [
        "music_track_objects",
        "music_track_objects_2",
        "music_track_objects_3",
    ]


def test_parameters_are_the_fields_where_they_can_be() -> None:
    fields = ["id", "class", "new", "name", "music_Track", "größe", "class_", "date", "__debug__"]
    names = Names()
    text = names.declaration(names.for_model("music", "Track"), "music.Track", fields)
    parameters = "id, class_, new_, name, music_Track_, gr_f6_dfe, class__, date, __debug___"
    assert f"def create_music_track({parameters}):" in text
