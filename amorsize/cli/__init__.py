"""The command line: the only place that prints and sets exit codes.

::

    words --program--> command --parse--> options --items--> items --stream--> results --> output
                          |                  |                          ^
                       commands              +-------target--> function +

One module for each command, loaded when it is called: ``run``, ``plan``, ``compare``, ``history``,
``validate``, ``doctor``, ``completion``.
:mod:`~amorsize.cli.commands` has the table of them. Everything that can go wrong for a user is a
:class:`~amorsize.cli.exit_codes.Stop`: one line on standard error and an exit code.
"""

from __future__ import annotations

from amorsize.cli.main import main

__all__ = ["main"]
