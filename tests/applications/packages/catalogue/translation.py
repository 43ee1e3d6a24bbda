"""The fields that are translated."""

from modeltranslation.translator import TranslationOptions, register

from catalogue.models import Sign


@register(Sign)
class SignTranslation(TranslationOptions):
    fields = ("title", "text")
