"""What belongs together, directly or over others: patients and groups of films that no split may cut."""


class Unions:
    """Names that are joined two at a time; `root` is the same for all that hang together (union–find)."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}

    def root(self, name: str) -> str:
        """The name that stands for all that `name` was joined with; itself if it was joined with nothing."""
        while self._parent.setdefault(name, name) != name:
            name = self._parent[name]
        return name

    def join(self, one: str, other: str) -> None:
        """From now on both hang together."""
        self._parent[self.root(one)] = self.root(other)
