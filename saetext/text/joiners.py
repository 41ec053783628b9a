"""Characters that are not seen and belong to the letters beside them.

A module of its own, since whatever is printed needs it: the definition of a word, with its regular
expressions, is loaded only where words are looked for.
"""

JOINERS = "\u200c\u200d"
