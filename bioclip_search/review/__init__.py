"""What people say of a finished run: what they should look at, what they decided, and what is learned from it.

Read in this order: `decisions` (what was decided, and how it is kept), `deciding` (from a table to decisions), `spreading` (from
one crop to its burst), `queue` (what needs a person), `template` (a table to fill in), `labels` and `training` (what decisions
teach), `spared` (what no person need look at). For those who decide crop by crop: `worklist` with `grouping` (in which order),
`choosing` (from a click to a decision), `following` (what others decide meanwhile), `agreement` and `effect` (what comes of it).
"""

from bioclip_search.review.deciding import Decided, decide
from bioclip_search.review.decisions import VERDICTS, WHOLE, ReviewDecision, standing_decisions, undo

__all__ = ["VERDICTS", "WHOLE", "Decided", "ReviewDecision", "decide", "standing_decisions", "undo"]
