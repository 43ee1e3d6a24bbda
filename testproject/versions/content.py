"""What happens at the newspaper; the ``fill.py`` of each release makes rows of it."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

NOON = datetime(2024, 2, 29, 12, 0, 0, 123_456, tzinfo=timezone.utc)

# key, name, slug, key of the section above
SECTIONS = [
    (1, "World", "world", None),
    (2, "Eesti", "eesti", 1),
    (5, "Sõnad ja pildid", "sonad", None),
    (9, "'Quoted' \\ section", "quoted", 5),
]
# key, names, email, phone
WRITERS = [
    (1, "Ada", "Lovelace", "ada@example.org", "+44 20"),
    (2, "Õnne Mari", "Tamm", None, ""),
    (3, "", "Sócrates", "socrates@example.org", "555"),
    (8, "Ursula Kroeber", "Le.Guin", None, "+1 503"),
]
# key of the writer, day of birth, text
BIOGRAPHIES = [
    (1, date(1815, 12, 10), "Wrote the first program.\nThe engine was never built."),
    (3, None, "Wrote nothing."),
    (8, date(1929, 10, 21), "Лучше идти, чем прийти. 🚀"),
]
# key, word
WORDS = [(1, "art"), (2, "ajalugu"), (3, "Ελλάς"), (4, "sea"), (6, "🦩"), (10, "no article")]
# key, title, subtitle, text, language, section, writer, day, words, state, words it is found by
ARTICLES = [
    (1, "The engine", None, "It weaves.\r\n\tPatterns.", "en", 1, 1, "1843-09-01", 3, "p", [1, 3]),
    (2, "Meri", "Suvi 2024", "Sinine\u2028meri", "et", 2, 2, "2024-06-24", 120, "p", [4, 2]),
    (3, "Untitled", "", "?", "en", 5, None, None, None, "d", []),
    (4, "What is justice?", None, "Ask 'him' or \"her\".", "en", 1, 3, None, 0, "r", [3]),
    (7, "The wave", "in the mind", "  blanks  ", "en", 9, 8, "2004-02-17", 9_000, "p", [1, 4, 6]),
    (11, "Päev", None, "{% now %}", "et", 2, 2, "2024-02-29", 2, "r", [2, 6]),
]
# key, article, file, caption
PHOTOS = [
    (1, 1, "engine.png", ""),
    (2, 2, "meri/õhtu.jpg", "Õhtu"),
    (4, 7, "wave.jpg", "The wave, drawn"),
]
# key, article, url, title, seconds
VIDEOS = [
    (1, 2, "https://example.org/meri.mp4", "Meri", 61),
    (3, 7, "https://example.org/wave", "", None),
]
# key, name, email, street, city
READERS = [
    (1, "Grace", "grace@example.org", "Main street 1", "Arlington"),
    (2, "Jaan", "jaan@example.org", "Ülikooli 18", "Tartu"),
    (3, "Niemand", "nobody@example.org", "", ""),
    (100, "Sofja Ковалевская", "sofja@example.org", "", "Stockholm"),
]
# key, reader, section, first day, price, last day
SUBSCRIPTIONS = [
    (1, 1, 1, date(2020, 1, 1), Decimal("9.90"), None),
    (2, 1, 5, date(2021, 5, 1), Decimal("0.00"), date(2023, 5, 1)),
    (3, 2, 2, date(2022, 2, 22), Decimal("1234.50"), None),
    (6, 100, 9, date(1999, 12, 31), Decimal("-1.00"), date(2000, 1, 1)),
]
# key, day, copies
EDITIONS = [(1, date(2024, 2, 29), 1_000), (2, date(2024, 3, 1), 0)]
# groups: key, name, what they may do
GROUPS = [
    (1, "Editors", ["change_article", "view_article", "add_writer", "change_writer", "add_tag"]),
    (2, "Kujundajad", ["add_photo", "delete_photo", "add_video", "view_tag"]),
    (3, "Sales", ["view_reader", "add_subscription", "view_user"]),
]
# key, name, groups, what else they may do
USERS = [
    (1, "ada", [1, 2], ["delete_writer", "change_biography"]),
    (2, "õnne", [2], []),
    (5, "guest", [], ["view_video", "view_note"]),
]
# key, model and key of what it is about, author, text
NOTES = [
    (1, "article", 1, 1, "Check the numbers."),
    (2, "writer", 3, 1, "Never answers letters."),
    (3, "photo", 2, 2, "Väga ilus"),
    (4, "video", 3, 2, "Too long"),
    (7, "tag", 6, 5, "🦩?"),
    (8, "section", 5, 5, " "),
]


def moment(key: int) -> datetime:
    """Return when the note or user with a key was made."""
    return NOON + timedelta(hours=key, microseconds=key)
