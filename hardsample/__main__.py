"""``python -m hardsample``."""

from hardsample.cli import main

raise SystemExit(main())
