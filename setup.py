"""Maps the root folders onto the one import name ``gad``; everything else is in pyproject.toml."""

from setuptools import find_namespace_packages, setup

ROOTS = ("harness", "models", "datasets", "leaderboard", "grids")

packages = [f"gad.{root}" for root in ROOTS]
for root in ROOTS:
    packages += [f"gad.{root}.{sub}" for sub in find_namespace_packages(root, exclude=["*__pycache__*"])]

setup(
    packages=packages,
    package_dir={f"gad.{root}": root for root in ROOTS},
    package_data={
        "gad.grids": ["*.yaml"],
        "gad.harness": ["skeleton/*/*.txt"],
        "gad.leaderboard": ["*.csv", "*.css", ".streamlit/*"],
        "gad.models": ["**/*.md", "**/*.json", "**/*.safetensors"],
    },
)
