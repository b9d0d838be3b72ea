"""`python -m biassay`."""

from .cli import main

raise SystemExit(main())
