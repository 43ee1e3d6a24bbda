"""Fills an empty database of release 3.0, always with the same rows."""

from __future__ import annotations

from versions import content
from versions.office import fill_notes, fill_office

from . import models as press

NOTED = {
    "article": press.Article,
    "writer": press.Writer,
    "photo": press.Photo,
    "video": press.Video,
    "tag": press.Tag,
    "section": press.Section,
}


def fill() -> None:
    """Fill all tables."""
    fill_office(renamed={})
    fill_people()
    fill_articles()
    fill_notes(press.Note, NOTED)


def fill_people() -> None:
    """Make sections, who writes in them, and who reads them."""
    for key, name, slug, above in content.SECTIONS:
        press.Section.objects.create(pk=key, name=name, slug=slug, parent_id=above)
    for key, first, last, email, phone in content.WRITERS:
        press.Writer.objects.create(
            pk=key, full_name=f"{first} {last}".strip(), email=email, phone=phone
        )
    for key, born, text in content.BIOGRAPHIES:
        press.Biography.objects.create(writer_id=key, born=born, text=text)
    for key, name, email, street, city in content.READERS:
        press.Reader.objects.create(pk=key, name=name, email=email, street=street, city=city)
    for key, reader, section, since, price, until in content.SUBSCRIPTIONS:
        press.Subscription.objects.create(
            pk=key, reader_id=reader, section_id=section, started=since, price=price,
            cancelled=until,
        )  # fmt: skip


def fill_articles() -> None:
    """Make articles, what belongs to them, and the editions they are printed in."""
    for key, day, copies in content.EDITIONS:
        press.Edition.objects.create(pk=key, day=day, copies=copies)
    for key, name in content.WORDS:
        press.Tag.objects.create(pk=key, name=name)
    for (
        key,
        title,
        second,
        text,
        lang,
        section,
        writer,
        day,
        words,
        state,
        tags,
    ) in content.ARTICLES:
        article = press.Article.objects.create(
            pk=key, title=title, subtitle=second, text=text, language=lang, section_id=section,
            writer_id=writer, published=day or "", words="" if words is None else str(words),
            state=state,
        )  # fmt: skip
        article.tags.set(tags)
    for key, article_id, file, caption in content.PHOTOS:
        press.Photo.objects.create(pk=key, article_id=article_id, file=file, caption=caption)
    for key, article_id, url, title, seconds in content.VIDEOS:
        press.Video.objects.create(
            pk=key, article_id=article_id, url=url, title=title, seconds=seconds
        )
