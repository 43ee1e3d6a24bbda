"""Fills the shop through oscar's own interfaces."""

import datetime
from decimal import Decimal as D
from io import BytesIO
from itertools import pairwise

import django

django.setup()

from django.contrib.auth import get_user_model  # noqa: E402
from django.core.files.base import ContentFile  # noqa: E402
from django.utils import timezone  # noqa: E402
from oscar.apps.catalogue.categories import create_from_breadcrumbs  # noqa: E402
from oscar.core.loading import get_class, get_model  # noqa: E402
from oscar.test import factories  # noqa: E402
from PIL import Image  # noqa: E402

User = get_user_model()
Product = get_model("catalogue", "Product")
ProductAttribute = get_model("catalogue", "ProductAttribute")
ProductClass = get_model("catalogue", "ProductClass")
ProductImage = get_model("catalogue", "ProductImage")
Option = get_model("catalogue", "Option")
Country = get_model("address", "Country")
ShippingAddress = get_model("order", "ShippingAddress")
EventHandler = get_class("order.processing", "EventHandler")


def classes():
    made = ProductClass.objects.create(name="Things")
    for code, kind in (
        ("colour", "text"),
        ("weight", "float"),
        ("made", "date"),
        ("at", "datetime"),
    ):
        ProductAttribute.objects.create(product_class=made, name=code, code=code, type=kind)
    made.options.add(Option.objects.create(name="Wrapping", code="wrapping", type="text"))
    return made


def products(kind):
    categories = [create_from_breadcrumbs(f"Shop > Kind {n % 3} > Sub {n}") for n in range(6)]
    made = []
    for n in range(20):
        product = factories.create_product(
            product_class=kind.name,
            title=f"Thing №{n}",
            upc=f"upc{n}",
            price=D("9.99") + n,
            num_in_stock=50,
            partner_name=f"Partner {n % 2}",
        )
        product.attr.colour = "blau"
        product.attr.weight = n / 7
        product.attr.made = datetime.date(2024, 1, n + 1)
        product.attr.at = timezone.now()
        product.save()
        product.categories.add(categories[n % 6])
        made.append(product)
    for one, other in pairwise(made):
        one.primary_recommendations.create(recommendation=other)
    image(made[0])
    parent = factories.create_product(structure="parent", product_class=kind.name, title="Parent")
    for n in range(3):
        factories.create_product(
            structure="child", parent=parent, title=f"Child {n}", price=D(n + 1)
        )
    return made


def image(product):
    content = BytesIO()
    Image.new("RGB", (30, 30), "red").save(content, "PNG")
    picture = ProductImage(product=product, caption="red")
    picture.original.save("red.png", ContentFile(content.getvalue()))


def offers(kind):
    scope = factories.RangeFactory(includes_all_products=True)
    factories.ConditionalOfferFactory(
        name="Ten off",
        condition=factories.ConditionFactory(range=scope, type="Count", value=1),
        benefit=factories.BenefitFactory(range=scope, type="Percentage", value=10),
    )
    voucher = factories.VoucherFactory(code="SPRING")
    factories.VoucherSetFactory(count=3)
    return voucher


def orders(things):
    users = [User.objects.create_user(f"c{n}", f"c{n}@example.com", "x") for n in range(5)]
    country = Country.objects.create(
        iso_3166_1_a2="EE", printable_name="Estonia", name="ESTONIA", is_shipping_country=True
    )
    for n, user in enumerate(users):
        basket = factories.create_basket(empty=True)
        basket.owner = user
        basket.save()
        for product in things[n : n + 3]:
            basket.add_product(product, quantity=n + 1)
        address = ShippingAddress.objects.create(
            first_name="Ü",
            last_name="Õ",
            line1="Tänav 1",
            country=country,
            phone_number="+3725550000",
        )
        order = factories.create_order(
            basket=basket, user=user, shipping_address=address, number=f"A{n}"
        )
        EventHandler(user).handle_order_status_change(order, "Being processed", note_msg="ok")
        factories.UserAddressFactory(user=user, country=country)
        around(user, things[n])


def around(user, product):
    factories.ProductReviewFactory(product=product, user=user, score=4)
    wishlist = factories.WishListFactory(owner=user)
    wishlist.add(product)
    basket = factories.create_basket(empty=True)
    basket.owner = user
    basket.save()
    basket.add_product(product)
    factories.ProductAlertFactory(product=product, user=user)


if __name__ == "__main__":
    kind = classes()
    things = products(kind)
    offers(kind)
    orders(things)
