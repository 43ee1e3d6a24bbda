"""The shop in the admin; tags are not there."""

from django.contrib import admin
from shop.models import Basket, Gift, Note, Order, Product


class ProductAdmin(admin.ModelAdmin):
    """Shows secret products to superusers only."""

    def get_queryset(self, request):
        found = super().get_queryset(request)
        return found if request.user.is_superuser else found.exclude(name__startswith="Secret")


admin.site.register(Product, ProductAdmin)
admin.site.register([Basket, Gift, Note, Order])
