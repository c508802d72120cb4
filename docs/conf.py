"""Sphinx configuration. Builds without network and treats every warning as an error (``make docs``)."""

import sys
from importlib.metadata import version as distribution_version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "tegata"
author = "the tegata contributors"
project_copyright = "the tegata contributors"
release = distribution_version("tegata")
version = release

extensions = ["myst_parser", "sphinx.ext.autodoc", "house"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3

autodoc_typehints = "description"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": True}
# Names of other libraries have no page here; our own must all resolve.
nitpick_ignore_regex = [("py:.*", r"(?!tegata\.).*")]

html_theme = "furo"
html_title = "tegata"
html_copy_source = False
