"""What a test sees."""

from shop.models import Product


def seen(using: str = "default") -> list[str]:
    """Return the names of the products in a database."""
    return sorted(Product.objects.using(using).values_list("name", flat=True))
