"""A strict reader of HTML: tags close in their order, text is kept, nothing is loaded."""

from __future__ import annotations

from html.parser import HTMLParser

__all__ = ["Page", "read"]

_VOID = {"input", "br", "hr", "img", "meta", "link"}


class Page(HTMLParser):
    """Collect tags, attributes and text; refuse tags that do not close."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.texts.append(data)

    def count(self, tag: str) -> int:
        """Return how many there are of a tag."""
        return sum(found == tag for found, _ in self.tags)


def read(html: str) -> Page:
    """Parse a page; it is whole, runs nothing and loads nothing."""
    page = Page()
    page.feed(html)
    page.close()
    assert page.open == []
    assert not {"script", "img", "link", "iframe", "object", "embed"} & {t for t, _ in page.tags}
    for _, attrs in page.tags:
        assert not [name for name in attrs if name.startswith("on")]
        assert not {"src", "srcset", "action"} & set(attrs)
    for style in html.split("<style>")[1:]:
        assert "@import" not in style.partition("</style>")[0]
        assert "url(" not in style.partition("</style>")[0]
    return page
