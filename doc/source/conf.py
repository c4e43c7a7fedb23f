"""Sphinx configuration."""

project = "Escalator"
copyright = "2026, the Escalator contributors"
author = "the Escalator contributors"
extensions = [
    "oslo_config.sphinxconfiggen",
    "oslo_config.sphinxext",
    "oslo_policy.sphinxext",
    "reno.sphinxext",
    "sphinx.ext.graphviz",
]
config_generator_config_file = "../../etc/escalator/escalator-config-generator.conf"
sample_config_basename = "configuration/_static/escalator"
graphviz_output_format = "svg"
html_theme = "sphinx_rtd_theme"
html_static_path: list[str] = []
exclude_patterns: list[str] = []
