"""YAML that people read, too."""

from typing import Any

import yaml


class _Dumper(yaml.SafeDumper):
    """Text of several lines as such, and what occurs twice written twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_str(self, text: str) -> yaml.ScalarNode:
        return self.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _Dumper.represent_str)


def dump_yaml(documents: list[dict[str, Any]]) -> str:
    """One YAML document each."""
    return yaml.dump_all(documents, Dumper=_Dumper, sort_keys=False, width=120)
