"""A page about a measure that a person wants to look at: one HTML file, no network, light and dark, for a desk and for a phone.

    subject     what the page is about: figures, marks, the worst mistakes with their pictures
    charts      drawings as inline SVG, in the page's own colours
    sections    the parts of the page, each from figures to HTML
    page        the whole file
    style.css   its looks

Everything that comes from files is escaped where it enters the HTML; nothing here measures anything.
"""

from bioclip_search.evaluation.report.page import write_report
from bioclip_search.evaluation.report.subject import Mistake, Subject

__all__ = ["Mistake", "Subject", "write_report"]
