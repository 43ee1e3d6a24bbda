"""What the dumps of older releases mean today."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from dumpy import Migrator, override
from dumpy.dump import natural, new

FIRST_VIDEO = 1000


def day_of(text: str) -> date | None:
    """Return the date of a text as 2024-01-31."""
    return date.fromisoformat(text) if text else None


def number_of(text: str) -> int | None:
    """Return the number that a text says."""
    return int(text) if text else None


def reader_key(key: int) -> UUID:
    """Return the key of a reader who had a number."""
    return uuid5(NAMESPACE_URL, f"press/reader/{key}")


class PressMigrator(Migrator):
    """Brings a dump of any release to 5.0; Django's migrations do the same to a database."""

    def migrate_from_1_0(self, globals_dict: dict[str, Any]) -> str:
        """Articles have a language."""
        self.add_field("press.Article", "language", "en")
        return "2.0"

    def migrate_from_2_0(self, globals_dict: dict[str, Any]) -> str:
        """Subscriptions have a day on which they started."""
        self.rename_field("press.Subscription", "since", "started")
        return "3.0"

    def migrate_from_3_0(self, globals_dict: dict[str, Any]) -> str:
        """Writers are people, tags are topics, photos and videos are media."""
        self.rename_model("press.Writer", "people.Writer")
        self.split_names(globals_dict)
        self.rename_model("press.Tag", "press.Topic")
        self.rename_field("press.Article", "tags", "topics")
        self.merge_media(globals_dict)
        self.change_values("press.Article", "published", day_of)
        self.change_values("press.Article", "words", number_of)
        states = {"d": "draft", "r": "review", "p": "published"}
        self.change_values("press.Article", "state", states)
        self.change_values("press.Article", "language", {"en": "eng", "et": "est"})
        return "4.0"

    def migrate_from_4_0(self, globals_dict: dict[str, Any]) -> str:
        """Topics have a place, readers an address and another key, writers a biography."""
        self.place_topics(globals_dict)
        self.split_readers(globals_dict)
        self.change_values("press.Subscription", "reader_id", reader_key)
        self.remove_field("people.Writer", "phone")
        self.merge_biographies(globals_dict)
        self.remove_model("press.Edition")
        return "5.0"

    def split_names(self, globals_dict: dict[str, Any]) -> None:
        """Make first and last name of the full one."""
        Writer = self.model("people.Writer")

        @override(globals_dict)
        def create_people_writer(full_name: str, **fields: Any) -> Any:
            first_name, _, last_name = full_name.rpartition(" ")
            return new(Writer, first_name=first_name, last_name=last_name, **fields)

    def merge_media(self, globals_dict: dict[str, Any]) -> None:
        """Make photos and videos media, and take the notes on them along."""
        self.rename_model("press.Photo", "press.Medium")
        self.add_field("press.Medium", "kind", "photo")
        Medium, Note = self.model("press.Medium"), self.model("press.Note")

        @override(globals_dict)
        def create_press_video(id: int, url: str, title: str, **fields: Any) -> Any:
            return new(Medium, id=FIRST_VIDEO + id, kind="video", file=url, caption=title, **fields)

        @override(globals_dict)
        def create_press_note(content_type_id: Any, object_id: int, **fields: Any) -> Any:
            if content_type_id.key == ("press", "video"):
                content_type_id = natural("contenttypes.ContentType", "press", "medium")
                object_id += FIRST_VIDEO
            return new(Note, content_type_id=content_type_id, object_id=object_id, **fields)

    def place_topics(self, globals_dict: dict[str, Any]) -> None:
        """Number the topics of each article."""
        Article, Placement = self.model("press.Article"), self.model("press.Placement")

        @override(globals_dict)
        def create_press_article(id: int, topics: list[int], **fields: Any) -> Iterator[Any]:
            yield new(Article, id=id, **fields)
            for position, topic in enumerate(topics, 1):
                yield new(Placement, article_id=id, topic_id=topic, position=position)

    def split_readers(self, globals_dict: dict[str, Any]) -> None:
        """Make two rows of a reader, with another key."""
        Reader, Address = self.model("press.Reader"), self.model("press.Address")

        @override(globals_dict)
        def create_press_reader(id: int, street: str, city: str, **fields: Any) -> Iterator[Any]:
            key = reader_key(id)
            yield new(Reader, id=key, **fields)
            if street or city:
                yield new(Address, reader_id=key, street=street, city=city)

    def merge_biographies(self, globals_dict: dict[str, Any]) -> None:
        """Give each writer what the row of the biography says."""
        biographies: dict[int, dict[str, Any]] = {}

        @override(globals_dict)
        def create_press_biography(writer_id: int, born: date | None, text: str) -> None:
            biographies[writer_id] = {"born": born, "life": text}

        @self.after_load
        def write_biographies(loader: Any) -> None:
            from people.models import Writer

            for key, values in biographies.items():
                Writer.objects.using(loader.using).filter(pk=key).update(**values)
