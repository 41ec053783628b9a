"""The explorer: opened corpora as pages of a local web app, for looking and asking on.

The app is :func:`saetext.report.explore.served.explorer_app`; its rooms are in
:mod:`saetext.report.explore.rooms`, and what they ask of a corpus in :mod:`saetext.report.explore.queries`.
Needs the extra ``explore``. Not for: pages as files (:mod:`saetext.report.html`).
"""
