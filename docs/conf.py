"""The settings of Sphinx."""

import django
from django.conf import settings

import dumpy

settings.configure(INSTALLED_APPS=["django.contrib.contenttypes", "dumpy"])
django.setup()

project = "dumpy"
author = "The dumpy developers"
copyright = "The dumpy developers"
release = version = dumpy.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
napoleon_use_ivar = True
napoleon_attr_annotations = False
autodoc_type_aliases = {"_Path": "str | PathLike"}
python_maximum_signature_line_length = 88
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 2
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"dumpy {release}"
