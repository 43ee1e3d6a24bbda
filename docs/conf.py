"""The settings of Sphinx."""

import dumpy

project = "dumpy"
author = "The dumpy developers"
copyright = "The dumpy developers"
release = version = dumpy.__version__
extensions = ["myst_parser"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 2
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"dumpy {release}"
