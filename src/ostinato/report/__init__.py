"""The page that a run leaves: ``report.html``, one file to be read anywhere.

`write_page` makes it of the run's directory and of `Facts`, what is known of the run besides.
"""

from ostinato.report.activations import Activations, run_and_record
from ostinato.report.facts import Facts
from ostinato.report.page import make_page, write_page

__all__ = ["Activations", "Facts", "make_page", "run_and_record", "write_page"]
