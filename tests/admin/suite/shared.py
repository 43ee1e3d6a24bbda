"""Users, and a dump of products."""

import io

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from shop.models import Product, Tag


@pytest.fixture(autouse=True)
def uploads(tmp_path, settings):
    """Return the directory where uploads are kept."""
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path)
    return tmp_path


@pytest.fixture
def staff(client, db):
    """Return a function that logs a member of the staff in, who may view some models."""

    def logged_in(*names):
        user = User.objects.create_user("clerk", password="clerk", is_staff=True)
        user.user_permissions.set(
            Permission.objects.filter(codename__in=[f"view_{n}" for n in names])
        )
        client.force_login(user)
        return client

    return logged_in


@pytest.fixture
def shop(db):
    """Make two products with a tag."""
    tag = Tag.objects.create(id=1, name="hot")
    for key, name in enumerate(["Assam", "Sencha"], 1):
        Product.objects.create(id=key, name=name).tags.add(tag)


def dumped(*labels, **options):
    """Return what dumpdata writes."""
    stream = io.StringIO()
    call_command("dumpdata", *labels, format="py", stdout=stream, **options)
    return stream.getvalue()


@pytest.fixture
def dump(shop):
    """Return a dump of the shop, which has changed since."""
    text = dumped("shop.Tag", "shop.Product").replace("'Sencha'", "'Gyokuro'")
    Product.objects.filter(name="Assam").delete()
    Product.objects.create(id=9, name="Matcha")
    return text


@pytest.fixture
def upload(admin_client):
    """Return a function that uploads a text as a file; it returns the response."""

    def posted(text, name="shop.py", client=admin_client):
        data = text if isinstance(text, bytes) else text.encode()
        return client.post("/admin/dumps/", {"dump": SimpleUploadedFile(name, data)})

    return posted
