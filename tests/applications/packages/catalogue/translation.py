"""The fields that are translated."""

from catalogue.models import Sign
from modeltranslation.translator import TranslationOptions, register


@register(Sign)
class SignTranslation(TranslationOptions):
    fields = ("title", "text")
