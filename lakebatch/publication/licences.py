"""Licences for data and code, by their SPDX identifier."""

from __future__ import annotations

from lakebatch._text import hint
from lakebatch.errors import ConfigError

NAMES = {
    "AGPL-3.0-only": "GNU Affero General Public License v3.0 only",
    "AGPL-3.0-or-later": "GNU Affero General Public License v3.0 or later",
    "Apache-2.0": "Apache License 2.0",
    "BSD-2-Clause": "BSD 2-Clause License",
    "BSD-3-Clause": "BSD 3-Clause License",
    "CC-BY-3.0": "Creative Commons Attribution 3.0 Unported",
    "CC-BY-4.0": "Creative Commons Attribution 4.0 International",
    "CC-BY-NC-4.0": "Creative Commons Attribution Non Commercial 4.0 International",
    "CC-BY-NC-ND-4.0": "Creative Commons Attribution Non Commercial No Derivatives 4.0 International",
    "CC-BY-NC-SA-4.0": "Creative Commons Attribution Non Commercial Share Alike 4.0 International",
    "CC-BY-ND-4.0": "Creative Commons Attribution No Derivatives 4.0 International",
    "CC-BY-SA-4.0": "Creative Commons Attribution Share Alike 4.0 International",
    "CC0-1.0": "Creative Commons Zero v1.0 Universal",
    "CDLA-Permissive-2.0": "Community Data License Agreement Permissive 2.0",
    "EPL-2.0": "Eclipse Public License 2.0",
    "EUPL-1.2": "European Union Public License 1.2",
    "GPL-2.0-only": "GNU General Public License v2.0 only",
    "GPL-2.0-or-later": "GNU General Public License v2.0 or later",
    "GPL-3.0-only": "GNU General Public License v3.0 only",
    "GPL-3.0-or-later": "GNU General Public License v3.0 or later",
    "ISC": "ISC License",
    "LGPL-3.0-only": "GNU Lesser General Public License v3.0 only",
    "LGPL-3.0-or-later": "GNU Lesser General Public License v3.0 or later",
    "MIT": "MIT License",
    "MPL-2.0": "Mozilla Public License 2.0",
    "ODC-By-1.0": "Open Data Commons Attribution License v1.0",
    "ODbL-1.0": "Open Data Commons Open Database License v1.0",
    "PDDL-1.0": "Open Data Commons Public Domain Dedication & License 1.0",
    "Unlicense": "The Unlicense",
}
"""The licences that a publication can have, by SPDX identifier."""


def check(licence: str) -> str:
    """Return the SPDX identifier of a licence, as SPDX spells it.

    Raises
    ------
    ConfigError
        If it is not among `NAMES`.

    Examples
    --------
    >>> check("cc-by-4.0")
    'CC-BY-4.0'
    """
    spelled = {name.lower(): name for name in NAMES}
    found = spelled.get(str(licence).strip().lower())
    if found is None:
        raise ConfigError(
            f"Unknown licence {licence!r}. {hint(str(licence), list(NAMES))}Expected the SPDX identifier of one of: "
            f"{', '.join(NAMES)}."
        )
    return found


def page(licence: str) -> str:
    """Return the address of the text of a licence."""
    return f"https://spdx.org/licenses/{licence}.html"


def text(licence: str) -> str:
    """Return what the file LICENSE says when no text is given."""
    return f"{NAMES[licence]}\nSPDX-License-Identifier: {licence}\nThe text of the licence: {page(licence)}\n"
