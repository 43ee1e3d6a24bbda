"""The action "Download as Python fixture"."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.contrib.messages.storage.cookie import CookieStorage
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.http import StreamingHttpResponse
from shared import dumped
from shop.models import Basket, Gift, Note, Order, Product, Tag

from dumpy.admin.action import download_as_python


def chosen(client, *objects, **more):
    """Choose objects in the admin, and return the response of the action."""
    keys = [one.pk for one in objects]
    data = {"action": "download_as_python", "_selected_action": keys, **more}
    return client.post(f"/admin/shop/{objects[0]._meta.model_name}/", data, follow=True)


def written(response):
    return b"".join(response.streaming_content).decode()


def rows(text):
    return [line.strip() for line in text.splitlines() if line.startswith("    yield create_")]


def test_the_rows_that_are_chosen_are_downloaded_as_a_file(admin_client, shop):
    response = chosen(admin_client, Product.objects.get(id=2))
    assert isinstance(response, StreamingHttpResponse)
    assert response["Content-Disposition"] == 'attachment; filename="shop_product.py"'
    assert rows(written(response))[-1].startswith("yield create_shop_product(2, 'Sencha'")


def test_chosen_rows_give_what_dumpdata_writes_for_a_subset(admin_client, shop):
    text = written(chosen(admin_client, *Product.objects.all()))
    assert text == dumped(only=["shop.Product:1,2"])
    assert '"""A subset of the data' in text


def test_sessions_are_not_downloaded(rf, admin_user):
    request = rf.post("/admin/")
    request.user, request._messages = admin_user, CookieStorage(request)
    shown = admin.ModelAdmin(Session, admin.site)
    assert download_as_python(shown, request, Session.objects.all()) is None
    (message,) = request._messages
    assert "sessions.Session is not in the dump: it is excluded, never dumped" in str(message)


def test_what_rows_need_comes_along_and_nothing_else(admin_client, shop):
    Order.objects.create(product_id=1)
    gift = Gift.objects.create(product_id=2, text="for you")
    functions = [row[: row.index("(")] for row in rows(written(chosen(admin_client, gift)))]
    assert functions == [
        "yield create_shop_tag",
        "yield create_shop_product",
        "yield create_shop_order",
        "yield create_shop_gift",
    ]


def test_objects_of_generic_keys_come_along(admin_client, shop):
    note = Note.objects.create(kind=ContentType.objects.get_for_model(Product), key=1)
    assert "'Assam'" in written(chosen(admin_client, note))


def test_what_is_downloaded_can_be_loaded(admin_client, shop, tmp_path):
    order = Order.objects.create(product_id=1)
    path = tmp_path / "order.py"
    path.write_text(written(chosen(admin_client, order)))
    Product.objects.all().delete()
    Tag.objects.all().delete()
    call_command("loaddata", path, verbosity=0)
    assert (Order.objects.get().product.name, Tag.objects.get().name) == ("Assam", "hot")


def test_all_pages_may_be_chosen(admin_client, db):
    Product.objects.bulk_create(Product(name=f"Tea {i}") for i in range(1200))
    response = chosen(admin_client, Product.objects.first(), select_across="1")
    assert len(rows(written(response))) == 1200


def test_staff_that_may_view_all_rows_downloads_them(staff, shop):
    response = chosen(staff("product", "tag"), Product.objects.get(id=1))
    assert len(rows(written(response))) == 2


def test_models_that_the_user_may_not_view_are_named(staff, shop):
    order = Order.objects.create(product_id=1)
    response = chosen(staff("order"), order)
    assert "you may not view" in response.content.decode()
    assert "shop.Product, shop.Tag" in response.content.decode()


def test_rows_that_the_admin_hides_from_a_user_are_not_downloaded(staff, db):
    order = Order.objects.create(product=Product.objects.create(name="Secret tea"))
    response = chosen(staff("order", "product", "tag"), order)
    assert "without them: shop.Product" in response.content.decode()


def test_only_superusers_download_the_rows_of_users(staff, admin_client, admin_user, db):
    basket = Basket.objects.create(user=admin_user)
    assert "create_auth_user(" in written(chosen(admin_client, basket))
    assert "without them: auth.User" in chosen(staff("basket", "user"), basket).content.decode()


def test_who_may_not_view_a_model_has_no_action(staff, shop):
    assert chosen(staff("tag"), Product.objects.get(id=1)).status_code == 403


def test_what_cannot_be_written_is_said_instead_of_a_download(admin_client, shop, settings):
    settings.DUMPY = {"VERSION": "shop.nowhere"}
    said = chosen(admin_client, Product.objects.get(id=1)).content.decode()
    assert "which cannot be imported" in said


@pytest.mark.django_db
def test_a_project_can_switch_the_action_off(admin_client, shop):
    admin.site.disable_action("download_as_python")
    try:
        said = admin_client.get("/admin/shop/product/").content.decode()
    finally:
        admin.site.add_action(download_as_python)
    assert "Download as Python fixture" not in said
    assert "Download as Python fixture" in admin_client.get("/admin/shop/product/").content.decode()


def test_superusers_are_not_asked_for_permissions(admin_client, shop):
    assert User.objects.get().user_permissions.count() == 0
    assert rows(written(chosen(admin_client, Product.objects.get(id=1))))
