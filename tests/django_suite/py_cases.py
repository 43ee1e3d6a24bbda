"""Django's table of serializer tests, for the format py: stands in tests/serializers as test_py.py.

What test_json.py says in JSON is said here in the text of a dump.
"""
# ruff: noqa: PT009, PT027

import json
import re
from datetime import datetime, timedelta

from django.core import serializers
from django.core.serializers.base import DeserializationError
from django.test import TestCase, TransactionTestCase
from translation import as_dump, as_json

from .models import Article, Score
from .tests import SerializersTestBase, SerializersTransactionTestBase

MAPPING_ORDERING = """

serializers_Article = resolve_model('serializers.Article')


def create_serializers_article(id, author_id, headline, pub_date, categories, meta_data, topics):
    return new(
        serializers_Article,
        id=id,
        author_id=author_id,
        headline=headline,
        pub_date=pub_date,
        categories=categories,
        meta_data=meta_data,
        topics=topics,
    )


def serializers_article_objects():
    yield create_serializers_article(%(article_pk)s, %(author_pk)s, 'Poker has no place on ESPN', \
datetime(2006, 6, 16, 11, 0), [%(first_category_pk)s, %(second_category_pk)s], [], [])


install_migrations(globals())


def objects():
    yield serializers_article_objects()

# dumpy: end
"""


def player(pk, rank):
    fields = {"name": "Bob", "rank": rank, "team": "Team"}
    return {"pk": pk, "model": "serializers.player", "fields": fields}


def author(pk):
    return {"pk": pk, "model": "serializers.author", "fields": {"name": "Agnes"}}


def category(pk, **fields):
    fields = {"name": "Reference", **fields}
    return {"pk": pk, "model": "serializers.category", "fields": fields}


def category_meta_data(pk):
    fields = {"kind": "author", "name": "meta1", "value": "Agnes"}
    return {"pk": pk, "model": "serializers.categorymetadata", "fields": fields}


def article(pk, **fields):
    fields = {"author": 1, "headline": "Unknown", "pub_date": "2014-09-15T10:35:00", **fields}
    return {"pk": pk, "model": "serializers.article", "fields": fields}


class PySerializerTestCase(SerializersTestBase, TestCase):
    serializer_name = "py"
    mapping_ordering_str = MAPPING_ORDERING

    @property
    def pkless_str(self):
        return as_dump([category(None), category(None, name="Non-fiction")])

    @staticmethod
    def _validate_output(serial_str):
        try:
            compile(serial_str, "<dump>", "exec")
        except SyntaxError:
            return False
        else:
            return True

    @staticmethod
    def _get_pk_values(serial_str):
        return [one.get("pk") for one in json.loads(as_json(serial_str))]

    @staticmethod
    def _get_field_values(serial_str, field_name):
        objects = json.loads(as_json(serial_str))
        return [one["fields"][field_name] for one in objects if field_name in one["fields"]]

    def test_deterministic_mapping_ordering(self):
        """The head of the module, with what dumpy says in general, is no part of this."""
        output = serializers.serialize("py", [self.a1], indent=2)
        categories = sorted(self.a1.categories.values_list("pk", flat=True))
        expected = self.mapping_ordering_str % {
            "article_pk": self.a1.pk,
            "author_pk": self.a1.author_id,
            "first_category_pk": categories[0],
            "second_category_pk": categories[1],
        }
        self.assertTrue(output.endswith(expected), output)

    def test_indentation_whitespace(self):
        for line in serializers.serialize("py", [Score(score=5.0)], indent=2).splitlines():
            self.assertEqual(line, line.rstrip())

    def test_py_deserializer_exception(self):
        with self.assertRaises(DeserializationError):
            list(serializers.deserialize("py", "# dumpy: format 1\ndef objects():"))

    def test_microseconds_are_kept(self):
        moment = datetime(2006, 6, 16, 13, 0, 11, 123456)
        one = Article.objects.create(author=self.jane, headline="Exact", pub_date=moment)
        text = serializers.serialize("py", [one])
        (read,) = serializers.deserialize("py", text)
        self.assertEqual(read.object.pub_date, moment)

    def test_every_microsecond_of_a_sample_is_kept(self):
        start = datetime(2006, 6, 16, 13)
        moments = [start + timedelta(microseconds=n * 7919) for n in range(200)]
        given = [
            Article(pk=n, author=self.jane, headline="Exact", pub_date=moment)
            for n, moment in enumerate(moments)
        ]
        text = serializers.serialize("py", given)
        read = [one.object.pub_date for one in serializers.deserialize("py", text)]
        self.assertEqual(read, moments)

    def assertRefused(self, objects, *words):
        """Reading and saving objects fails with a message that has all the words."""
        pattern = "(?s)" + "".join(f"(?=.*{re.escape(word)})" for word in words)
        with self.assertRaisesRegex(DeserializationError, pattern):
            for one in serializers.deserialize("py", as_dump(objects)):
                one.save()

    def test_helpful_error_message_invalid_pk(self):
        self.assertRefused([player("badpk", 1)], "serializers.Player", "pk='badpk'")

    def test_helpful_error_message_invalid_field(self):
        self.assertRefused([player(1, "invalidint")], "serializers.Player(pk=1)", "invalidint")

    def test_helpful_error_message_for_foreign_keys(self):
        given = category(1, meta_data=["doesnotexist", "metadata"])
        self.assertRefused([given], "serializers.Category(pk=1)", "'doesnotexist', 'metadata'")

    def test_helpful_error_message_for_many2many_non_natural(self):
        given = [article(1, categories=[1, "doesnotexist"]), author(1), category(1)]
        self.assertRefused(given, "serializers.Article(pk=1)", "doesnotexist")

    def test_helpful_error_message_for_many2many_natural1(self):
        meta = [["author", "meta1"], ["doesnotexist", "meta1"], ["author", "meta1"]]
        given = [category_meta_data(1), article(1, meta_data=meta), author(1)]
        self.assertRefused(given, "serializers.Article(pk=1)", "'doesnotexist', 'meta1'")

    def test_helpful_error_message_for_many2many_natural2(self):
        given = [article(1, meta_data=[1, "doesnotexist"]), category_meta_data(1), author(1)]
        self.assertRefused(given, "serializers.Article(pk=1)", "doesnotexist")

    def test_helpful_error_message_for_many2many_not_iterable(self):
        text = as_dump([{"pk": 1, "model": "serializers.m2mdata", "fields": {"data": []}}])
        text = text.replace("(1, [])", "(1, None)")
        with self.assertRaisesRegex(DeserializationError, r"serializers\.M2MData\(pk=1\).*None"):
            for one in serializers.deserialize("py", text):
                one.save()


class PySerializerTransactionTestCase(SerializersTransactionTestBase, TransactionTestCase):
    serializer_name = "py"

    @property
    def fwd_ref_str(self):
        return as_dump([article(1, categories=[1]), category(1), author(1)])
