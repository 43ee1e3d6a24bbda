"""Pages, snippets and settings as a small site has them."""

from django.db import models
from modelcluster.contrib.taggit import ClusterTaggableManager
from modelcluster.fields import ParentalKey, ParentalManyToManyField
from taggit.models import TaggedItemBase
from wagtail import blocks
from wagtail.contrib.forms.models import AbstractEmailForm, AbstractFormField
from wagtail.contrib.settings.models import BaseSiteSetting, register_setting
from wagtail.fields import RichTextField, StreamField
from wagtail.images.blocks import ImageChooserBlock
from wagtail.models import (
    DraftStateMixin,
    LockableMixin,
    Orderable,
    Page,
    PreviewableMixin,
    RevisionMixin,
    TranslatableMixin,
    WorkflowMixin,
)
from wagtail.search import index
from wagtail.snippets.models import register_snippet


@register_snippet
class Author(
    WorkflowMixin,
    DraftStateMixin,
    LockableMixin,
    RevisionMixin,
    PreviewableMixin,
    TranslatableMixin,
    index.Indexed,
    models.Model,
):
    name = models.CharField(max_length=100)
    born = models.DateField(null=True)
    search_fields = [index.SearchField("name"), index.AutocompleteField("name")]

    class Meta(TranslatableMixin.Meta):
        pass


class HomePage(Page):
    greeting = RichTextField(blank=True)


class BlogIndexPage(Page):
    pass


class BlogPageTag(TaggedItemBase):
    content_object = ParentalKey("BlogPage", on_delete=models.CASCADE, related_name="tagged_items")


class BlogPage(Page):
    date = models.DateTimeField()
    body = StreamField(
        [
            ("heading", blocks.CharBlock()),
            ("text", blocks.RichTextBlock()),
            ("image", ImageChooserBlock()),
            (
                "quote",
                blocks.StructBlock([("who", blocks.CharBlock()), ("on", blocks.DateBlock())]),
            ),
            ("list", blocks.ListBlock(blocks.IntegerBlock())),
        ]
    )
    authors = ParentalManyToManyField(Author, blank=True)
    tags = ClusterTaggableManager(through=BlogPageTag, blank=True)
    search_fields = [*Page.search_fields, index.SearchField("body")]


class RelatedLink(Orderable):
    page = ParentalKey(BlogPage, on_delete=models.CASCADE, related_name="related_links")
    name = models.CharField(max_length=255)
    target = models.ForeignKey(Page, null=True, on_delete=models.SET_NULL, related_name="+")


class FormField(AbstractFormField):
    page = ParentalKey("ContactPage", on_delete=models.CASCADE, related_name="form_fields")


class ContactPage(AbstractEmailForm):
    thanks = RichTextField(blank=True)


@register_setting
class Footer(BaseSiteSetting):
    text = models.TextField(blank=True)
