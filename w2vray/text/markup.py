"""What a text says without its HTML: tags and comments go, entities become the characters that they stand for.

A tag is read without a space in its place where it only changes how a part of a word looks (``<b>aw</b>ful``), and as a
space everywhere else (``one<br>two``). What is between ``<script>`` or ``<style>`` and its end is no text. A ``<`` that
no letter follows is a mark (``a < b``, ``<3``), and so is an ``&`` without a name that HTML knows. Each is done once:
``&lt;b&gt;`` becomes ``<b>``, which is text.

The time is in proportion to the text's length, whatever is in it: ``html.parser`` takes the square of it for texts that
are made to be slow, and reads damaged HTML otherwise in each release of Python. Entities are the library's.
"""

import html
import re

from w2vray.text.tracing import T, substituted

__all__ = ["without_markup"]

_INLINE = (
    "a abbr acronym b bdi bdo big cite code data del dfn em font i ins kbd mark nobr q s samp small span strike strong "
    "sub sup time tt u var wbr"
)
_UNREAD = "script|style"
_ATTRIBUTES = r"""(?:[^<>"']|"[^"<]*"|'[^'<]*')*+>|[^<>]*+>"""
_MARKUP = re.compile(
    rf"(?P<gone><!--.*?(?:-->|\Z)|<(?P<name>{_UNREAD})\b[^<>]*+>.*?(?:</(?P=name)\b[^<>]*+>|\Z))"
    rf"|<!\[CDATA\[|\]\]>"
    rf"|</?(?P<inline>{'|'.join(_INLINE.split())})(?![^\s/>])(?:{_ATTRIBUTES})"
    rf"|<(?:/?[a-z]|[!?])(?:{_ATTRIBUTES})",
    re.ASCII | re.IGNORECASE | re.DOTALL,
)
_ZEROS, _NO_CHARACTER = re.compile("&#0{9,}"), re.compile("&#0*+[0-9]{8,};?")
"""Long ways to write a number, and numbers far beyond those of characters: Python reads 4,300 digits at most."""

_ENTITY = re.compile(r"&(?:#[0-9]+;?|#[xX][0-9a-fA-F]+;?|[^\t\n\f <&#;]{1,32};?)")
"""What ``html.unescape`` may change, of which it changes each by itself."""


def without_markup(text: T) -> T:
    """Return a text without its HTML.

    Example:
        >>> without_markup("An aw<b>ful</b> film.<br/>Tom &amp; Jerry &lt;3")
        'An awful film. Tom & Jerry <3'
    """
    if "<" in text:
        text = substituted(_MARKUP, lambda found: "" if found["inline"] else " ", text)
    if "&" in text:
        text = substituted(_NO_CHARACTER, "\N{REPLACEMENT CHARACTER}", substituted(_ZEROS, "&#0", text))
        text = substituted(_ENTITY, lambda found: html.unescape(found[0]), text, "ends")
    return text
