"""The page for superusers."""

import bz2
import gzip
import lzma
import os
import time

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from shared import dumped
from shop.models import Product

from dumpy import masks

PROGRAM = "from shop.models import Product\n\ndef objects():\n    yield Product(name='Run')\n"


class ProductMask(masks.Mask):
    class Meta:
        model = "shop.Product"

    def name(self, value):
        return masks.name(value)


def names():
    return [*Product.objects.order_by("id").values_list("name", flat=True)]


def text_of(response):
    return response.content.decode()


@pytest.mark.django_db
def test_who_is_not_logged_in_is_asked_to(client):
    assert client.get("/admin/dumps/").url == "/admin/login/?next=/admin/dumps/"


def test_staff_without_superuser_rights_is_forbidden_on_every_page(staff, upload, dump):
    url = upload(dump).url
    client = staff("product", "tag")
    assert [client.get(one).status_code for one in ("/admin/dumps/", url, f"{url}load/")] == [
        403
    ] * 3
    assert upload(dump, client=client).status_code == 403
    assert client.post(f"{url}load/").status_code == 403
    assert names() == ["Sencha", "Matcha"]


def test_a_post_without_the_csrf_token_is_forbidden(admin_user, admin_client, upload, dump):
    url = upload(dump).url
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)
    assert client.post("/admin/dumps/").status_code == 403
    assert client.post(f"{url}load/").status_code == 403
    assert names() == ["Sencha", "Matcha"]


def test_superusers_find_the_page_from_the_index(admin_client):
    assert 'href="/admin/dumps/"' in text_of(admin_client.get("/admin/"))


def test_staff_does_not_see_the_link(staff):
    assert "/admin/dumps/" not in text_of(staff("product").get("/admin/"))


def test_the_page_of_a_dump_shows_its_tables_and_differences(admin_client, upload, dump):
    said = text_of(admin_client.get(upload(dump).url))
    assert "The dump is undamaged, and its names fit the models." in said
    assert "Its migrations are those of the database." in said
    assert (
        '<th scope="row">shop.Product</th><td>2</td><td>2</td><td>1</td><td>1</td><td>1</td>'
        in said
    )
    assert "<td>name</td><td>&#x27;Sencha&#x27;</td><td>&#x27;Gyokuro&#x27;</td>" in said


def test_looking_at_a_dump_changes_nothing(admin_client, upload, dump):
    url = upload(dump).url
    admin_client.get(url)
    admin_client.get(f"{url}load/")
    assert names() == ["Sencha", "Matcha"]


def test_only_some_rows_of_a_table_are_shown(admin_client, upload, dump):
    Product.objects.bulk_create(Product(name=f"Tea {i}") for i in range(20))
    assert "13 more" in text_of(admin_client.get(upload(dump).url))


def test_a_field_that_the_models_do_not_have_is_named(admin_client, upload, dump):
    said = text_of(admin_client.get(upload(dump.replace("price=price", "cost=price")).url))
    assert "a restore would fail" in said
    assert "<td>cost</td>" in said
    assert "This page loads data only. For a dump of an older version, use" in said


@pytest.mark.django_db(transaction=True)
def test_a_rehearsal_on_request_restores_into_a_scratch_database(admin_client, upload, dump):
    before = names()
    said = text_of(admin_client.post(upload(dump).url, {"rehearse": "1"}))
    assert "The dump is undamaged, fits the models, and can be restored." in said
    assert names() == before


@pytest.mark.django_db(transaction=True)
def test_a_rehearsal_names_the_rows_that_a_restore_refuses(admin_client, upload, dump):
    said = text_of(
        admin_client.post(upload(dump.replace("'Gyokuro'", "None")).url, {"rehearse": "1"})
    )
    assert "a restore would fail" in said


def test_the_page_before_a_load_shows_both_sides(admin_client, upload, dump):
    said = text_of(admin_client.get(f"{upload(dump).url}load/"))
    assert (
        '<th scope="row">shop.Product</th><td>2</td><td>2</td><td>1</td><td>1</td><td>1</td>'
        in said
    )
    assert "Yes, load the dump" in said


@pytest.mark.parametrize("page", ["", "load/"])
def test_both_pages_say_that_a_dump_is_masked(admin_client, upload, dump, page):
    masked = dumped("shop.Tag", "shop.Product", mask="check_page.ProductMask")
    sentence = "The dump is masked: values of some fields are not those of its source."
    assert sentence in text_of(admin_client.get(f"{upload(masked).url}{page}"))
    assert sentence not in text_of(admin_client.get(f"{upload(dump).url}{page}"))


@pytest.mark.parametrize("page", ["", "load/"])
def test_both_pages_say_that_a_subset_keeps_other_rows(admin_client, upload, dump, page):
    subset = dumped(only=["shop.Product:2"])
    sentence = "The dump is a subset of a database: a load keeps all other rows of this one."
    assert sentence in text_of(admin_client.get(f"{upload(subset).url}{page}"))
    assert sentence not in text_of(admin_client.get(f"{upload(dump).url}{page}"))


def test_a_load_that_is_confirmed_adds_and_overwrites_rows(admin_client, upload, dump, uploads):
    response = admin_client.post(f"{upload(dump).url}load/", follow=True)
    assert "Installed 3 object(s) from 1 fixture(s)" in text_of(response)
    assert names() == ["Assam", "Gyokuro", "Matcha"]
    assert [*uploads.iterdir()] == []


def test_a_load_writes_a_log_entry(admin_user, admin_client, upload, dump):
    admin_client.post(f"{upload(dump).url}load/")
    entry = LogEntry.objects.get()
    assert (entry.user, entry.object_repr) == (admin_user, "shop.py")
    assert entry.change_message.startswith("Loaded the dump shop.py (sha256 ")


def test_a_load_that_is_refused_changes_nothing_and_says_why(admin_client, upload, dump):
    url = upload(dump.replace("'Gyokuro'", "None")).url
    said = text_of(admin_client.post(f"{url}load/"))
    assert "The dump was not loaded; nothing was changed." in said
    assert "shop.py:" in said
    assert "shop.Product(pk=2)" in said
    assert names() == ["Sencha", "Matcha"]
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("execute", [True, False])
@pytest.mark.parametrize("head", ["", "# dumpy: program 1\n"])
def test_a_program_is_refused_whatever_the_settings_say(
    upload, settings, uploads, db, execute, head
):
    settings.DUMPY = {"EXECUTE": execute}
    assert "Only data is loaded here, no code." in text_of(upload(head + PROGRAM))
    assert [*uploads.iterdir()] == []


def test_code_in_a_dump_is_refused(upload, dump, uploads):
    response = upload(dump.replace("def objects():", "import os\n\ndef objects():"))
    assert "A dump of format 1 holds no code." in text_of(response)
    assert "as a program" not in text_of(response)
    assert [*uploads.iterdir()] == []


def test_code_in_a_row_is_named_without_advice_to_run_it(admin_client, upload, dump):
    url = upload(dump.replace("'Gyokuro'", "print()")).url
    for said in map(text_of, (admin_client.get(url), admin_client.post(f"{url}load/"))):
        assert "A dump of format 1 holds no code." in said
        assert "as a program" not in said


@pytest.mark.parametrize("name", ["restore.py", "shop_product.py"])
def test_a_file_of_a_directory_dump_is_refused(upload, shop, tmp_path, name):
    call_command("dump2py", str(tmp_path / "dump"), "shop", verbosity=0)
    said = text_of(upload((tmp_path / "dump" / name).read_bytes(), name))
    assert f"{name}: it belongs to a directory dump. To restore it with the other files:" in said


def test_a_truncated_dump_is_refused(upload, dump):
    assert "The dump was refused." in text_of(upload(dump.replace("# dumpy: end\n", "")))


@pytest.mark.parametrize("name", ["shop.json", "shop.py.exe", "py"])
def test_a_file_of_another_kind_is_refused(upload, dump, name):
    assert "the name of a dump ends in .py" in text_of(upload(dump, name))


def test_a_form_without_a_file_asks_for_it(admin_client):
    assert "This field is required." in text_of(admin_client.post("/admin/dumps/"))


@pytest.mark.parametrize(
    ("ending", "compress"),
    [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)],
)
def test_compressed_dumps_are_loaded(admin_client, upload, dump, ending, compress):
    response = upload(compress(dump.encode()), f"my shop.py.{ending}")
    admin_client.post(f"{response.url}load/")
    assert names() == ["Assam", "Gyokuro", "Matcha"]


def test_a_file_that_only_says_that_it_is_compressed_is_refused(upload, dump):
    assert "The dump was refused." in text_of(upload(dump, "shop.py.gz"))


def test_a_file_above_the_limit_is_refused(upload, dump, settings):
    settings.DUMPY = {"MAX_UNPACKED_BYTES": 2**18}
    assert "MAX_UNPACKED_BYTES" in text_of(upload(dump + "#" * 2**18))


def test_an_upload_is_for_its_user_only(upload, dump, db):
    url = upload(dump).url
    client = Client()
    client.force_login(User.objects.create_superuser("other"))
    assert "Upload the dump again." in text_of(client.get(url, follow=True))
    assert "Upload the dump again." in text_of(client.post(f"{url}load/", follow=True))
    assert names() == ["Sencha", "Matcha"]


def test_a_token_that_was_changed_finds_nothing(admin_client):
    assert "Upload the dump again." in text_of(admin_client.get("/admin/dumps/x:y:z/", follow=True))


def test_a_file_that_was_changed_is_not_loaded(admin_client, upload, dump, uploads):
    url = upload(dump).url
    (kept,) = uploads.glob("*/dump.py")
    kept.write_text(PROGRAM)
    assert "Upload the dump again." in text_of(admin_client.post(f"{url}load/", follow=True))
    assert names() == ["Sencha", "Matcha"]


def test_an_upload_is_readable_by_its_process_only(upload, dump, uploads):
    upload(dump)
    (kept,) = uploads.iterdir()
    assert kept.stat().st_mode & 0o077 == 0


def test_an_upload_can_be_removed(admin_client, upload, dump, uploads):
    admin_client.post(upload(dump).url, {"discard": "1"})
    assert [*uploads.iterdir()] == []


def test_uploads_of_long_ago_are_removed_with_the_next(upload, dump, uploads):
    upload(dump)
    (old,) = uploads.iterdir()
    os.utime(old, (time.time() - 4000,) * 2)
    upload(dump)
    assert old not in uploads.iterdir()


def test_what_stands_in_a_dump_is_escaped(admin_client, upload, dump):
    said = text_of(admin_client.get(upload(dump.replace("'Gyokuro'", "'<b>'")).url))
    assert "<b>" not in said
    assert "&lt;b&gt;" in said
